/** What is computed over the rows of an entity in the window before a time. */
export interface Aggregate<Input extends string = string> {
  readonly kind: "count" | "sum" | "mean";
  /** The column; absent for counts of rows. */
  readonly input?: Input | undefined;
  /** Length of the window. The rows from `time − windowMs` on and before `time` count: [time − windowMs, time). */
  readonly windowMs: number;
}

/** How many rows there are: 0 when none. */
export function count(windowMs: number): Aggregate<never> {
  return { kind: "count", windowMs };
}

/** The sum of the column's values: 0 when there are none; nulls and non-finite numbers do not count. */
export function sum<const Input extends string>(input: Input, windowMs: number): Aggregate<Input> {
  return { kind: "sum", input, windowMs };
}

/** The mean of the column's values: null when there are none; nulls and non-finite numbers do not count. Of a bool, the share of true. */
export function mean<const Input extends string>(input: Input, windowMs: number): Aggregate<Input> {
  return { kind: "mean", input, windowMs };
}

export const seconds = (amount: number): number => amount * 1000;
export const minutes = (amount: number): number => amount * 60_000;
export const hours = (amount: number): number => amount * 3_600_000;
export const days = (amount: number): number => amount * 86_400_000;
