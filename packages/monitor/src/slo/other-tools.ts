import { stringify } from "yaml";
import { sloUntranslatable } from "../errors.ts";
import { type BurnRateRow, pyrraProfile, slothProfile } from "./profiles.ts";
import { assertCounters, assertTranslatable, type PrometheusObjective } from "./promql.ts";
import type { Objective } from "./slo.ts";

const day = 86_400_000;
const percentOf = (share: number): number => Number((100 * share).toPrecision(12));

/** These tools bring tables of their own: what they would alert on otherwise is refused. */
function assertTable(objective: Objective, tool: string, table: readonly BurnRateRow[], periodMs: number): void {
  assertTranslatable(objective, tool);
  const { name, lowTraffic, missingData, minimumEvents } = objective;
  const key = ({ severity, longMs, shortMs, burnRate, forMs = 0 }: BurnRateRow): string =>
    [severity, longMs, shortMs, burnRate, forMs].join(" ");
  if (objective.periodMs !== periodMs || objective.profile.map(key).join() !== table.map(key).join())
    throw sloUntranslatable(name, tool, `alerts by another table than ${tool}'s own, over ${periodMs / day} days`);
  if (minimumEvents > 0 || lowTraffic !== undefined)
    throw sloUntranslatable(name, tool, "asks for fewest events (set minimumEvents to 0)");
  if (missingData === "alarm" && tool === "Sloth") throw sloUntranslatable(name, tool, "takes silence for an alarm");
}

/**
 * A specification of Sloth (`prometheus/v1`), one document for each service. Takes objectives with `slothProfile()` over 30 days, and throws
 * `MONITOR_SLO_UNTRANSLATABLE` for others: Sloth alerts by its own table.
 */
export function slothSpec(objectives: readonly PrometheusObjective[]): string {
  const services = [...new Set(objectives.map(({ service }) => service))];
  const documents = services.map((service) => ({
    version: "prometheus/v1",
    service,
    slos: objectives.filter((each) => each.service === service).map(slothSlo),
  }));
  return documents.map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })).join("---\n");
}

function slothSlo({ objective, counters, labels, description }: PrometheusObjective): object {
  assertTable(objective, "Sloth", slothProfile(), 30 * day);
  assertCounters(objective.name, counters);
  const rate = (selector: string): string => `sum(rate(${selector}[{{.window}}]))`;
  const total = rate(counters.total);
  return {
    name: objective.name,
    objective: percentOf(objective.objective),
    ...(description === undefined ? {} : { description }),
    ...(labels === undefined ? {} : { labels }),
    sli: {
      events: {
        error_query: counters.good === undefined ? rate(counters.bad) : `${total} - ${rate(counters.good)}`,
        total_query: total,
      },
    },
    alerting: {
      name: objective.name,
      page_alert: { labels: { severity: "page" } },
      ticket_alert: { labels: { severity: "ticket" } },
    },
  };
}

/**
 * Objects of Pyrra (`pyrra.dev/v1alpha1`). Takes objectives with `pyrraProfile()` over four weeks, and throws `MONITOR_SLO_UNTRANSLATABLE` for others: Pyrra
 * alerts by its own table.
 */
export const pyrraObjects = (objectives: readonly PrometheusObjective[]): string =>
  objectives
    .map(({ objective, counters, service, labels, description }) => {
      assertTable(objective, "Pyrra", pyrraProfile(), 28 * day);
      assertCounters(objective.name, counters);
      const total = { metric: counters.total };
      return {
        apiVersion: "pyrra.dev/v1alpha1",
        kind: "ServiceLevelObjective",
        metadata: { name: objective.name, labels: { "pyrra.dev/service": service, ...labels } },
        spec: {
          target: String(percentOf(objective.objective)),
          window: "4w",
          ...(description === undefined ? {} : { description }),
          indicator:
            counters.good === undefined
              ? { ratio: { errors: { metric: counters.bad }, total } }
              : { latency: { success: { metric: counters.good }, total } },
          alerting: { name: objective.name, absent: objective.missingData === "alarm" },
        },
      };
    })
    .map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join("---\n");
