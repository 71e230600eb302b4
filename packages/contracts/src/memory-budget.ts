import type { Amount, Budget, Reservation } from "./budget.ts";
import { budgetExhausted, closed, transitionIllegal } from "./port-errors.ts";

/** What one budget, or one reservation within it, has: the units it limits and what became of them. */
interface Ledger {
  readonly limits: ReadonlyMap<string, number>;
  readonly above: Ledger | undefined;
  /** Set aside and not yet ended. */
  readonly reserved: Map<string, number>;
  readonly spent: Map<string, number>;
  ended: "committed" | "released" | undefined;
}

/**
 * A budget kept in memory. Within a reservation, units it sets aside are taken from it, all others from the budget above it. What is spent counts
 * once: committing a reservation counts the greater of `actual` and what was committed within it; releasing it still counts the latter.
 * @param limits What may be spent in all, by unit. Units that are absent are not limited. Throws RangeError for negative or non-finite amounts.
 */
export function createBudget(limits: Amount): Budget {
  checkAmount(limits);
  return budgetOf(createLedger(limits, undefined), "The budget");
}

function createLedger(limits: Amount, above: Ledger | undefined): Ledger {
  return { limits: new Map(Object.entries(limits)), above, reserved: new Map(), spent: new Map(), ended: undefined };
}

function checkAmount(amount: Amount): void {
  for (const [unit, value] of Object.entries(amount)) {
    if (!Number.isFinite(value) || value < 0)
      throw new RangeError(`The amount of ${unit} must be 0 or more, not ${value}.`);
  }
}

const add = (amounts: Map<string, number>, unit: string, value: number): void =>
  void amounts.set(unit, (amounts.get(unit) ?? 0) + value);

/** What is left, at least 0: spending may turn out greater than what was reserved. */
function left(ledger: Ledger, unit: string): number {
  const limit = ledger.limits.get(unit) as number;
  const remaining = limit - (ledger.reserved.get(unit) ?? 0) - (ledger.spent.get(unit) ?? 0);
  // Sums of decimal fractions differ from the limit in the last bits; what is that small is nothing.
  return remaining <= limit * 1e-12 ? 0 : remaining;
}

/** The ledger that answers for the unit: the nearest open one that limits it, else the outermost. */
function holderOf(ledger: Ledger, unit: string): Ledger {
  let holder = ledger;
  while (holder.above !== undefined && (holder.ended !== undefined || !holder.limits.has(unit))) holder = holder.above;
  return holder;
}

function budgetOf(ledger: Ledger, what: string): Budget {
  return {
    async reserve(amount, { signal } = {}) {
      signal?.throwIfAborted();
      if (ledger.ended !== undefined) throw closed(what);
      checkAmount(amount);
      const entries = Object.entries(amount);
      // All units are checked before the first is set aside, without waiting in between: nobody comes in the middle.
      for (const [unit, asked] of entries) {
        const holder = holderOf(ledger, unit);
        if (!holder.limits.has(unit)) continue;
        const free = left(holder, unit);
        if (asked > free * (1 + 1e-12)) throw budgetExhausted(unit, asked, free);
      }
      for (const [unit, asked] of entries) add(holderOf(ledger, unit).reserved, unit, asked);
      return reservationOf(ledger, { ...amount });
    },
    remaining: () => Object.fromEntries([...ledger.limits.keys()].map((unit) => [unit, left(ledger, unit)])),
  };
}

function reservationOf(above: Ledger, amount: Amount): Reservation {
  const own = createLedger(amount, above);
  const holders = Object.entries(amount).map(([unit, value]) => ({ unit, value, holder: holderOf(above, unit) }));
  const end = (how: "committed" | "released", actual: Amount): void => {
    if (own.ended !== undefined) throw transitionIllegal("The reservation", own.ended, how, []);
    own.ended = how;
    for (const { unit, value, holder } of holders) add(holder.reserved, unit, -value);
    const units = new Set([...Object.keys(actual), ...own.spent.keys()]);
    for (const unit of units) {
      add(holderOf(above, unit).spent, unit, Math.max(actual[unit] ?? 0, own.spent.get(unit) ?? 0));
    }
  };
  return {
    ...budgetOf(own, "The reservation"),
    amount,
    async commit(actual, { signal } = {}) {
      signal?.throwIfAborted();
      checkAmount(actual);
      end("committed", actual);
    },
    async release({ signal } = {}) {
      signal?.throwIfAborted();
      end("released", {});
    },
  };
}
