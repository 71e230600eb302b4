import { type Amount, type Budget, type Clock, type Reservation, hasCode } from "@millwright/contracts";
import { checkAmount, greater, isNothing, least, minus, plus, times } from "./amounts.ts";
import { type Spend, type SpendOutcome, coverage, needAfter } from "./study-budget.ts";
import { createTrialBudget } from "./trial-budget.ts";

export interface WalletOptions {
  /** Counts in the study's journal. */
  readonly spend: (spend: Spend) => Promise<SpendOutcome>;
  /** What the study's own budget has set aside for the trial; absent where it has none. */
  readonly reserved: Amount | undefined;
  /** What was set aside of a budget of the caller's. */
  readonly outside: { readonly budget: Budget; readonly reservation: Reservation } | undefined;
  /** What a second of the trial costs. */
  readonly costPerSecond: Amount | undefined;
  readonly clock: Clock;
  /** Called once, when what the trial needs next cannot be had: so much of the unit, where there is only that left. */
  readonly onExhausted: (unit: string, asked: number, left: number) => void;
}

export interface AttemptCost {
  /** `undefined` where nothing was counted or passed. */
  readonly whole: Amount | undefined;
  /** What of it is not in the journal. */
  readonly rest: Amount | undefined;
}

/** What a running trial spends: counted as it goes, and stopped before the next step would pass the limit. */
export interface Wallet {
  /** For the trial's own reservations. */
  readonly budget: Budget | undefined;
  readonly isExhausted: boolean;
  /** Counts a step, and sets aside what the next one may take, unless it is the last. @returns whether there is that much. */
  step(cost?: Amount, isLast?: boolean): Promise<boolean>;
  /**
   * Ends the counting; what is not in the journal yet belongs to the trial's end there.
   * @param broken Whether it broke in the middle of a step: that took twice as much as the greatest told at most, as far as it is set aside.
   */
  close(broken?: boolean): Promise<AttemptCost>;
  /** Settles with the budget of the caller's, after the trial's end is written. @param cost What the attempt cost in all. */
  settle(cost?: Amount): Promise<void>;
}

/** Of time, so much is set aside at once: a tenth of what has passed, and no less than this. */
const leastSliceMs = 250;

export function openWallet(options: WalletOptions): Wallet {
  const { costPerSecond = {}, clock, outside, onExhausted } = options;
  const closed = new AbortController();
  const beganMs = clock.monotonicMs();
  let countedMs = beganMs;
  let largest: Amount = {};
  let counted: Amount = {};
  let authorised = options.reserved;
  let isExhausted = false;
  const port = outside === undefined ? undefined : openOutside(outside.budget, outside.reservation);
  const isTimed = Object.keys(costPerSecond).length > 0;
  let turn: Promise<unknown> = Promise.resolve();

  const count = async (cost: Amount, isLast: boolean): Promise<boolean> => {
    const nowMs = clock.monotonicMs();
    const passed = times(costPerSecond, (nowMs - countedMs) / 1_000);
    countedMs = nowMs;
    const amount = plus(cost, passed);
    if (isNothing(amount) && !isTimed) return !isExhausted;
    largest = greater(largest, cost);
    const slice = times(costPerSecond, Math.max(leastSliceMs, (nowMs - beganMs) / 10) / 1_000);
    const need = isLast ? {} : greater(needAfter(largest), slice);
    const spend: Spend = { amount, need, partly: Object.keys(costPerSecond), happened: true };
    const told = await options.spend(spend);
    counted = plus(counted, amount);
    if (authorised !== undefined) authorised = told.reserved;
    const short = told.covered ? await port?.count(spend) : told;
    if (short?.covered === false && !isLast && !isExhausted) {
      isExhausted = true;
      onExhausted(...shortOf(need, short));
    }
    // A last step is not told to pause: it ends, or hears the signal.
    return !isExhausted || told.isAtEnd;
  };
  const inTurn = (cost: Amount, isLast: boolean): Promise<boolean> => {
    const next = turn.then(() => count(cost, isLast));
    turn = next.catch(() => {});
    return next;
  };
  const msLeft = (): number =>
    Math.max(1, msOf([authorised, port?.held()], costPerSecond) - (clock.monotonicMs() - countedMs));
  // A watch ends by being closed; what the journal fails of, the next step or the end of the trial meets too.
  if (isTimed) watchTime(clock, closed.signal, msLeft, () => inTurn({}, false)).catch(() => {});
  return {
    budget: outside?.reservation ?? (options.reserved === undefined ? undefined : createTrialBudget(options)),
    get isExhausted() {
      return isExhausted;
    },
    step: async (cost = {}, isLast = false) => inTurn(checkedCost(cost), isLast),
    async close(broken = false) {
      closed.abort();
      await turn;
      const unseen = broken ? least(needAfter(largest), plus(authorised, port?.held())) : {};
      const rest = plus(unseen, times(costPerSecond, (clock.monotonicMs() - countedMs) / 1_000));
      return { whole: someOf(plus(counted, rest)), rest: someOf(rest) };
    },
    settle: async (cost) => port?.settle(cost),
  };
}

const someOf = (amount: Amount): Amount | undefined => (Object.keys(amount).length === 0 ? undefined : amount);

/** Counts whenever what is set aside for time is used up. */
async function watchTime(
  clock: Clock,
  signal: AbortSignal,
  msLeft: () => number,
  count: () => Promise<boolean>,
): Promise<void> {
  for (let goesOn = true; goesOn && msLeft() < Infinity; goesOn = await count())
    await clock.sleep(msLeft(), { signal });
}

/** Throws TypeError, RangeError. */
function checkedCost(cost: Amount): Amount {
  checkAmount("The cost of a report", cost);
  return cost;
}

/** Milliseconds of which the first of the amounts is used up. */
function msOf(held: readonly (Amount | undefined)[], costPerSecond: Amount): number {
  let first = Number.POSITIVE_INFINITY;
  for (const [unit, value] of held.flatMap((amount) => Object.entries(amount ?? {}))) {
    const rate = costPerSecond[unit] ?? 0;
    if (rate > 0) first = Math.min(first, (value / rate) * 1_000);
  }
  return first;
}

/** The unit of which there is too little. */
function shortOf(need: Amount, { reserved, left }: SpendOutcome): readonly [unit: string, asked: number, left: number] {
  const units = Object.keys(left);
  const free = (unit: string): number => (reserved[unit] ?? 0) + (left[unit] ?? 0);
  const unit = units.find((each) => (need[each] ?? 0) > free(each)) ?? units[0] ?? "";
  return [unit, need[unit] ?? 0, free(unit)];
}

interface Outside {
  /** Counts, and reserves more where that is needed. */
  count(spend: Spend): Promise<SpendOutcome>;
  /** What is set aside and not spent yet. */
  held(): Amount;
  settle(cost: Amount | undefined): Promise<void>;
}

/** More than was reserved is reserved as the trial goes on. */
function openOutside(budget: Budget, reservation: Reservation): Outside {
  const extras: Reservation[] = [];
  let spent: Amount = {};
  let reserved = reservation.amount;
  const outcome = (covered: boolean): SpendOutcome => ({
    covered,
    reserved: minus(reserved, spent),
    left: budget.remaining(),
    isAtEnd: false,
  });
  return {
    held: () => minus(reserved, spent),
    async count({ amount, need = {}, partly = [] }) {
      spent = plus(spent, amount);
      const left = budget.remaining();
      const limits = Object.fromEntries(Object.keys(left).map((unit) => [unit, left[unit] as number]));
      const over = minus(spent, reserved);
      const { covered, reserved: wanted } = coverage(limits, left, minus(reserved, spent), {
        amount: over,
        need,
        partly,
        happened: true,
      });
      const missing = minus(plus(over, minus(wanted, minus(reserved, spent))), {});
      if (!covered) return outcome(false);
      if (isNothing(missing)) return outcome(true);
      try {
        extras.push(await budget.reserve(missing));
        reserved = plus(reserved, missing);
        return outcome(true);
      } catch (error) {
        if (hasCode(error, "PORT_BUDGET_EXHAUSTED")) return outcome(false);
        throw error;
      }
    },
    async settle(cost) {
      // Units of which the trial told nothing cost what was reserved.
      await reservation.commit({ ...reservation.amount, ...greater(spent, cost) });
      for (const extra of extras) await extra.release();
    },
  };
}
