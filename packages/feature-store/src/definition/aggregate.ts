import type { TimeWindow } from "../windows/time-window.ts";

/** What an aggregate computes of the rows in its window. */
export type AggregateKind =
  | "count"
  | "sum"
  | "mean"
  | "min"
  | "max"
  | "variance"
  | "standardDeviation"
  | "distinct"
  | "quantile"
  | "first"
  | "last"
  | "firstValue"
  | "lastValue";

/** What is computed over the rows of an entity in the window before a time. */
export interface Aggregate<Input extends string = string> {
  readonly kind: AggregateKind;
  /** The column; absent for counts of rows. */
  readonly input?: Input | undefined;
  /**
   * Length of the window in milliseconds; of a session, how long one may become. Without `window`, the rows from `time − windowMs` on and
   * before `time` count: [time − windowMs, time).
   */
  readonly windowMs: number;
  /** Where the window starts and ends, unless it slides with time. */
  readonly window?: TimeWindow | undefined;
  /** Of `first` and `last`: how many values there are at most. */
  readonly amount?: number | undefined;
  /** Of `quantile`: the share of values at or below the result, in [0, 1]. */
  readonly share?: number | undefined;
  /** Of `distinct` and `quantile`: whether tiles hold sketches in place of values. */
  readonly approximate?: true | undefined;
}

/** A window: its length in milliseconds, for one that slides with time, or what `sliding`, `tumbling` and `session` give. */
export type WindowLike = number | TimeWindow;

export interface SketchOptions {
  /**
   * Whether a sketch of fixed size stands in for the values of a tile: 4 KiB and a standard error of 1.6 % for `distinct`, at most 2048 buckets
   * and a relative error told in docs/data.md for `quantile`. Only for windows in tiles: other windows keep their rows anyway. Default: false.
   */
  readonly approximate?: boolean | undefined;
}

/** How many rows there are: 0 when none. */
export function count(window: WindowLike): Aggregate<never> {
  return { kind: "count", ...placed(window) };
}

/** The sum of the column's values: 0 when there are none; nulls and non-finite numbers do not count. */
export function sum<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "sum", input, ...placed(window) };
}

/** The mean of the column's values: null when there are none; nulls and non-finite numbers do not count. Of a bool, the share of true. */
export function mean<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "mean", input, ...placed(window) };
}

/** The smallest of the column's values, rounded to the view's `decimals`, of a timestamp the earliest: null when there are none. */
export function min<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "min", input, ...placed(window) };
}

/** The largest of the column's values, rounded to the view's `decimals`, of a timestamp the latest: null when there are none. */
export function max<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "max", input, ...placed(window) };
}

/** The sample variance of the column's values, with divisor n − 1, from exact sums of values and squares: null below two values. */
export function variance<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "variance", input, ...placed(window) };
}

/** The square root of `variance`: null below two values. */
export function standardDeviation<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "standardDeviation", input, ...placed(window) };
}

/** How many distinct values the column has, text or numbers (rounded to the view's `decimals`): 0 when there are none. */
export function distinct<const Input extends string>(
  input: Input,
  window: WindowLike,
  { approximate = false }: SketchOptions = {},
): Aggregate<Input> {
  return { kind: "distinct", input, ...placed(window), ...(approximate ? { approximate } : {}) };
}

/**
 * The smallest of the column's values that at least the share `share` of them do not exceed: null when there are none. It is a value that was
 * there, rounded to the view's `decimals`; of an even number of values, the median is the lower middle one.
 * @param share In [0, 1].
 */
export function quantile<const Input extends string>(
  input: Input,
  share: number,
  window: WindowLike,
  { approximate = false }: SketchOptions = {},
): Aggregate<Input> {
  return { kind: "quantile", input, ...placed(window), share, ...(approximate ? { approximate } : {}) };
}

/**
 * The newest values of the column, oldest first, as a list of its type: empty when there are none. Floats are rounded to the view's `decimals`. Rows of one time
 * stand in the order of their values, so that no order of arrival can change the list.
 * @param amount How many values there are at most, from 1.
 */
export function last<const Input extends string>(input: Input, amount: number, window: WindowLike): Aggregate<Input> {
  return { kind: "last", input, ...placed(window), amount };
}

/** As `last`, but the oldest values in the window. */
export function first<const Input extends string>(input: Input, amount: number, window: WindowLike): Aggregate<Input> {
  return { kind: "first", input, ...placed(window), amount };
}

/** The newest value of the column, of its type, floats rounded to the view's `decimals`; of several at one time the largest. Null when there is none. */
export function lastValue<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "lastValue", input, ...placed(window) };
}

/** As `lastValue`, but the oldest in the window; of several at one time the smallest. */
export function firstValue<const Input extends string>(input: Input, window: WindowLike): Aggregate<Input> {
  return { kind: "firstValue", input, ...placed(window) };
}

function placed(window: WindowLike): Pick<Aggregate, "windowMs" | "window"> {
  // What is no window is told with the names of the view and the feature, where these are known.
  if (typeof window !== "object") return { windowMs: window };
  return { windowMs: window.kind === "session" ? window.longestMs : window.lengthMs, window };
}

export const seconds = (amount: number): number => amount * 1000;
export const minutes = (amount: number): number => amount * 60_000;
export const hours = (amount: number): number => amount * 3_600_000;
export const days = (amount: number): number => amount * 86_400_000;
