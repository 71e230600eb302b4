import type { Provenance } from "../engine/prediction.ts";
import type { Confidence } from "./intervals.ts";
import type { SegmentSummary, ShadowTally, TallySummary } from "./shadow-tally.ts";

/** What a shadow must show to be recommended. */
export interface ShadowCriteria {
  /** Of all intervals. Default: 0.95. */
  readonly confidence?: Confidence | undefined;
  /** Fewer requests that both answered are no evidence. Default: 1,000. */
  readonly minRequests?: number | undefined;
  /** Least share of rows that agree. Default: 0.95. */
  readonly minAgreement?: number | undefined;
  /** Most latency that it may add on average, milliseconds. Default: a tenth of the primary's mean. */
  readonly maxAddedMs?: number | undefined;
  /** Segments with fewer rows have no say. Default: 100. */
  readonly minSegmentRows?: number | undefined;
}

export interface ShadowReport extends TallySummary {
  readonly name: string;
  readonly primary: Provenance["model"] | undefined;
  readonly shadow: Provenance["model"];
  /** UTC, milliseconds: the first and the last pair. */
  readonly fromMs: number | undefined;
  readonly untilMs: number | undefined;
  /** Requests that it was to see and did not: too many were under way. */
  readonly dropped: number;
  /** Requests it did not answer in time; they count as its errors. */
  readonly timedOut: number;
  /** The first hundred segments; the rest are together under `other`. */
  readonly segments: Readonly<Record<string, SegmentSummary>>;
  readonly recommendation: {
    /** `keep`: what serves should go on serving. */
    readonly verdict: "promote" | "keep" | "more-data";
    readonly reasons: readonly string[];
  };
}

export interface ShadowFacts extends Pick<
  ShadowReport,
  "name" | "primary" | "shadow" | "fromMs" | "untilMs" | "dropped" | "timedOut"
> {
  readonly all: ShadowTally;
  readonly bySegment: ReadonlyMap<string, ShadowTally>;
}

/** Weighs what was seen. `promote` only where every bound is on the right side, `keep` where one is surely on the wrong one. Throws a RangeError for criteria out of range. */
export function reportOf({ all, bySegment, ...facts }: ShadowFacts, criteria: ShadowCriteria = {}): ShadowReport {
  checkCriteria(criteria);
  const { confidence = 0.95 } = criteria;
  const summary = all.summary(confidence);
  const segments = Object.fromEntries([...bySegment].map(([name, tally]) => [name, tally.segment(confidence)]));
  const findings = [
    ...weighAgreement(summary, criteria),
    ...weighErrors(summary, criteria),
    ...weighLatency(summary, criteria),
    ...weighSegments(segments, criteria),
  ];
  const verdict = verdictOf(findings);
  const reasons = findings.filter((each) => each.verdict === verdict).map(({ reason }) => reason);
  return { ...facts, ...summary, segments, recommendation: { verdict, reasons } };
}

interface Finding {
  readonly verdict: "promote" | "keep" | "more-data";
  readonly reason: string;
}

function verdictOf(findings: readonly Finding[]): Finding["verdict"] {
  const has = (verdict: Finding["verdict"]): boolean => findings.some((each) => each.verdict === verdict);
  if (has("keep")) return "keep";
  return has("more-data") ? "more-data" : "promote";
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

function weighAgreement(
  { agreement, requests, errors }: TallySummary,
  { minRequests = 1000, minAgreement = 0.95 }: ShadowCriteria,
): readonly Finding[] {
  const answered = requests - errors.primary - errors.onlyShadow;
  const { share, low, high } = agreement;
  const told = `${percent(share)} of rows agree (${percent(low)} to ${percent(high)}; wanted: ${percent(minAgreement)})`;
  if (answered < minRequests)
    return [{ verdict: "more-data", reason: `${answered} of ${minRequests} requests were answered by both` }];
  if (low >= minAgreement) return [{ verdict: "promote", reason: told }];
  return [{ verdict: high < minAgreement ? "keep" : "more-data", reason: told }];
}

function weighErrors({ errors }: TallySummary, { confidence = 0.95 }: ShadowCriteria): readonly Finding[] {
  const { onlyPrimary, onlyShadow, p } = errors;
  const worse = onlyShadow > onlyPrimary && p < 1 - confidence;
  const told = `${onlyShadow} requests failed with the shadow alone, ${onlyPrimary} with the primary alone (p = ${p.toPrecision(2)})`;
  return [{ verdict: worse ? "keep" : "promote", reason: told }];
}

function weighLatency({ latencyMs }: TallySummary, { maxAddedMs }: ShadowCriteria): readonly Finding[] {
  const { primary, mean, meanInterval } = latencyMs;
  const limit = maxAddedMs ?? primary.mean / 10;
  const { low, high } = meanInterval;
  const told = `it adds ${mean.toFixed(2)} ms on average (${low.toFixed(2)} to ${high.toFixed(2)}; at most ${limit.toFixed(2)} wanted)`;
  if (high <= limit) return [{ verdict: "promote", reason: told }];
  return [{ verdict: low > limit ? "keep" : "more-data", reason: told }];
}

function weighSegments(
  segments: Readonly<Record<string, SegmentSummary>>,
  { minSegmentRows = 100, minAgreement = 0.95 }: ShadowCriteria,
): readonly Finding[] {
  return Object.entries(segments).flatMap(([name, { agreement }]): readonly Finding[] => {
    const { rows, share, high } = agreement;
    if (rows < minSegmentRows || high >= minAgreement) return [];
    return [{ verdict: "keep", reason: `in the segment "${name}" ${percent(share)} of ${rows} rows agree` }];
  });
}

function checkCriteria({
  confidence = 0.95,
  minRequests = 0,
  minAgreement = 0,
  maxAddedMs = 0,
  minSegmentRows = 0,
}: ShadowCriteria): void {
  if (![0.9, 0.95, 0.99].includes(confidence))
    throw new RangeError(`confidence must be 0.9, 0.95 or 0.99, not ${String(confidence)}.`);
  if (!(minAgreement >= 0 && minAgreement <= 1))
    throw new RangeError(`minAgreement must be from 0 to 1, not ${minAgreement}.`);
  for (const [name, value] of Object.entries({ minRequests, maxAddedMs, minSegmentRows }))
    if (!(value >= 0)) throw new RangeError(`${name} must be at least 0, not ${value}.`);
}
