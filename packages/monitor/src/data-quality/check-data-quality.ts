import { type ColumnConstraint, type Profile, quantileOf } from "@millwright/data";
import { shown, shownPercent } from "../alerts/alert-rule.ts";
import type { Baseline } from "../baseline/baseline.ts";
import { columnIssues, type Limits } from "./column-issues.ts";
import type { DataQualityIssue, DataQualityLimits, DataQualityReport, TrafficFacts } from "./data-quality.ts";

/** A count of different ids by HyperLogLog is off by 1.6 % as a rule, and by this about once in a thousand times. */
const distinctError = 0.05;

/** What holds where nothing is said. Throws a RangeError for a share out of range. */
export function limitsOf(limits: DataQualityLimits = {}): Limits {
  const { maxFeatureAgeMs, requests, ...rest } = limits;
  const full: Limits = {
    minimumRows: 100,
    missingShare: 0.02,
    notFiniteShare: 0.001,
    outOfRangeShare: 0.01,
    rangeMargin: 0.1,
    unseenShare: 0.01,
    drift: true,
    extraColumns: [],
    ignoredColumns: [],
    duplicateShare: 0.1,
    minimumCategoryRows: 10,
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    ...(maxFeatureAgeMs === undefined ? {} : { maxFeatureAgeMs }),
    ...(requests === undefined ? {} : { requests }),
  };
  for (const name of ["missingShare", "notFiniteShare", "outOfRangeShare", "unseenShare", "duplicateShare"] as const)
    if (!(full[name] >= 0 && full[name] <= 1)) throw new RangeError(`${name} must be in [0, 1], not ${full[name]}.`);
  for (const name of ["minimumRows", "rangeMargin", "minimumCategoryRows"] as const)
    if (!(full[name] >= 0)) throw new RangeError(`${name} must be at least 0, not ${full[name]}.`);
  return full;
}

/**
 * Says what is wrong with data, from its profile and a baseline's. Pure; columns that are ignored or unconstrained are only looked for.
 * Throws a RangeError for limits out of range.
 */
export function checkDataQuality(
  current: Profile,
  baseline: Baseline,
  limits: DataQualityLimits = {},
  traffic?: TrafficFacts,
): DataQualityReport {
  const full = limitsOf(limits);
  const { constraints, profile } = baseline;
  const ignored = new Set(full.ignoredColumns);
  const constrained = new Map(constraints.columns.map((column) => [column.name, column] as const));
  const names = [...new Set([...constrained.keys(), ...Object.keys(profile.columns)])].filter(
    (name) => !ignored.has(name),
  );
  const own = <Value>(values: Readonly<Record<string, Value>>, name: string): Value | undefined =>
    Object.hasOwn(values, name) ? values[name] : undefined;
  const issues =
    current.rows === 0
      ? []
      : names.flatMap((name): readonly DataQualityIssue[] => {
          const constraint: ColumnConstraint = constrained.get(name) ?? { name, inferredType: "Unknown" };
          const config = { ...constraints.monitoring, ...constraint.overrides };
          const column = own(current.columns, name);
          if (column === undefined)
            return [{ check: "missing-column", column: name, description: "The column is gone." }];
          if (!config.evaluate || constraint.inferredType === "Unknown") return [];
          return columnIssues({
            name,
            baseline: own(profile.columns, name),
            constraint,
            config,
            current: column,
            limits: full,
          });
        });
  const extra = Object.keys(current.columns)
    .filter((name) => !names.includes(name) && !ignored.has(name) && !full.extraColumns.includes(name))
    .map((name): DataQualityIssue => ({
      check: "extra-column",
      column: name,
      description: "The baseline has no such column.",
    }));
  const all = [...issues, ...extra, ...trafficIssues(traffic, full)];
  const nothing = current.rows === 0 && (traffic?.requests ?? 0) === 0;
  const enough = current.rows >= full.minimumRows;
  const verdict = all.length > 0 ? "issues" : nothing ? "no-data" : enough ? "ok" : "not-enough-data";
  return { formatVersion: 1, rows: current.rows, verdict, issues: all };
}

function trafficIssues(traffic: TrafficFacts | undefined, limits: Limits): readonly DataQualityIssue[] {
  if (traffic === undefined) return [];
  return [...volumeIssues(traffic, limits), ...freshnessIssues(traffic, limits), ...duplicateIssues(traffic, limits)];
}

function volumeIssues({ requests }: TrafficFacts, limits: Limits): readonly DataQualityIssue[] {
  const { least, most } = limits.requests ?? {};
  const issue = (threshold: number, allowed: string): DataQualityIssue => ({
    check: "volume",
    description: `There were ${requests} requests; expected ${allowed} ${threshold}.`,
    observed: requests,
    threshold,
  });
  return [
    ...(least !== undefined && requests < least ? [issue(least, "at least")] : []),
    ...(most !== undefined && requests > most ? [issue(most, "at most")] : []),
  ];
}

function freshnessIssues({ featureAges = {} }: TrafficFacts, limits: Limits): readonly DataQualityIssue[] {
  const allowed = limits.maxFeatureAgeMs;
  if (allowed === undefined) return [];
  return Object.entries(featureAges).flatMap(([view, ages]): readonly DataQualityIssue[] => {
    const threshold = Object.hasOwn(allowed, view) ? allowed[view] : allowed["*"];
    if (threshold === undefined || ages.count < 1) return [];
    const observed = quantileOf(ages, 0.95);
    if (!(observed > threshold)) return [];
    const description = `Features of the view are ${shown(observed / 1000)} s old at the 95th percentile; allowed ${shown(threshold / 1000)} s.`;
    return [{ check: "freshness", column: view, description, observed, threshold }];
  });
}

function duplicateIssues({ requests, distinctRequests }: TrafficFacts, limits: Limits): readonly DataQualityIssue[] {
  if (distinctRequests === undefined || requests < limits.minimumRows) return [];
  const observed = Math.max(0, 1 - distinctRequests / requests);
  if (!(observed - distinctError > limits.duplicateShare)) return [];
  const description = `About ${shownPercent(observed)} of the requests came more than once; allowed ${shownPercent(limits.duplicateShare)}.`;
  return [{ check: "duplicates", description, observed, threshold: limits.duplicateShare }];
}
