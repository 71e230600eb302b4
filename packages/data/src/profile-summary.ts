import type { ColumnType } from "@millwright/contracts";
import { distinctOf } from "./distinct.ts";
import { mostFrequent } from "./frequent.ts";
import { varianceOf } from "./moments.ts";
import type { ColumnProfile, Profile } from "./profile.ts";
import { quantileOf, relativeErrorOf } from "./quantile-sketch.ts";
import { quantilesInSketch } from "./rank-sketch.ts";

/** A column profile in the numbers that people read. */
export interface ColumnSummary {
  readonly name: string;
  readonly type: ColumnType;
  readonly count: number;
  readonly missing: number;
  /** Share of the rows that are null, in [0, 1]; 0 without rows. */
  readonly missingShare: number;
  readonly nonFinite: number;
  /** Estimated number of distinct values; exact where `top` holds all of them. */
  readonly distinct?: number | undefined;
  /** The rest for numbers with at least one finite value. */
  readonly mean?: number | undefined;
  /** With divisor `count − 1`. */
  readonly standardDeviation?: number | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** Each within `quantileError` of a true value, relatively; where `rankError` is there, each of a rank that is at most that far off. */
  readonly quantiles?: Readonly<Record<"p01" | "p05" | "p25" | "p50" | "p75" | "p95" | "p99", number>> | undefined;
  readonly quantileError?: number | undefined;
  /** As the profile was asked for it; then the quantiles come from its sample, and there is no `quantileError`. */
  readonly rankError?: number | undefined;
  /** The ten most frequent texts with their counts. */
  readonly top?: readonly (readonly [string, number])[] | undefined;
}

/** @returns one summary a column, in the profile's order. */
export function summarizeProfile(profile: Profile): readonly ColumnSummary[] {
  return Object.entries(profile.columns).map(([name, column]) => ({
    name,
    type: column.type,
    count: column.count,
    missing: column.missing,
    missingShare: column.count + column.missing === 0 ? 0 : column.missing / (column.count + column.missing),
    nonFinite: column.nonFinite,
    ...numbersOf(column),
    ...textsOf(column),
  }));
}

function textsOf({ frequent, distinct }: ColumnProfile): Partial<ColumnSummary> {
  const exact = frequent !== undefined && frequent.error === 0;
  return {
    ...(distinct === undefined ? {} : { distinct: exact ? frequent.counts.size : Math.round(distinctOf(distinct)) }),
    ...(frequent === undefined ? {} : { top: mostFrequent(frequent, 10) }),
  };
}

const shares = { p01: 0.01, p05: 0.05, p25: 0.25, p50: 0.5, p75: 0.75, p95: 0.95, p99: 0.99 } as const;

function numbersOf({ moments, quantiles, ranks }: ColumnProfile): Partial<ColumnSummary> {
  if (moments === undefined || quantiles === undefined || moments.count === 0) return {};
  const asked = Object.values(shares);
  const values = ranks === undefined ? asked.map((q) => quantileOf(quantiles, q)) : quantilesInSketch(ranks, asked);
  const within = values.map((value) => Math.min(moments.max, Math.max(moments.min, value)));
  return {
    mean: moments.mean,
    standardDeviation: Math.sqrt(varianceOf(moments)),
    min: moments.min,
    max: moments.max,
    quantiles: Object.fromEntries(Object.keys(shares).map((name, at) => [name, within[at]])) as Record<
      keyof typeof shares,
      number
    >,
    ...(ranks === undefined ? { quantileError: relativeErrorOf(quantiles) } : { rankError: ranks.epsilon }),
  };
}
