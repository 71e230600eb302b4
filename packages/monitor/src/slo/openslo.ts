import type { JsonObject, JsonValue } from "@millwright/contracts";
import { openSloInvalid, sloUntranslatable } from "../errors.ts";
import type { OpenSloDocument, OpenSloKind } from "./openslo-document.ts";
import { calendarUnitOf, shorthandMs, shorthandOf, shorthandOfCalendar } from "./openslo-duration.ts";
import type { BurnRateRow } from "./profiles.ts";
import { assertCounters, type PrometheusCounters, type PrometheusObjective } from "./promql.ts";
import { defineObjective, type Objective, type ObjectiveOptions } from "./slo.ts";
import type { SloPolicy } from "./slo-policy.ts";

/** An objective that was read from OpenSLO. */
export interface OpenSloObjective extends Omit<PrometheusObjective, "counters"> {
  /** Where both metrics are counters of Prometheus: with them it can become rules. */
  readonly counters?: PrometheusCounters | undefined;
  /** The document it is of, and the number of its objective there. */
  readonly document: OpenSloDocument;
  readonly index: number;
}

/** Holds what OpenSLO has no word for: short windows, fewest events, low traffic, silence. */
const annotation = "millwright.dev/objective";

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields => (typeof value === "object" && value !== null ? (value as Fields) : {});
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/**
 * The objectives of documents, one for each entry of an SLO's list; names of later ones end in their number. References are followed within the documents.
 * Burn-rate conditions become rows: over the threshold in the look-back window for as long as `alertAfter`, whichever way `op` points; without policies the
 * usual table holds. Throws `MONITOR_OPENSLO_INVALID` for a reference to nothing, `MONITOR_SLO_UNTRANSLATABLE` for calendar periods that are not one day, week,
 * month, quarter or year, and `MONITOR_SLO_INVALID`.
 */
export function objectivesOfOpenSlo(documents: readonly OpenSloDocument[]): readonly OpenSloObjective[] {
  return documents
    .filter(({ kind }) => kind === "SLO")
    .flatMap((document) => {
      const entries = document.spec["objectives"] as readonly Fields[];
      return entries.map((entry, index) => readEntry(documents, document, entry, index));
    });
}

function readEntry(
  documents: readonly OpenSloDocument[],
  document: OpenSloDocument,
  entry: Fields,
  index: number,
): OpenSloObjective {
  const { metadata, spec } = document;
  const name = index === 0 ? metadata.name : `${metadata.name}-${index + 1}`;
  const target =
    typeof entry["target"] === "number"
      ? entry["target"]
      : Number(((entry["targetPercent"] as number) / 100).toPrecision(12));
  const kept = metadata.annotations?.[annotation];
  const extras =
    kept === undefined
      ? alertsOf(documents, document)
      : (parsedExtras(kept, metadata.name) as Partial<ObjectiveOptions>);
  const objective = defineObjective({
    name,
    objective: target,
    ...windowOf(name, spec),
    ...slicesOf(name, spec, entry),
    ...extras,
  });
  const description = textOf(spec["description"]);
  const labels = Object.entries(metadata.labels ?? {}).flatMap(([key, value]) =>
    typeof value === "string" ? [[key, value] as const] : [],
  );
  const counters = countersOf(indicatorOf(documents, document));
  return {
    objective,
    service: spec["service"] as string,
    ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
    ...(description === undefined ? {} : { description }),
    ...(counters === undefined ? {} : { counters }),
    document,
    index,
  };
}

function parsedExtras(text: string, name: string): JsonObject {
  try {
    const extras = JSON.parse(text) as JsonValue;
    if (typeof extras === "object" && extras !== null && !Array.isArray(extras)) return extras as JsonObject;
  } catch {
    // Told below.
  }
  throw openSloInvalid(`the SLO "${name}"`, `its annotation ${annotation} is no JSON object`);
}

function windowOf(name: string, spec: Fields): Partial<ObjectiveOptions> {
  const [window] = (spec["timeWindow"] ?? []) as readonly Fields[];
  if (window === undefined) return {};
  const duration = window["duration"] as string;
  if (window["calendar"] === undefined) return { periodMs: shorthandMs(duration) };
  const unit = calendarUnitOf(duration);
  if (unit === undefined) throw sloUntranslatable(name, "Millwright", `has a calendar period of ${duration}`);
  return { calendar: { unit, timeZone: String(fieldsOf(window["calendar"])["timeZone"]) } };
}

function slicesOf(name: string, spec: Fields, entry: Fields): Pick<SloPolicy, "slices"> {
  if (spec["budgetingMethod"] === "Occurrences") return {};
  if (spec["budgetingMethod"] === "RatioTimeslices")
    throw sloUntranslatable(name, "Millwright", "budgets ratios of time slices");
  const window = entry["timeSliceWindow"];
  const lengthMs = typeof window === "number" ? window * 60_000 : (shorthandMs(String(window)) ?? 60_000);
  return { slices: { lengthMs, target: entry["timeSliceTarget"] as number } };
}

/** A document of this kind and name. */
function referred(
  documents: readonly OpenSloDocument[],
  kind: OpenSloKind,
  name: string,
  from: string,
): OpenSloDocument {
  const found = documents.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined)
    throw openSloInvalid(`the SLO "${from}"`, `it refers to the ${kind} "${name}", which is not there`);
  return found;
}

function indicatorOf(documents: readonly OpenSloDocument[], { spec, metadata }: OpenSloDocument): Fields {
  const { indicator, indicatorRef } = spec as Fields;
  if (typeof indicatorRef === "string") return referred(documents, "SLI", indicatorRef, metadata.name).spec;
  return fieldsOf(fieldsOf(indicator)["spec"]);
}

/** Queries that select a counter, of a ratio of Prometheus. */
function countersOf(indicator: Fields): PrometheusCounters | undefined {
  const { good, bad, total } = fieldsOf(indicator["ratioMetric"]);
  const query = (metric: unknown): string => {
    const { query: text, promql } = fieldsOf(fieldsOf(fieldsOf(metric)["metricSource"])["spec"]);
    return textOf(text) ?? textOf(promql) ?? "";
  };
  const counters =
    good === undefined ? { bad: query(bad), total: query(total) } : { good: query(good), total: query(total) };
  try {
    assertCounters("", counters);
    return counters;
  } catch {
    return undefined;
  }
}

function alertsOf(
  documents: readonly OpenSloDocument[],
  { spec, metadata }: OpenSloDocument,
): Partial<ObjectiveOptions> {
  const policies = ((spec["alertPolicies"] ?? []) as readonly Fields[]).map((each) => {
    const ref = textOf(each["alertPolicyRef"]);
    return ref === undefined
      ? fieldsOf(each["spec"])
      : (referred(documents, "AlertPolicy", ref, metadata.name).spec as Fields);
  });
  if (policies.length === 0) return {};
  const profile = policies.map((policy): BurnRateRow => {
    const [given] = policy["conditions"] as readonly Fields[];
    const ref = textOf(given?.["conditionRef"]);
    const condition =
      ref === undefined ? fieldsOf(given?.["spec"]) : referred(documents, "AlertCondition", ref, metadata.name).spec;
    const { threshold, lookbackWindow, alertAfter = "0m" } = fieldsOf((condition as Fields)["condition"]);
    const windowMs = shorthandMs(String(lookbackWindow)) ?? 0;
    const forMs = shorthandMs(String(alertAfter)) ?? 0;
    const severity = (condition as Fields)["severity"] === "page" ? "page" : "ticket";
    return {
      severity,
      longMs: windowMs,
      shortMs: windowMs,
      burnRate: threshold as number,
      ...(forMs === 0 ? {} : { forMs }),
    };
  });
  return {
    profile,
    ...(policies.some((policy) => policy["alertWhenNoData"] === true) ? { missingData: "alarm" } : {}),
  };
}

/**
 * Objectives as documents of OpenSLO v1: an SLO each, with its indicator and a policy for each row of its table. What OpenSLO has no word for stands in an annotation,
 * so that `objectivesOfOpenSlo` gives the same objective back. Throws `MONITOR_SLO_UNTRANSLATABLE` for windows that are no whole minutes.
 */
export function openSloOf(objectives: readonly PrometheusObjective[]): readonly OpenSloDocument[] {
  return objectives.map((each): OpenSloDocument => {
    const { objective, service, labels, description } = each;
    const { name, profile, minimumEvents, lowTraffic, missingData, missingAfterMs, periodMs } = objective;
    const extras = {
      profile,
      minimumEvents,
      lowTraffic,
      missingData,
      missingAfterMs,
      ...(objective.calendar === undefined ? {} : { periodMs }),
    };
    return {
      apiVersion: "openslo/v1",
      kind: "SLO",
      metadata: {
        name,
        ...(labels === undefined ? {} : { labels }),
        annotations: { [annotation]: JSON.stringify(extras) },
      },
      spec: {
        ...(description === undefined ? {} : { description }),
        service,
        indicator: { metadata: { name: `${name}-indicator` }, spec: { ratioMetric: ratioOf(each.counters) } },
        timeWindow: [timeWindowOf(objective)],
        budgetingMethod: objective.slices === undefined ? "Occurrences" : "Timeslices",
        objectives: [{ target: objective.objective, ...timeSlicesOf(objective) }],
        alertPolicies: profile.map((row, index) => policyOf(objective, row, `${name}-${index + 1}`)),
      } as unknown as JsonObject,
    };
  });
}

const sourceOf = (query: string): JsonObject => ({ metricSource: { type: "Prometheus", spec: { query } } });

const ratioOf = ({ good, bad, total }: PrometheusCounters): JsonObject => ({
  counter: true,
  ...(good === undefined ? { bad: sourceOf(bad) } : { good: sourceOf(good) }),
  total: sourceOf(total),
});

function shorthand(objective: Objective, durationMs: number): string {
  const text = shorthandOf(durationMs);
  if (text === undefined) throw sloUntranslatable(objective.name, "OpenSLO", `has a time of ${durationMs} ms`);
  return text;
}

function timeWindowOf(objective: Objective): JsonObject {
  const { calendar, periodMs } = objective;
  if (calendar === undefined) return { duration: shorthand(objective, periodMs), isRolling: true };
  const { unit, timeZone = "UTC" } = calendar;
  // A Monday, and the first of a year.
  const startTime = "2024-01-01 00:00:00";
  return { duration: shorthandOfCalendar(unit), calendar: { startTime, timeZone }, isRolling: false };
}

const timeSlicesOf = (objective: Objective): JsonObject =>
  objective.slices === undefined
    ? {}
    : { timeSliceTarget: objective.slices.target, timeSliceWindow: shorthand(objective, objective.slices.lengthMs) };

const policyOf = (objective: Objective, row: BurnRateRow, name: string): JsonObject => ({
  kind: "AlertPolicy",
  metadata: { name },
  spec: {
    alertWhenBreaching: true,
    alertWhenResolved: true,
    alertWhenNoData: objective.missingData === "alarm",
    conditions: [
      {
        kind: "AlertCondition",
        metadata: { name: `${name}-condition` },
        spec: {
          severity: row.severity,
          condition: {
            kind: "burnrate",
            op: "gte",
            threshold: row.burnRate,
            lookbackWindow: shorthand(objective, row.longMs),
            alertAfter: (row.forMs ?? 0) === 0 ? "0m" : shorthand(objective, row.forMs ?? 0),
          },
        },
      },
    ],
    notificationTargets: [],
  },
});
