import type { Random } from "@millwright/contracts";
import { type CanaryEvidence, latencyBucket, scoreBucket } from "../src/canary/evidence.ts";
import { type Verdict, judgeCanary } from "../src/canary/judge.ts";
import { logBeta } from "../src/canary/log-gamma.ts";
import { SegmentCounter } from "../src/canary/segment-counter.ts";
import type { VerdictPlan } from "../src/canary/verdict-plan.ts";

export interface Traffic {
  /** After how many requests it is judged. */
  readonly looks: readonly number[];
  readonly share: number;
  /** Error rates of the baseline and the candidate. */
  readonly errors: readonly [number, number];
  /** How many times the candidate's latency is the baseline's. Default: 1. */
  readonly slower?: number;
  /** What is added to the candidate's scores. Default: 0. */
  readonly shift?: number;
  readonly plan: VerdictPlan;
}

/** Draws requests of both variants, judges them at each look and stops at the first that fails. */
export function simulateCanary(
  random: Random,
  { looks, share, errors, slower = 1, shift = 0, plan }: Traffic,
): { readonly failedAt: number | undefined; readonly verdict: Verdict; readonly evidence: CanaryEvidence } {
  const counter = new SegmentCounter();
  const evidence = (): CanaryEvidence => ({ formatVersion: 1, all: counter.evidence(), segments: {} });
  let drawn = 0;
  let verdict = judgeCanary(evidence(), plan);
  for (const look of looks) {
    for (; drawn < look; drawn += 1) {
      const arm = random.next() < share ? "candidate" : "baseline";
      const answered = random.next() >= errors[arm === "candidate" ? 1 : 0];
      counter.request(arm, share, answered);
      if (!answered) continue;
      const latency = 5 * Math.exp(0.5 * random.normal()) * (arm === "candidate" ? slower : 1);
      counter.latency(arm, latencyBucket(latency));
      const score = 1 / (1 + Math.exp(-random.normal()));
      counter.score(arm, scoreBucket(score + (arm === "candidate" ? shift : 0), [0, 1]));
    }
    verdict = judgeCanary(evidence(), plan);
    if (verdict.verdict === "fail") return { failedAt: look, verdict, evidence: evidence() };
  }
  return { failedAt: undefined, verdict, evidence: evidence() };
}

/** P(X ≤ k) of Binomial(n, p), by its sum. */
function binomialCdf(k: number, n: number, p: number): number {
  let sum = 0;
  for (let at = 0; at <= k; at += 1)
    sum += Math.exp(
      -Math.log(n + 1) - logBeta(at + 1, n - at + 1) + (at === 0 ? 0 : at * Math.log(p)) + (n - at) * Math.log1p(-p),
    );
  return sum;
}

function solve(holds: (p: number) => boolean): number {
  let [low, high] = [1e-12, 1 - 1e-12];
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Clopper and Pearson's exact upper limit of a rate: over it with probability `level` at most. */
export const binomialUpper = (k: number, n: number, level: number): number =>
  k === n ? 1 : solve((p) => binomialCdf(k, n, p) > level);

/** Their lower limit. */
export const binomialLower = (k: number, n: number, level: number): number =>
  k === 0 ? 0 : solve((p) => 1 - binomialCdf(k - 1, n, p) < level);
