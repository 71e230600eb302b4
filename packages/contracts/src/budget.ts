import type { CallOptions } from "./call-options.ts";

/** What is spent, by unit: `{ trials: 1, usd: 0.4, seconds: 90 }`. Amounts are not negative. */
export type Amount = Readonly<Record<string, number>>;

/** What may still be spent. Spending is reserved before it starts, so that the limit holds under concurrency. */
export interface Budget {
  /** Sets the amount aside. Throws `PORT_BUDGET_EXHAUSTED`, naming the unit and what is left. Units without a limit are only counted. */
  reserve(amount: Amount, options?: CallOptions): Promise<Reservation>;
  /** What is left by unit; units without a limit are absent. */
  remaining(): Amount;
}

/** Set-aside spending; itself a budget, so that what is spent within it is counted once. Ends by `commit` or `release`, once. */
export interface Reservation extends Budget {
  readonly amount: Amount;
  /** Counts what was really spent, more or less than was reserved, and frees the rest. */
  commit(actual: Amount, options?: CallOptions): Promise<void>;
  /** Nothing was spent. */
  release(options?: CallOptions): Promise<void>;
}
