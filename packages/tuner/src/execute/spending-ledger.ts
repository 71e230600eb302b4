import type { Amount } from "@millwright/contracts";
import type { TrialChange } from "../study/trial-fold.ts";
import type { Trial } from "../trial.ts";
import { greater, isNothing, minus, plus } from "./amounts.ts";

/** What a study's entries say of a trial's spending. */
export interface TrialSpending {
  /** In all attempts. */
  readonly total: Amount;
  /** Since it was begun last. */
  readonly attempt: Amount;
  /** The greatest that one entry counted. */
  readonly largest: Amount;
}

/** Adds to the trials of a study what they spent and set aside. */
export interface SpendingLedger {
  /** The trial after the entry, with its cost and what is set aside for it. */
  after(trial: Trial, entry: TrialChange): Trial;
  of(trial: number): TrialSpending;
}

const none: TrialSpending = { total: {}, attempt: {}, largest: {} };

export function createSpendingLedger(): SpendingLedger {
  const spendings = new Map<number, TrialSpending>();
  const of = (trial: number): TrialSpending => spendings.get(trial) ?? none;
  return {
    of,
    after(trial, entry) {
      if (entry.kind === "report" || entry.kind === "params" || entry.kind === "note") return trial;
      const before = of(trial.number);
      const spending = spendingAfter(before, entry);
      if (spending !== before) spendings.set(trial.number, spending);
      const { cost: _cost, reserved: _reserved, ...rest } = trial;
      const { total } = spending;
      const reserved = "reserved" in entry ? entry.reserved : undefined;
      return {
        ...rest,
        ...(Object.keys(total).length === 0 ? {} : { cost: total }),
        ...(reserved === undefined ? {} : { reserved }),
      };
    },
  };
}

function spendingAfter(
  { total, attempt, largest }: TrialSpending,
  entry: Exclude<TrialChange, { kind: "report" | "params" | "note" }>,
): TrialSpending {
  const spent = (amount: Amount): TrialSpending => ({
    total: plus(total, amount),
    attempt: plus(attempt, amount),
    largest: greater(largest, amount),
  });
  if (entry.kind === "begin") return { total, attempt: {}, largest };
  if (entry.kind === "spend") return spent(entry.amount);
  if (entry.kind === "reclaim") return spent(entry.lost ?? {});
  // What it says in the end is all of the attempt: what was counted on the way is part of it.
  const cost = entry.kind === "end" && "cost" in entry.result ? (entry.result.cost ?? {}) : {};
  return isNothing(cost) ? { total, attempt, largest } : spent(minus(cost, attempt));
}
