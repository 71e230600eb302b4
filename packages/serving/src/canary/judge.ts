import { type DistributionShift, distributionShift } from "./distribution-bounds.ts";
import { logEvidenceOfMoreErrors } from "./error-ratio.ts";
import {
  type CanaryEvidence,
  type SegmentEvidence,
  emptySegment,
  latencyEdge,
  latencyTolerance,
  listsOf,
} from "./evidence.ts";
import { type MeanCounts, meanBounds } from "./mean-bounds.ts";
import { logEvidenceOfHigherQuantile, quantileBucket } from "./quantile-test.ts";
import type { VerdictPlan } from "./verdict-plan.ts";

export type VerdictWord = "pass" | "fail" | "inconclusive";

/** One test of a verdict. */
export interface Check {
  readonly test: "errors" | "latency" | "scores" | "agreement" | "calibration" | "kpi";
  /** The segment it is about; absent for all traffic. */
  readonly segment?: string | undefined;
  readonly verdict: VerdictWord;
  readonly summary: string;
  readonly figures: Readonly<Record<string, number>>;
}

export interface Verdict {
  /** Fails where any check does; inconclusive where a check of all traffic has not seen enough; else passes. */
  readonly verdict: VerdictWord;
  readonly reason: string;
  readonly requests: { readonly baseline: number; readonly candidate: number };
  readonly checks: readonly Check[];
}

interface Judged {
  readonly plan: VerdictPlan;
  readonly evidence: SegmentEvidence;
  readonly segment: string | undefined;
  readonly alpha: number;
  readonly minimum: number;
}

type Test = (judged: Judged) => Omit<Check, "test" | "segment">;

/**
 * Judges a candidate by what was counted of it and of the baseline of the same time. Every test is valid at any time, so that it may be asked as often as one likes: with probability at most
 * `alpha` a candidate that is within the tolerances ever fails. `alpha` is shared equally among the tests (Bonferroni), half of each test's share goes to all
 * traffic and half, equally, to the segments that there may be.
 * A test passes when it has seen its minimum and found nothing: that is no proof that the two are equal.
 */
export function judgeCanary({ all, segments }: CanaryEvidence, plan: VerdictPlan): Verdict {
  const { alpha = 0.05, minimumRequests: minimum = 100 } = plan;
  const tests = testsOf(plan);
  const segmented = plan.segments !== undefined;
  const shareOf = (test: string, segment: string | undefined): number => {
    if (!segmented || !bySegment.has(test)) return alpha / tests.length;
    return segment === undefined
      ? alpha / tests.length / 2
      : alpha / tests.length / 2 / ((plan.segments?.most ?? 20) + 1);
  };
  const judged: readonly [string | undefined, SegmentEvidence][] = [
    [undefined, all],
    ...Object.entries(segmented ? segments : {}),
  ];
  const checks = judged.flatMap(([segment, evidence]) =>
    tests
      .filter(([test]) => segment === undefined || bySegment.has(test))
      .map(([test, run]): Check => {
        const check = run({
          plan,
          evidence: evidence ?? emptySegment,
          segment,
          alpha: shareOf(test, segment),
          minimum,
        });
        return { test, ...(segment === undefined ? {} : { segment }), ...check };
      }),
  );
  const requests = { baseline: all.baseline.requests, candidate: all.candidate.requests };
  const failed = checks.filter(({ verdict }) => verdict === "fail");
  // What is seen in all traffic is told before what is seen in a part, unless only parts show it.
  const [worst] = failed.toSorted(
    (left, right) => Number(left.segment !== undefined) - Number(right.segment !== undefined),
  );
  if (worst !== undefined) {
    const named = failed.flatMap(({ segment }) => (segment === undefined ? [] : [segment]));
    const where = named.length === 0 ? "" : ` (in ${[...new Set(named)].map((name) => `"${name}"`).join(", ")})`;
    return { verdict: "fail", reason: `${worst.summary}${worst.segment === undefined ? where : ""}`, requests, checks };
  }
  const open = checks.find(({ verdict, segment }) => verdict === "inconclusive" && segment === undefined);
  return open === undefined
    ? { verdict: "pass", reason: "no test found the candidate worse", requests, checks }
    : { verdict: "inconclusive", reason: open.summary, requests, checks };
}

/** Tests that are made for each segment too: a latency has few tails in a part. */
const bySegment: ReadonlySet<string> = new Set(["errors", "scores", "agreement", "calibration"]);

function testsOf(plan: VerdictPlan): readonly (readonly [Check["test"], Test])[] {
  const { errors, latency, scores, agreement, calibration, kpi } = plan;
  return [
    ...(errors === false ? [] : [["errors", judgeErrors] as const]),
    ...(latency === false ? [] : [["latency", judgeLatency] as const]),
    ...(scores === false ? [] : [["scores", judgeScores] as const]),
    ...(agreement === undefined ? [] : [["agreement", judgeAgreement] as const]),
    ...(calibration === undefined ? [] : [["calibration", judgeCalibration] as const]),
    ...(kpi === undefined ? [] : [["kpi", judgeKpi] as const]),
  ];
}

const inSegment = (segment: string | undefined): string =>
  segment === undefined ? "" : ` in the segment "${segment}"`;
const percent = (share: number): string => `${Math.round(share * 10_000) / 100} %`;
const rounded = (value: number): number => Number(value.toPrecision(4));

const tooFew = (what: string, seen: readonly number[], minimum: number, segment: string | undefined) => ({
  verdict: "inconclusive" as const,
  summary: `too few ${what} to judge${inSegment(segment)}: ${seen.join(" and ")}, of at least ${minimum}`,
});

const judgeErrors: Test = ({ plan, evidence, segment, alpha, minimum }) => {
  const { baseline, candidate, errors } = evidence;
  const tolerance = typeof plan.errors === "object" ? (plan.errors.tolerance ?? 0) : 0;
  const phases = Object.entries(errors).map(([share, [left, right]]) => ({
    share: Number(share),
    baseline: left,
    candidate: right,
  }));
  const logEvidence = logEvidenceOfMoreErrors(phases, tolerance);
  const figures = {
    baselineRequests: baseline.requests,
    baselineErrors: baseline.errors,
    candidateRequests: candidate.requests,
    candidateErrors: candidate.errors,
    pValue: Math.min(1, Math.exp(-logEvidence)),
    alpha,
  };
  const rate = (errorsOf: number, of: number): string => (of === 0 ? "nothing" : percent(errorsOf / of));
  if (logEvidence >= Math.log(1 / alpha)) {
    const rates = `${rate(candidate.errors, candidate.requests)} of the candidate's requests fail${inSegment(segment)}, and ${rate(baseline.errors, baseline.requests)} of the baseline's`;
    return { verdict: "fail", summary: rates, figures };
  }
  if (Math.min(baseline.requests, candidate.requests) < minimum)
    return { ...tooFew("requests", [baseline.requests, candidate.requests], minimum, segment), figures };
  return { verdict: "pass", summary: `errors are no more${inSegment(segment)}`, figures };
};

const judgeLatency: Test = ({ plan, evidence, segment, alpha, minimum }) => {
  const { quantile = 0.95, tolerance = 0.2 } = typeof plan.latency === "object" ? plan.latency : {};
  const [left, right] = listsOf(evidence.baseline.latency, evidence.candidate.latency);
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  const logEvidence = logEvidenceOfHigherQuantile(left, right, { quantile, buckets: latencyTolerance(tolerance) });
  const told = (counts: readonly number[]): number => {
    const bucket = quantileBucket(counts, quantile);
    return bucket < 0 ? 0 : rounded(latencyEdge(bucket));
  };
  const figures = {
    quantile,
    baselineMs: told(left),
    candidateMs: told(right),
    pValue: Math.min(1, Math.exp(-logEvidence)),
    alpha,
  };
  if (logEvidence >= Math.log(1 / alpha)) {
    const summary = `the ${percent(quantile)} quantile of the candidate's latency is about ${figures.candidateMs} ms, and the baseline's ${figures.baselineMs} ms`;
    return { verdict: "fail", summary, figures };
  }
  if (Math.min(total(left), total(right)) < minimum)
    return { ...tooFew("latencies", [total(left), total(right)], minimum, segment), figures };
  return { verdict: "pass", summary: "latency is no higher", figures };
};

const judgeScores: Test = ({ plan, evidence, segment, alpha, minimum }) => {
  const maxShift = typeof plan.scores === "object" ? (plan.scores.maxShift ?? 0.2) : 0.2;
  const [left, right] = listsOf(evidence.baseline.scores, evidence.candidate.scores);
  const counts = [left, right].map((list) => list.reduce((sum, count) => sum + count, 0));
  const { distance, lower }: DistributionShift = distributionShift(left, right, alpha);
  const figures = { distance: rounded(distance), lower: rounded(lower), maxShift, alpha };
  if (lower > maxShift) {
    const summary = `the candidate's scores are distributed otherwise${inSegment(segment)}: a distance of ${figures.distance}, surely over ${maxShift}`;
    return { verdict: "fail", summary, figures };
  }
  if (Math.min(...counts) < minimum) return { ...tooFew("scores", counts, minimum, segment), figures };
  return { verdict: "pass", summary: `scores are distributed alike${inSegment(segment)}`, figures };
};

const judgeAgreement: Test = ({ plan, evidence, segment, alpha, minimum }) => {
  const { count, sum } = evidence.agreement;
  const least = plan.agreement?.minimum ?? 0;
  const { lower, upper } = meanBounds(evidence.agreement, alpha);
  const figures = { compared: count, agreed: sum, lower: rounded(lower), upper: rounded(upper), minimum: least, alpha };
  if (upper < least) {
    const summary = `the candidate decides like the baseline in ${percent(count === 0 ? 0 : sum / count)} of ${count} rows${inSegment(segment)}, and ${percent(least)} are asked for`;
    return { verdict: "fail", summary, figures };
  }
  if (count < minimum) return { ...tooFew("compared rows", [count], minimum, segment), figures };
  return { verdict: "pass", summary: `decisions agree${inSegment(segment)}`, figures };
};

const judgeCalibration: Test = ({ plan, evidence, segment, alpha, minimum }) => {
  const tolerance = plan.calibration?.tolerance ?? 0.05;
  const [left, right] = [evidence.baseline.residuals, evidence.candidate.residuals];
  // The bounds of the mean of (label − score), and of its distance from 0.
  const gap = (counts: MeanCounts) => {
    const bounds = meanBounds(counts, alpha / 2);
    const [lower, upper] = [2 * bounds.lower - 1, 2 * bounds.upper - 1];
    return {
      mean: counts.count === 0 ? 0 : (2 * counts.sum) / counts.count - 1,
      least: lower > 0 ? lower : upper < 0 ? -upper : 0,
      most: Math.max(Math.abs(lower), Math.abs(upper)),
    };
  };
  const [before, after] = [gap(left), gap(right)];
  const figures = { baselineGap: rounded(before.mean), candidateGap: rounded(after.mean), tolerance, alpha };
  if (after.least > before.most + tolerance) {
    const summary = `the candidate is calibrated worse${inSegment(segment)}: labels are ${figures.candidateGap} from its scores on average, and ${figures.baselineGap} from the baseline's`;
    return { verdict: "fail", summary, figures };
  }
  if (Math.min(left.count, right.count) < minimum)
    return { ...tooFew("labels", [left.count, right.count], minimum, segment), figures };
  return { verdict: "pass", summary: `calibration is no worse${inSegment(segment)}`, figures };
};

const judgeKpi: Test = ({ plan, evidence, segment, alpha, minimum }) => {
  const { name, range, better, tolerance = 0 } = plan.kpi as NonNullable<VerdictPlan["kpi"]>;
  const [least, most] = range;
  const [left, right] = [evidence.baseline.kpi, evidence.candidate.kpi];
  const [before, after] = [meanBounds(left, alpha / 2), meanBounds(right, alpha / 2)];
  const scaled = tolerance / (most - least);
  const told = ({ count, sum }: MeanCounts): number =>
    rounded(count === 0 ? 0 : least + ((most - least) * sum) / count);
  const figures = { baselineMean: told(left), candidateMean: told(right), tolerance, alpha };
  const worse = better === "higher" ? after.upper < before.lower - scaled : after.lower > before.upper + scaled;
  if (worse) {
    const summary = `"${name}" is ${figures.candidateMean} with the candidate, and ${figures.baselineMean} with the baseline`;
    return { verdict: "fail", summary, figures };
  }
  if (Math.min(left.count, right.count) < minimum)
    return { ...tooFew(`outcomes of "${name}"`, [left.count, right.count], minimum, segment), figures };
  return { verdict: "pass", summary: `"${name}" is no worse`, figures };
};
