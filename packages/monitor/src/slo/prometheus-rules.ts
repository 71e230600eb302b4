import { stringify } from "yaml";
import { sloInvalid } from "../errors.ts";
import { allowedRatio, alternativesOf } from "./profiles.ts";
import {
  assertCounters,
  assertTranslatable,
  errorRatioIn,
  eventsName,
  prometheusDuration,
  type PrometheusObjective,
  ratioName,
  recorded,
  rowExpression,
  totalIn,
} from "./promql.ts";
import type { Objective } from "./slo.ts";
import { missingAfter } from "./slo-policy.ts";

/** A rule of Prometheus, of either kind. */
export interface PrometheusRule {
  readonly record?: string | undefined;
  readonly alert?: string | undefined;
  readonly expr: string;
  readonly for?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface PrometheusRuleGroup {
  readonly name: string;
  readonly interval?: string | undefined;
  readonly rules: readonly PrometheusRule[];
}

export interface PrometheusRules {
  readonly groups: readonly PrometheusRuleGroup[];
}

export interface PrometheusRulesOptions {
  /** How often rules are evaluated. Default: as Prometheus is configured. */
  readonly intervalMs?: number | undefined;
  /** Where the runbook of an objective lies, as the annotation `runbook_url`. Default: none. */
  readonly runbookUrl?: ((objective: Objective) => string) | undefined;
}

/**
 * Recording and alerting rules of objectives, one group for each: error ratios and events by window, what is left of the budget, and alerts that fire at the
 * evaluation at which `readObjective` says so, given the same events. An alert has the objective's name, and the severity of its row as a label; a silent
 * objective whose missing data are an alarm has `NAME-absent` beside it. Throws `MONITOR_SLO_UNTRANSLATABLE`, `MONITOR_SLO_INVALID`.
 */
export function prometheusRules(
  objectives: readonly PrometheusObjective[],
  options: PrometheusRulesOptions = {},
): PrometheusRules {
  const names = objectives.map(({ objective }) => objective.name);
  for (const [index, name] of names.entries())
    if (names.indexOf(name) !== index) throw sloInvalid(name, "its name is taken");
  return { groups: objectives.map((each) => groupOf(each, options)) };
}

/** The rules as a file that Prometheus reads. */
export const prometheusRulesYaml = (
  objectives: readonly PrometheusObjective[],
  options: PrometheusRulesOptions = {},
): string => stringify(prometheusRules(objectives, options), { lineWidth: 0, aliasDuplicateObjects: false });

function groupOf(given: PrometheusObjective, { intervalMs, runbookUrl }: PrometheusRulesOptions): PrometheusRuleGroup {
  const { objective, counters, service } = given;
  assertTranslatable(objective, "Prometheus rules");
  assertCounters(objective.name, counters);
  const labels = { ...given.labels, slo: objective.name, service };
  const annotations = runbookUrl === undefined ? {} : { runbook_url: runbookUrl(objective) };
  return {
    name: `slo-${objective.name}`,
    ...(intervalMs === undefined ? {} : { interval: prometheusDuration(intervalMs) }),
    rules: [
      ...recordings(given, labels),
      ...alertsOf(objective, labels, annotations),
      ...(objective.missingData === "alarm" ? [absence(given, labels, annotations)] : []),
    ],
  };
}

const distinct = (values: readonly number[]): readonly number[] => [...new Set(values)].toSorted((a, b) => a - b);

function recordings(
  { objective, counters }: PrometheusObjective,
  labels: Readonly<Record<string, string>>,
): readonly PrometheusRule[] {
  const { name, profile, periodMs } = objective;
  const windows = distinct([...profile.flatMap(({ shortMs, longMs }) => [shortMs, longMs]), periodMs]);
  const allowed = allowedRatio(objective.objective);
  return [
    ...windows.map((each) => ({ record: eventsName(each), expr: totalIn(counters, prometheusDuration(each)), labels })),
    ...windows.map((each) => ({ record: ratioName(each), expr: errorRatioIn(counters, name, each), labels })),
    { record: "slo:objective:ratio", expr: `vector(${objective.objective})`, labels },
    { record: "slo:period:days", expr: `vector(${periodMs / 86_400_000})`, labels },
    {
      record: "slo:burn_rate:ratio",
      expr: `${recorded(ratioName(Math.min(...profile.map(({ shortMs }) => shortMs))), name)} / ${allowed}`,
      labels,
    },
    {
      record: "slo:error_budget_left:ratio",
      expr: `1 - ${recorded(ratioName(periodMs), name)} / ${allowed}`,
      labels,
    },
  ];
}

/** One alert for each severity and time that rows must hold: such rows are alternatives. */
function alertsOf(
  objective: Objective,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
): readonly PrometheusRule[] {
  return alternativesOf(objective.profile).map(({ severity, forMs, rows }) => {
    const expressions = rows.map((row) => `(${rowExpression(objective, row)})`);
    const sustained = forMs === 0 ? undefined : prometheusDuration(forMs);
    return {
      alert: objective.name,
      expr: expressions.join(" or "),
      ...(sustained === undefined ? {} : { for: sustained }),
      labels: templateLabels({ ...labels, severity, ...(sustained === undefined ? {} : { sustained }) }),
      annotations: {
        summary: `The error budget of ${templateText(objective.name)} is spent too fast.`,
        description: `{{ $value | humanizePercentage }} of the events of ${templateText(labels["service"] ?? "")} are bad, and ${Number((100 * (1 - objective.objective)).toPrecision(12))} % may be.`,
        ...annotations,
      },
    };
  });
}

/** Braces of names are no template. */
const templateText = (text: string): string => text.replaceAll("{{", '{{ "{{" }}');

/** Labels of alerts are templates, those of recordings are not. */
const templateLabels = (labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, templateText(value)]));

function absence(
  { objective, counters }: PrometheusObjective,
  labels: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>>,
): PrometheusRule {
  const window = prometheusDuration(missingAfter(objective));
  return {
    alert: `${objective.name}-absent`,
    expr: `absent(${totalIn(counters, window)} > 0)`,
    labels: templateLabels({ ...labels, severity: "page" }),
    annotations: {
      summary: `Nothing is seen of ${templateText(objective.name)} for ${window}: that is not 100 %.`,
      ...annotations,
    },
  };
}
