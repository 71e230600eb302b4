import { type ColumnProfile, type Profile, parseProfile } from "@millwright/data";
import {
  benjaminiHochberg,
  chiSquaredContingency,
  jensenShannon,
  largestDifference,
  populationStability,
  twoProportions,
} from "../statistics/count-tests.ts";
import type { ColumnEvidence } from "../calibration/column-null.ts";
import { baselineInvalid } from "../errors.ts";
import { checkDriftPolicy, type DriftPolicy } from "./drift-policy.ts";
import { kolmogorovSmirnovPValue } from "../statistics/sample-tests.ts";
import type { TestResult } from "../statistics/samples.ts";
import { categoryCounts, equalShareBins, type SketchDistance, sketchDistance } from "./sketch-distance.ts";

export type DriftVerdict = "ok" | "drift" | "not-enough-data";

/** What a window is beside the history of its stream. */
export interface CalibratedMeasure extends ColumnEvidence {
  /** After the correction for the number of columns. */
  readonly adjustedPValue: number;
  /** What it was compared with. */
  readonly level: number;
}

/** What was measured between two columns; what does not apply to their type is absent. */
export interface DriftMeasures {
  /** Numbers: the p-value is that of the lower bound of the distance, adjusted. */
  readonly kolmogorovSmirnov?: (SketchDistance & { readonly pValue: number }) | undefined;
  /** Text and booleans: the p-value is adjusted. */
  readonly chiSquared?: TestResult | undefined;
  /** Over ten equal shares of the baseline, or its categories. */
  readonly populationStability?: number | undefined;
  readonly jensenShannon?: number | undefined;
  /** Largest difference between the distributions of numbers, or between shares of categories. */
  readonly largestDifference?: number | undefined;
  /** Of windows of a stream: what their history says. */
  readonly calibrated?: CalibratedMeasure | undefined;
  /** Shares of rows without a value to compare: nulls, NaN and infinities; the p-value is adjusted. */
  readonly missing?: { readonly baseline: number; readonly current: number; readonly pValue: number } | undefined;
}

export interface ColumnDrift {
  readonly name: string;
  /** `not-compared`: lists and binary, columns of the current side alone, and those that the policy leaves out. */
  readonly verdict: DriftVerdict | "not-compared";
  /** Why, one sentence each; empty for `ok`. */
  readonly reasons: readonly string[];
  /** Values that are not null. */
  readonly baselineCount: number;
  readonly currentCount: number;
  readonly measures: DriftMeasures;
}

/** What was measured over all columns together. */
export interface MultivariateReading {
  readonly method:
    | "reconstruction-error"
    | "domain-classifier"
    | "maximum-mean-discrepancy"
    | "least-squares-density-difference";
  readonly value: number;
  /** Below is drift. */
  readonly lower?: number | undefined;
  /** Above is drift. */
  readonly upper?: number | undefined;
  /** Where there is one, it decides: drift is p ≤ `alpha`. */
  readonly pValue?: number | undefined;
  readonly alpha?: number | undefined;
}

export interface DriftReport {
  readonly verdict: DriftVerdict;
  readonly reasons: readonly string[];
  /** Drifted columns among those compared, in [0, 1]. */
  readonly driftedShare: number;
  /** What to know when reading p-values: where they are not as sure as could be. */
  readonly notes?: readonly string[] | undefined;
  /** In the baseline's order, then what the current side has beyond it. */
  readonly columns: readonly ColumnDrift[];
  /** Of monitors that look at whole rows. */
  readonly multivariate?: MultivariateReading | undefined;
}

const stabilityBins = 10;
const mostCategories = 50;

/** The training profile: itself, or the JSON of it that a model package holds. */
export type DriftBaseline = Profile | Readonly<Record<string, unknown>>;

/** Throws what `parseProfile` throws, and `MONITOR_BASELINE_INVALID` for what is no profile, such as all of a `Baseline` or of a manifest. */
export function baselineProfile(baseline: DriftBaseline): Profile {
  if (isProfile(baseline)) return baseline;
  if (Object.hasOwn(baseline, "profile"))
    throw baselineInvalid("it is not the profile but what holds it; its member `profile` is one");
  return parseProfile(baseline);
}

const isProfile = (baseline: DriftBaseline): baseline is Profile =>
  !("formatVersion" in baseline) && "columns" in baseline && typeof baseline.rows === "number";

/**
 * Compares what production sees now with a baseline, column by column, from their profiles alone.
 * Pure: the same profiles and policy give the same report. Throws what `parseProfile` throws, `MONITOR_BASELINE_INVALID` for a baseline that is no profile, and `MONITOR_PARAMETER_INVALID` for a
 * policy out of range.
 */
export function compare(against: DriftBaseline, current: Profile, policy: DriftPolicy): DriftReport {
  checkDriftPolicy(policy);
  const baseline = baselineProfile(against);
  const names = Object.keys(baseline.columns);
  const measured = names.map((name) =>
    isIgnored(policy, name) ? {} : measure(baseline.columns[name] as ColumnProfile, columnOf(current, name), policy),
  );
  const adjusted = adjust(measured, policy);
  const columns = names.map((name, index) =>
    judge(name, baseline.columns[name] as ColumnProfile, columnOf(current, name), adjusted[index] ?? {}, policy),
  );
  const extra = Object.entries(current.columns)
    .filter(([name]) => !Object.hasOwn(baseline.columns, name))
    .map(([name, { count }]): ColumnDrift => ({
      name,
      verdict: "not-compared",
      reasons: ["The baseline has no such column."],
      baselineCount: 0,
      currentCount: count,
      measures: {},
    }));
  return { ...overallVerdict(columns, policy), columns: [...columns, ...extra] };
}

const isIgnored = ({ ignoredColumns = [] }: DriftPolicy, name: string): boolean => ignoredColumns.includes(name);

const columnOf = (profile: Profile, name: string): ColumnProfile | undefined =>
  Object.hasOwn(profile.columns, name) ? profile.columns[name] : undefined;

function measure(
  baseline: ColumnProfile,
  current: ColumnProfile | undefined,
  { minimumSamples }: DriftPolicy,
): DriftMeasures {
  if (current === undefined || current.type !== baseline.type) return {};
  const missing = measureMissing(baseline, current, minimumSamples);
  if (Math.min(baseline.count, current.count) < minimumSamples) return missing;
  if (baseline.frequent !== undefined && current.frequent !== undefined) {
    const { a, b } = categoryCounts(baseline.frequent, current.frequent, mostCategories);
    return {
      ...missing,
      chiSquared: chiSquaredContingency(a, b),
      ...distances(a, b),
      largestDifference: largestDifference(a, b),
    };
  }
  const [x, y] = [baseline.quantiles, current.quantiles];
  if (x === undefined || y === undefined || x.count === 0 || y.count === 0) return missing;
  const distance = sketchDistance(x, y);
  const { a, b } = equalShareBins(x, y, stabilityBins);
  const pValue = kolmogorovSmirnovPValue(distance.lower, x.count, y.count);
  return {
    ...missing,
    kolmogorovSmirnov: { ...distance, pValue },
    ...distances(a, b),
    largestDifference: distance.lower,
  };
}

const distances = (a: Float64Array, b: Float64Array): DriftMeasures => ({
  populationStability: populationStability(a, b),
  jensenShannon: jensenShannon(a, b),
});

function measureMissing(baseline: ColumnProfile, current: ColumnProfile, minimumSamples: number): DriftMeasures {
  const [before, now] = [baseline, current].map(({ count, missing }) => count + missing) as [number, number];
  if (Math.min(before, now) < Math.max(1, minimumSamples)) return {};
  // A model reads a null as NaN, and requests in JSON can tell the one only as the other.
  const [lackedThen, lackedNow] = [baseline, current].map(({ missing, nonFinite }) => missing + nonFinite) as [
    number,
    number,
  ];
  const { pValue } = twoProportions(lackedThen, before, lackedNow, now);
  return { missing: { baseline: lackedThen / before, current: lackedNow / now, pValue } };
}

/** Adjusts all p-values of the report together. */
function adjust(measured: readonly DriftMeasures[], { correction }: DriftPolicy): DriftMeasures[] {
  if (correction === "none") return [...measured];
  const all = measured.flatMap(({ kolmogorovSmirnov, chiSquared, missing }) =>
    // Where no side has a null there is nothing to test, and no test to pay for.
    [kolmogorovSmirnov, chiSquared, missing?.pValue === 1 ? undefined : missing].filter((test) => test !== undefined),
  );
  const pValues = new Map(
    benjaminiHochberg(all.map(({ pValue }) => pValue)).map((pValue, index) => [all[index], pValue]),
  );
  const adjusted = <Test extends { readonly pValue: number }>(test: Test): Test => ({
    ...test,
    pValue: pValues.get(test as unknown as (typeof all)[number]) ?? test.pValue,
  });
  return measured.map((each) => ({
    ...each,
    ...(each.kolmogorovSmirnov === undefined ? {} : { kolmogorovSmirnov: adjusted(each.kolmogorovSmirnov) }),
    ...(each.chiSquared === undefined ? {} : { chiSquared: adjusted(each.chiSquared) }),
    ...(each.missing === undefined ? {} : { missing: adjusted(each.missing) }),
  }));
}

function judge(
  name: string,
  baseline: ColumnProfile,
  current: ColumnProfile | undefined,
  measures: DriftMeasures,
  policy: DriftPolicy,
): ColumnDrift {
  const base = { name, baselineCount: baseline.count, currentCount: current?.count ?? 0, measures };
  if (isIgnored(policy, name)) return { ...base, verdict: "not-compared", reasons: ["The policy leaves it out."] };
  if (current === undefined) return { ...base, verdict: "drift", reasons: ["The column is gone."] };
  if (current.type !== baseline.type)
    return { ...base, verdict: "drift", reasons: [`The type was ${baseline.type} and is ${current.type}.`] };
  const reasons = driftReasons(measures, policy, baseline.nonFinite + current.nonFinite > 0);
  if (reasons.length > 0) return { ...base, verdict: "drift", reasons };
  if (baseline.quantiles === undefined && baseline.frequent === undefined) {
    return {
      ...base,
      verdict: "not-compared",
      reasons: [`Columns of the type ${baseline.type} have no distribution.`],
    };
  }
  if (measures.kolmogorovSmirnov === undefined && measures.chiSquared === undefined) {
    const fewest = Math.min(baseline.quantiles?.count ?? baseline.count, current.quantiles?.count ?? current.count);
    return {
      ...base,
      verdict: "not-enough-data",
      reasons: [`One side has ${fewest} values of the ${policy.minimumSamples} that are needed.`],
    };
  }
  return { ...base, verdict: "ok", reasons: [] };
}

const rounded = (value: number): string => String(Number(value.toPrecision(3)));

function driftReasons(
  { kolmogorovSmirnov, chiSquared, jensenShannon: divergence, missing, populationStability: stability }: DriftMeasures,
  policy: DriftPolicy,
  hasNonFinite: boolean,
): string[] {
  const reasons: string[] = [];
  const { alpha, minimumDistance, minimumDivergence, minimumMissingChange, stabilityLimit } = policy;
  if (
    kolmogorovSmirnov !== undefined &&
    kolmogorovSmirnov.pValue <= alpha &&
    kolmogorovSmirnov.lower >= minimumDistance
  ) {
    reasons.push(
      `The distance is ${rounded(kolmogorovSmirnov.lower)}, at least ${minimumDistance}, with p = ${rounded(kolmogorovSmirnov.pValue)}.`,
    );
  }
  if (
    chiSquared !== undefined &&
    divergence !== undefined &&
    chiSquared.pValue <= alpha &&
    divergence >= minimumDivergence
  ) {
    reasons.push(
      `The divergence is ${rounded(divergence)}, at least ${minimumDivergence}, with p = ${rounded(chiSquared.pValue)}.`,
    );
  }
  if (
    missing !== undefined &&
    missing.pValue <= alpha &&
    Math.abs(missing.current - missing.baseline) >= minimumMissingChange
  ) {
    reasons.push(
      `The share of nulls${hasNonFinite ? ", NaN and infinities" : ""} went from ${rounded(missing.baseline)} to ${rounded(missing.current)}.`,
    );
  }
  if (stabilityLimit !== undefined && stability !== undefined && stability >= stabilityLimit) {
    reasons.push(`The population stability index is ${rounded(stability)}, at least ${stabilityLimit}.`);
  }
  return reasons;
}

/** The verdict on a table from those on its columns. */
export function overallVerdict(
  columns: readonly ColumnDrift[],
  { driftedShare: limit }: Pick<DriftPolicy, "driftedShare">,
): Omit<DriftReport, "columns"> {
  const drifted = columns.filter(({ verdict }) => verdict === "drift");
  const compared = drifted.length + columns.filter(({ verdict }) => verdict === "ok").length;
  if (compared === 0)
    return { verdict: "not-enough-data", reasons: ["No column has enough values on both sides."], driftedShare: 0 };
  const driftedShare = drifted.length / compared;
  if (drifted.length === 0 || driftedShare <= limit) return { verdict: "ok", reasons: [], driftedShare };
  return {
    verdict: "drift",
    reasons: drifted.map(({ name, reasons }) => `${name}: ${reasons.join(" ")}`),
    driftedShare,
  };
}
