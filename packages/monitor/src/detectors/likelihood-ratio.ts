import { detectorInvalid } from "../errors.ts";
import { checkOptions, type DetectorState, type DriftDetector, type ThresholdDetector } from "./detector.ts";
import { sumsOf, weighError } from "./error-alternatives.ts";
import {
  afterAlarm,
  type ErrorShares,
  freshShare,
  isUnsure,
  keptShare,
  learnError,
  noShares,
  rangeOf,
  ranges,
  unscored,
} from "./error-shares.ts";

/** Whether an answer was wrong, and how sure the model was of it. */
export interface ScoredError {
  /** 1 or true: wrong. */
  readonly error: number | boolean;
  /** The probability that the model gave to its answer, in [0, 1]. It need not be calibrated. */
  readonly confidence: number;
}

export interface LikelihoodRatioOptions {
  /** Answers between false alarms, on average: the least, and about half of what is seen. Default: 10,000. */
  readonly averageRunLength?: number | undefined;
  /** The statistic that is a drift, where a calibration found a better one than `averageRunLength`. */
  readonly threshold?: number | undefined;
  /** By what the odds of an error grow in the drifts that are looked for, each greater than 1. Default: 1.25, 1.5, 2, 3, 5, 10, 30 and 100. */
  readonly odds?: readonly number[] | undefined;
  /** No verdict before so many answers. Default: 30. */
  readonly warmUp?: number | undefined;
}

interface Options {
  readonly averageRunLength: number;
  readonly threshold: number;
  readonly odds: readonly number[];
  readonly warmUp: number;
}

interface Values extends ErrorShares {
  /** Answers since the start. */
  count: number;
  sums: number[];
  /** Of the sums, and of that with what it overshoots. */
  total: number;
  statistic: number;
}

/** A statistic ten times smaller comes by about ten times as often. */
const warningShare = 0.1;

const start = (odds: readonly number[], shares: ErrorShares = noShares()): Values => ({
  ...shares,
  count: 0,
  sums: Array.from({ length: sumsOf(odds) }, () => 0),
  total: 0,
  statistic: 0,
});

/**
 * What the total is on average when a value that multiplies it by `jump` takes it past a limit, over the limit: where totals are greater than r by one chance in r, those from limit/jump to limit have the mean limit·ln(jump)/(jump − 1) before.
 */
const overshoot = (jump: number): number => (jump > 1 ? (jump * Math.log(jump)) / (jump - 1) : 1);

/**
 * Watches errors of a model as labels come, for a rise: the sum, over all moments at which the odds of an error may have grown and over the odds they may have grown by, of the
 * likelihood ratio of what came since (Shiryaev 1963; Roberts 1966; Pollak 1985, with a mixture of alternatives). A change may grow while it goes on, as drifts do that come by degrees: at each answer it goes on to the next of the odds with one chance in
 * a hundred (a hidden Markov chain, weighed forward as in Rabiner 1989). The share of errors before is not asked for: it is learned as answers come, and what was learned before an alarm is kept for as long as what follows makes it probable, by
 * Bayes's rule, that the alarm was a false one.
 *
 * Where each error comes with the confidence of its answer, the share is learned for each range of confidence, so that errors the model was sure not to make weigh more, and traffic that becomes harder is no drift of the concept. Two more kinds of
 * change are then looked for, with a third of the weight each: growing odds in the less confident half of the answers, where the border between classes is; and a share of all right answers that become wrong, however sure they were.
 *
 * O(1) memory and time. While nothing changes, the statistic minus the number of answers has the mean 0 where shares are known, so the mean run to a threshold A is at least A. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function createLikelihoodRatio(
  options: LikelihoodRatioOptions = {},
  saved?: unknown,
): ThresholdDetector<number | ScoredError> {
  const { averageRunLength = 10_000, odds = [1.25, 1.5, 2, 3, 5, 10, 30, 100], warmUp = 30 } = options;
  const { threshold = averageRunLength } = options;
  const kind = "likelihood-ratio";
  checkOptions(kind, {
    averageRunLength: { value: averageRunLength, from: 1, to: 1e15 },
    threshold: { value: threshold, from: Number.MIN_VALUE, to: 1e15 },
    warmUp: { value: warmUp, from: 0, integer: true },
  });
  if (!Array.isArray(odds) || odds.length === 0 || odds.length > 100 || odds.some((each) => !(each > 1 && each <= 1e6)))
    throw detectorInvalid(kind, "odds must be 1 to 100 numbers greater than 1 and at most 1,000,000");
  const settings: Options = { averageRunLength, threshold, odds: odds.toSorted((a, b) => a - b), warmUp };
  return runLikelihoodRatio(kind, settings, saved);
}

function runLikelihoodRatio(kind: string, settings: Options, saved: unknown): ThresholdDetector<number | ScoredError> {
  const { odds, threshold, warmUp } = settings;
  let values = saved === undefined ? start(odds) : savedValues(kind, saved, odds);
  let drifted = saved !== undefined && (saved as { readonly drifted?: unknown }).drifted === true;
  return {
    kind,
    threshold,
    statistic: () => values.statistic,
    update(value) {
      const error = readError(kind, value);
      if (error === undefined) return "stable";
      const range = readRange(kind, value);
      if (drifted) values = start(odds, afterAlarm(values));
      drifted = false;
      const fresh = freshShare(values, range);
      const kept = values.trust > 0 ? keptShare(values, range) : fresh;
      const share = fresh + values.trust * (kept - fresh);
      const before = 1 + values.total;
      values.total = weighError(values.sums, odds, share, error, range !== unscored, isUnsure(values, range));
      values.statistic = values.total * overshoot(values.total / before);
      learnError(values, range, error, fresh, kept);
      values.count += 1;
      if (values.count <= warmUp) return "stable";
      drifted = values.statistic > threshold;
      if (drifted) return "drift";
      return values.statistic > threshold * warningShare ? "warning" : "stable";
    },
    reset() {
      values = start(odds);
      drifted = false;
    },
    state: () => ({
      formatVersion: 1,
      kind,
      options: structuredClone(settings) as unknown as DetectorState["options"],
      values: structuredClone({ ...values, drifted }) as unknown as DetectorState["values"],
    }),
  } satisfies DriftDetector<number | ScoredError> & { readonly threshold: number; statistic: () => number };
}

/** 1 for an error and 0 for none; undefined for what is missing. */
function readError(kind: string, value: number | ScoredError): number | undefined {
  if (value === null || value === undefined) return undefined;
  const error = typeof value === "object" ? value.error : value;
  if (error === 0 || error === false) return 0;
  if (error === 1 || error === true) return 1;
  if (typeof error !== "number") throw detectorInvalid(kind, `an error must be 0 or 1, not ${typeof error}`);
  if (Number.isFinite(error)) throw detectorInvalid(kind, `an error must be 0 or 1, not ${error}`);
  return undefined;
}

/** The range of its confidence. */
function readRange(kind: string, value: number | ScoredError): number {
  const confidence = typeof value === "object" ? value.confidence : undefined;
  if (confidence === undefined) return unscored;
  if (!(confidence >= 0 && confidence <= 1))
    throw detectorInvalid(kind, `a confidence must be in [0, 1], not ${String(confidence)}`);
  return rangeOf(confidence);
}

function savedValues(kind: string, saved: unknown, odds: readonly number[]): Values {
  const values = (saved ?? {}) as Readonly<Record<string, unknown>>;
  const { count, trust, answers, errors, keptAnswers, keptErrors, sums, total, statistic } = values;
  const isList = (list: unknown, length: number): list is number[] =>
    Array.isArray(list) && list.length === length && list.every((each) => typeof each === "number" && each >= 0);
  const isSound =
    [count, trust, total, statistic].every((each) => typeof each === "number" && each >= 0) &&
    (trust as number) <= 1 &&
    [answers, errors, keptAnswers, keptErrors].every((list) => isList(list, ranges)) &&
    isList(sums, sumsOf(odds));
  if (!isSound) throw detectorInvalid(kind, "its saved values are not sound");
  const own = { count, trust, answers, errors, keptAnswers, keptErrors, sums, total, statistic };
  return structuredClone(own) as unknown as Values;
}
