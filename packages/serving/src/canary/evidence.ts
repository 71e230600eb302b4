import type { MeanCounts } from "./mean-bounds.ts";

/** What was counted of one variant. */
export interface ArmEvidence {
  readonly requests: number;
  readonly errors: number;
  /** Latencies by bucket of `latencyBucket`, sparse. */
  readonly latency: Readonly<Record<string, number>>;
  /** Scores by bucket of the score range, sparse. */
  readonly scores: Readonly<Record<string, number>>;
  /** (label − score + 1) / 2 of rows whose label came. */
  readonly residuals: MeanCounts;
  /** The business figure, scaled to [0, 1]. */
  readonly kpi: MeanCounts;
}

/** What was counted of one segment, or of all traffic. */
export interface SegmentEvidence {
  readonly baseline: ArmEvidence;
  readonly candidate: ArmEvidence;
  /** Errors of [baseline, candidate] by the candidate's share of that moment. */
  readonly errors: Readonly<Record<string, readonly [number, number]>>;
  /** Rows of the candidate that the baseline was asked too, and how many it answered alike. */
  readonly agreement: MeanCounts;
}

/** What a canary's verdict rests on: counts alone, so that those of several processes are added. */
export interface CanaryEvidence {
  readonly formatVersion: 1;
  readonly all: SegmentEvidence;
  readonly segments: Readonly<Record<string, SegmentEvidence>>;
}

const noCounts: MeanCounts = { count: 0, sum: 0 };
const emptyArm: ArmEvidence = { requests: 0, errors: 0, latency: {}, scores: {}, residuals: noCounts, kpi: noCounts };
export const emptySegment: SegmentEvidence = {
  baseline: emptyArm,
  candidate: emptyArm,
  errors: {},
  agreement: noCounts,
};
export const emptyEvidence: CanaryEvidence = { formatVersion: 1, all: emptySegment, segments: {} };

/** The two together; the order in which many are merged does not matter. */
export function mergeEvidence(left: CanaryEvidence, right: CanaryEvidence): CanaryEvidence {
  return {
    formatVersion: 1,
    all: mergeSegments(left.all, right.all),
    segments: mergeBy(left.segments, right.segments, mergeSegments),
  };
}

function mergeSegments(left: SegmentEvidence, right: SegmentEvidence): SegmentEvidence {
  return {
    baseline: mergeArms(left.baseline, right.baseline),
    candidate: mergeArms(left.candidate, right.candidate),
    errors: mergeBy(left.errors, right.errors, (a, b) => [a[0] + b[0], a[1] + b[1]]),
    agreement: mergeMeans(left.agreement, right.agreement),
  };
}

const add = (left: number, right: number): number => left + right;

const mergeMeans = (left: MeanCounts, right: MeanCounts): MeanCounts => ({
  count: left.count + right.count,
  sum: left.sum + right.sum,
});

const mergeArms = (left: ArmEvidence, right: ArmEvidence): ArmEvidence => ({
  requests: left.requests + right.requests,
  errors: left.errors + right.errors,
  latency: mergeBy(left.latency, right.latency, add),
  scores: mergeBy(left.scores, right.scores, add),
  residuals: mergeMeans(left.residuals, right.residuals),
  kpi: mergeMeans(left.kpi, right.kpi),
});

function mergeBy<Value>(
  left: Readonly<Record<string, Value>>,
  right: Readonly<Record<string, Value>>,
  merge: (left: Value, right: Value) => Value,
): Readonly<Record<string, Value>> {
  const merged = new Map(Object.entries(left));
  for (const [key, value] of Object.entries(right)) {
    const before = merged.get(key);
    merged.set(key, before === undefined ? value : merge(before, value));
  }
  return Object.fromEntries(merged);
}

/** Edges of latency buckets are 5 % apart, from 0.01 ms on. */
const growth = Math.log(1.05);
const leastMs = 0.01;
const latencyBuckets = 360;

/** The bucket of a latency in milliseconds; the last takes all over about 400 s. */
export const latencyBucket = (ms: number): number =>
  ms <= leastMs ? 0 : Math.min(latencyBuckets - 1, Math.ceil(Math.log(ms / leastMs) / growth));

/** The upper edge of a bucket, milliseconds. */
export const latencyEdge = (bucket: number): number => leastMs * Math.exp(growth * bucket);

/** How many buckets a relative tolerance spans, rounded up. */
export const latencyTolerance = (tolerance: number): number => Math.ceil(Math.log1p(tolerance) / growth - 1e-9);

const scoreBuckets = 100;

/** The bucket of a score within a range; what is outside counts at its ends. */
export function scoreBucket(score: number, [least, most]: readonly [number, number]): number {
  const at = Math.floor(((score - least) / (most - least)) * scoreBuckets);
  return Math.min(scoreBuckets - 1, Math.max(0, at));
}

/** Sparse counts as a list. */
export function listOf(counts: Readonly<Record<string, number>>): readonly number[] {
  const list = Array.from({ length: 1 + Math.max(-1, ...Object.keys(counts).map(Number)) }, () => 0);
  for (const [bucket, count] of Object.entries(counts)) list[Number(bucket)] = count;
  return list;
}

/** Both as lists of one length. */
export function listsOf(
  left: Readonly<Record<string, number>>,
  right: Readonly<Record<string, number>>,
): readonly [readonly number[], readonly number[]] {
  const lists = [listOf(left), listOf(right)] as const;
  const length = Math.max(lists[0].length, lists[1].length);
  const padded = (list: readonly number[]): readonly number[] => Array.from({ length }, (_, at) => list[at] ?? 0);
  return [padded(lists[0]), padded(lists[1])];
}
