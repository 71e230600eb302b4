import { detectorInvalid } from "../errors.ts";
import { checkOptions, type DetectorState, type DriftDetector, type ThresholdDetector } from "./detector.ts";

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
  /** By what the odds of an error grow in the drifts that are looked for, each greater than 1. Default: 1.5, 2, 3, 5, 10 and 30. */
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

interface Values {
  count: number;
  /** For each range of confidence, and for answers without: answers and errors. */
  answers: number[];
  errors: number[];
  /** For each odds, the sum over all starts of the likelihood ratio since. */
  sums: number[];
}

/** Ranges of confidence: 1 − confidence by halves, down to 2^-12; the last one is for answers without. */
const ranges = 14;
/** Answers that a range's own errors must outweigh before they count more than those of all ranges. */
const borrowed = 10;
const firstGuess = 0.2;
/** A statistic ten times smaller comes by about ten times as often. */
const warningShare = 0.1;

const rangeOf = (confidence: number): number =>
  confidence >= 1 ? ranges - 2 : Math.min(ranges - 2, Math.floor(-Math.log2(1 - confidence)));

const start = (odds: readonly number[]): Values => ({
  count: 0,
  answers: Array.from({ length: ranges }, () => 0),
  errors: Array.from({ length: ranges }, () => 0),
  sums: odds.map(() => 0),
});

/** The share of errors to expect in a range, from what came before. */
function expectedShare({ answers, errors, count }: Values, range: number): number {
  const all = errors.reduce((sum, each) => sum + each, 0);
  const overall = (all + borrowed * firstGuess) / (count + borrowed);
  return ((errors[range] as number) + borrowed * overall) / ((answers[range] as number) + borrowed);
}

const meanOf = (sums: readonly number[]): number => sums.reduce((sum, each) => sum + each, 0) / sums.length;

/**
 * Watches errors of a model as labels come, for a rise: the sum, over all moments at which the odds of an error may have grown and over the odds they may have grown by, of the
 * likelihood ratio of what came since (Shiryaev 1963; Roberts 1966; Pollak 1985, with a mixture of alternatives). The share of errors before is not asked for: it is learned as answers come. Where each error comes with the confidence of its answer,
 * it is learned for each range of confidence, so that errors the model was sure not to make weigh more, and traffic that becomes harder is no drift of the concept. O(1) memory. While nothing changes, the
 * statistic minus the number of answers has the mean 0 where shares are known, so the mean run to a threshold A is at least A. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function createLikelihoodRatio(
  options: LikelihoodRatioOptions = {},
  saved?: unknown,
): ThresholdDetector<number | ScoredError> {
  const { averageRunLength = 10_000, odds = [1.5, 2, 3, 5, 10, 30], warmUp = 30 } = options;
  const { threshold = averageRunLength } = options;
  const kind = "likelihood-ratio";
  checkOptions(kind, {
    averageRunLength: { value: averageRunLength, from: 1, to: 1e15 },
    threshold: { value: threshold, from: Number.MIN_VALUE, to: 1e15 },
    warmUp: { value: warmUp, from: 0, integer: true },
  });
  if (!Array.isArray(odds) || odds.length === 0 || odds.length > 100 || odds.some((each) => !(each > 1 && each <= 1e6)))
    throw detectorInvalid(kind, "odds must be 1 to 100 numbers greater than 1 and at most 1,000,000");
  const settings: Options = { averageRunLength, threshold, odds: [...odds], warmUp };
  return runLikelihoodRatio(kind, settings, saved);
}

function runLikelihoodRatio(kind: string, settings: Options, saved: unknown): ThresholdDetector<number | ScoredError> {
  const { odds, threshold, warmUp } = settings;
  let values = saved === undefined ? start(odds) : savedValues(kind, saved, odds);
  let drifted = saved !== undefined && (saved as { readonly drifted?: unknown }).drifted === true;
  return {
    kind,
    threshold,
    statistic: () => meanOf(values.sums),
    update(value) {
      const seen = readError(kind, value);
      if (seen === undefined) return "stable";
      if (drifted) values = start(odds);
      drifted = false;
      const [error, range] = seen;
      const share = expectedShare(values, range);
      for (const [index, each] of odds.entries()) {
        const normal = 1 - share + share * each;
        values.sums[index] = (1 + (values.sums[index] as number)) * (error === 1 ? each / normal : 1 / normal);
      }
      values.count += 1;
      values.answers[range] = (values.answers[range] as number) + 1;
      values.errors[range] = (values.errors[range] as number) + error;
      if (values.count <= warmUp) return "stable";
      const statistic = meanOf(values.sums);
      drifted = statistic > threshold;
      if (drifted) return "drift";
      return statistic > threshold * warningShare ? "warning" : "stable";
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

/** Whether it is an error, and the range of its confidence; undefined for what is missing. */
function readError(kind: string, value: number | ScoredError): readonly [number, number] | undefined {
  if (value === null || value === undefined) return undefined;
  const { error, confidence } = typeof value === "object" ? value : { error: value, confidence: undefined };
  const number = Number(error);
  if ((typeof error !== "number" && typeof error !== "boolean") || !Number.isFinite(number)) {
    if (typeof error === "number") return undefined;
    throw detectorInvalid(kind, `an error must be 0 or 1, not ${typeof error}`);
  }
  if (number !== 0 && number !== 1) throw detectorInvalid(kind, `an error must be 0 or 1, not ${number}`);
  if (confidence === undefined) return [number, ranges - 1];
  if (!(confidence >= 0 && confidence <= 1))
    throw detectorInvalid(kind, `a confidence must be in [0, 1], not ${String(confidence)}`);
  return [number, rangeOf(confidence)];
}

function savedValues(kind: string, saved: unknown, odds: readonly number[]): Values {
  const { count, answers, errors, sums } = (saved ?? {}) as Readonly<Record<string, unknown>>;
  const isList = (list: unknown, length: number): list is number[] =>
    Array.isArray(list) && list.length === length && list.every((each) => typeof each === "number" && each >= 0);
  if (
    typeof count !== "number" ||
    !(count >= 0) ||
    !isList(answers, ranges) ||
    !isList(errors, ranges) ||
    !isList(sums, odds.length)
  )
    throw detectorInvalid(kind, "its saved values are not sound");
  return { count, answers: [...answers], errors: [...errors], sums: [...sums] };
}
