import {
  type Amount,
  type Budget,
  type Reservation,
  budgetExhausted,
  closed,
  createBudget,
  transitionIllegal,
} from "@millwright/contracts";
import { checkAmount, greater, minus, plus } from "./amounts.ts";
import type { Spend, SpendOutcome } from "./study-budget.ts";

export interface TrialBudgetOptions {
  readonly spend: (spend: Spend) => Promise<SpendOutcome>;
  readonly reserved: Amount | undefined;
}

/**
 * The study's own budget as a trial sees it: what is asked for before it is spent is never spent beyond the limit. What is reserved comes out of what is set
 * aside for the trial first.
 */
export function createTrialBudget({ spend, reserved = {} }: TrialBudgetOptions): Budget {
  let left: Amount = reserved;
  let holds: Amount = {};
  const learn = ({ reserved: own, left: free }: SpendOutcome): void => {
    left = minus(plus(free, own), holds);
  };
  const reserve: Budget["reserve"] = async (amount, { signal } = {}) => {
    signal?.throwIfAborted();
    checkAmount("A reservation", amount);
    holds = plus(holds, amount);
    const giveBack = (): void => void (holds = minus(holds, amount));
    const told = await spend({ amount: {}, need: holds, happened: false }).catch((error: unknown) => {
      giveBack();
      throw error;
    });
    if (!told.covered) {
      giveBack();
      learn(told);
      const short = Object.keys(amount).find((unit) => (amount[unit] ?? 0) > (left[unit] ?? Infinity)) ?? "";
      throw budgetExhausted(short, amount[short] ?? 0, left[short] ?? 0);
    }
    learn(told);
    return reservationOf(amount, reserve, async (actual) => {
      giveBack();
      learn(await spend({ amount: actual, need: holds, happened: true }));
    });
  };
  return { remaining: () => left, reserve };
}

/**
 * @param outside For units that it does not set aside.
 * @param end Counts what was spent within it.
 */
function reservationOf(
  amount: Amount,
  outside: Budget["reserve"],
  end: (actual: Amount) => Promise<void>,
): Reservation {
  // Its own books: what is reserved and spent within it is counted once.
  const inner = createBudget(amount);
  let within: Amount = {};
  let ended: "committed" | "released" | undefined;
  const endAs = async (how: "committed" | "released", actual: Amount): Promise<void> => {
    checkAmount("What was spent", actual);
    if (ended !== undefined) throw transitionIllegal("The reservation", ended, how, []);
    ended = how;
    await end(greater(actual, within));
  };
  return {
    amount,
    remaining: () => inner.remaining(),
    async reserve(part, options) {
      if (ended !== undefined) throw closed("The reservation");
      checkAmount("A reservation", part);
      const isOwn = ([unit]: readonly [string, number]): boolean => Object.hasOwn(amount, unit);
      const own = await inner.reserve(Object.fromEntries(Object.entries(part).filter(isOwn)), options);
      const rest = Object.fromEntries(Object.entries(part).filter((entry) => !isOwn(entry)));
      const others = Object.keys(rest).length === 0 ? undefined : await outside(rest, options);
      const count = (actual: Amount): void => void (within = plus(within, actual));
      return joined(part, own, others, isOwn, count);
    },
    async commit(actual, { signal } = {}) {
      signal?.throwIfAborted();
      await endAs("committed", actual);
    },
    async release({ signal } = {}) {
      signal?.throwIfAborted();
      await endAs("released", {});
    },
  };
}

/** A reservation within another, of whose units some come from above it. */
function joined(
  amount: Amount,
  own: Reservation,
  others: Reservation | undefined,
  isOwn: (entry: readonly [string, number]) => boolean,
  count: (actual: Amount) => void,
): Reservation {
  return {
    amount,
    remaining: () => ({ ...own.remaining(), ...others?.remaining() }),
    reserve: (part, options) => own.reserve(part, options),
    async commit(actual, options) {
      const ownPart = Object.fromEntries(Object.entries(actual).filter(isOwn));
      await own.commit(ownPart, options);
      count(ownPart);
      await others?.commit(Object.fromEntries(Object.entries(actual).filter((entry) => !isOwn(entry))), options);
    },
    async release(options) {
      await own.release(options);
      await others?.release(options);
    },
  };
}
