import { createEventCounts, type EventCounts } from "./event-counts.ts";
import { sloInvalid } from "../errors.ts";

export interface QualityBudgetOptions {
  readonly name: string;
  /** Share of right answers promised, in (0, 1). */
  readonly objective: number;
  /** Length of the rolling period. Default: 30 days. */
  readonly periodMs?: number | undefined;
  /** Length of a bucket of time. Default: 60,000. */
  readonly bucketMs?: number | undefined;
  /** Most answers that wait for their labels, or for a correction of them; beyond, the oldest stays as it is judged. Default: 200,000. */
  readonly maxRemembered?: number | undefined;
  /** Normal quantile of the bounds. Default: 1.96, 95 %. */
  readonly z?: number | undefined;
  /** By how much the mean confidence may be off, on top of chance, in [0, 1]: 0 trusts calibrated confidences. Default: 0. */
  readonly miscalibration?: number | undefined;
  /** Share of the answers that must be labelled for the budget to be `final`, in (0, 1]. Default: 1. */
  readonly finalCoverage?: number | undefined;
}

/** A number that is known within bounds. */
export interface Bounded {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

export interface QualityBudgetStatus {
  readonly name: string;
  /** `provisional` until labels came for `finalCoverage` of the answers; `no-data` without answers. */
  readonly state: "provisional" | "final" | "no-data";
  /** Answers of the period. */
  readonly total: number;
  readonly labelled: number;
  /** Labelled answers that were wrong. */
  readonly wrong: number;
  /** Wrong answers in all: the labelled ones, and those expected among the others. */
  readonly spent: Bounded;
  /** Wrong answers allowed. */
  readonly allowed: number;
  /** Share of the budget that is left. */
  readonly left: Bounded;
  /** `unknown` while the bounds lie on both sides. */
  readonly exhausted: "yes" | "no" | "unknown";
}

/**
 * An error budget on right answers whose labels come late. An answer spends what it is expected to (1 − its confidence) until its label says; then it spends
 * one or nothing, once: what was provisional is given back. Bounds are those of independent answers of calibrated confidence (Poisson binomial, by the normal
 * distribution), as CBPE estimates quality.
 */
export interface QualityBudget {
  /** @param confidence Probability that the answer is right, calibrated, in [0, 1]. */
  predicted(requestId: string, timeMs: number, confidence: number): void;
  /** Takes a label, or a correction of one. @returns false where the answer is not known, or not any more. */
  labelled(requestId: string, right: boolean): boolean;
  status(nowMs: number): QualityBudgetStatus;
}

interface Answer {
  readonly timeMs: number;
  readonly confidence: number;
  right: boolean | undefined;
}

const day = 86_400_000;

/** Throws `MONITOR_SLO_INVALID`. */
export function createQualityBudget(options: QualityBudgetOptions): QualityBudget {
  const { name, objective, periodMs = 30 * day, bucketMs = 60_000, maxRemembered = 200_000 } = options;
  checkOptions(options);
  const counts = (): EventCounts => createEventCounts({ periodMs, bucketMs, fineMs: periodMs });
  const [known, expected, variance] = [counts(), counts(), counts()];
  const answers = new Map<string, Answer>();
  const spend = ({ timeMs, confidence, right }: Answer, sign: 1 | -1): void => {
    if (right !== undefined) {
      known.add(timeMs, right ? sign : 0, sign);
      return;
    }
    expected.add(timeMs, sign * confidence, sign);
    variance.add(timeMs, 0, sign * confidence * (1 - confidence));
  };
  return {
    predicted(requestId, timeMs, confidence) {
      if (!(confidence >= 0 && confidence <= 1))
        throw new RangeError(`A confidence is in [0, 1], not ${String(confidence)}.`);
      if (typeof requestId !== "string" || !Number.isFinite(timeMs))
        throw new TypeError("An answer has a request id and a time.");
      if (answers.has(requestId)) return;
      const answer: Answer = { timeMs, confidence, right: undefined };
      answers.set(requestId, answer);
      spend(answer, 1);
      for (const oldest of answers.keys()) {
        if (answers.size <= maxRemembered) break;
        answers.delete(oldest);
      }
    },
    labelled(requestId, right) {
      const answer = answers.get(requestId);
      if (answer === undefined) return false;
      spend(answer, -1);
      answer.right = right;
      spend(answer, 1);
      return true;
    },
    status(nowMs) {
      for (const [requestId, { timeMs }] of answers) {
        // Answers come in about the order of time.
        if (timeMs > nowMs - periodMs) break;
        answers.delete(requestId);
      }
      const [labels, open] = [known.totals(periodMs, nowMs), expected.totals(periodMs, nowMs)];
      return statusOf(options, name, objective, { labels, open, variance: variance.totals(periodMs, nowMs).total });
    },
  };
}

interface Sums {
  readonly labels: { readonly good: number; readonly total: number };
  readonly open: { readonly good: number; readonly total: number };
  readonly variance: number;
}

function statusOf(
  { z = 1.96, miscalibration = 0, finalCoverage = 1 }: QualityBudgetOptions,
  name: string,
  objective: number,
  { labels, open, variance }: Sums,
): QualityBudgetStatus {
  const total = labels.total + open.total;
  const wrong = labels.total - labels.good;
  const expected = open.total === 0 ? 0 : open.total - open.good;
  const half = open.total === 0 ? 0 : z * Math.sqrt(Math.max(0, variance)) + miscalibration * open.total;
  const spent = {
    estimate: wrong + expected,
    low: wrong + Math.max(0, expected - half),
    high: wrong + Math.min(open.total, expected + half),
  };
  const allowed = total * (1 - objective);
  const leftOf = (lost: number): number => (total === 0 ? 1 : 1 - lost / allowed);
  const left = { estimate: leftOf(spent.estimate), low: leftOf(spent.high), high: leftOf(spent.low) };
  const exhausted = left.high <= 0 ? "yes" : left.low > 0 ? "no" : "unknown";
  const state = total === 0 ? "no-data" : labels.total >= finalCoverage * total ? "final" : "provisional";
  return { name, state, total, labelled: labels.total, wrong, spent, allowed, left, exhausted };
}

function checkOptions({
  name,
  objective,
  z = 1,
  miscalibration = 0,
  finalCoverage = 1,
  maxRemembered = 1,
}: QualityBudgetOptions): void {
  if (!(objective > 0 && objective < 1))
    throw sloInvalid(String(name), `the objective must be between 0 and 1, not ${String(objective)}`);
  if (!(z > 0 && miscalibration >= 0 && miscalibration <= 1))
    throw sloInvalid(String(name), `bounds of ${String(z)} standard deviations and ${String(miscalibration)} are none`);
  if (!(finalCoverage > 0 && finalCoverage <= 1 && maxRemembered >= 1))
    throw sloInvalid(
      String(name),
      `it is never final with ${String(finalCoverage)} labelled of ${String(maxRemembered)}`,
    );
}
