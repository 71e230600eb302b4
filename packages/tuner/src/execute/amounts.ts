import type { Amount } from "@millwright/contracts";

/** Sums by unit. */
export function plus(a: Amount = {}, b: Amount = {}): Amount {
  return combine(a, b, (x, y) => x + y);
}

/** The greater by unit. */
export function greater(a: Amount = {}, b: Amount = {}): Amount {
  return combine(a, b, Math.max);
}

/** The less by unit, of the units of `a`. */
export function least(a: Amount, b: Amount): Amount {
  return Object.fromEntries(Object.entries(a).map(([unit, value]) => [unit, Math.min(value, b[unit] ?? 0)]));
}

/** What is left of `a` after `b`, at least 0, of the units of `a`. */
export function minus(a: Amount, b: Amount = {}): Amount {
  return Object.fromEntries(Object.entries(a).map(([unit, value]) => [unit, Math.max(0, value - (b[unit] ?? 0))]));
}

export function times(amount: Amount, factor: number): Amount {
  return Object.fromEntries(Object.entries(amount).map(([unit, value]) => [unit, value * factor]));
}

function combine(a: Amount, b: Amount, how: (x: number, y: number) => number): Amount {
  const units = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...units].map((unit) => [unit, how(a[unit] ?? 0, b[unit] ?? 0)]));
}

export const isNothing = (amount: Amount): boolean => Object.values(amount).every((value) => value === 0);

/** Throws TypeError for what is no record, RangeError for amounts that are not finite numbers from 0. */
export function checkAmount(what: string, amount: Amount): void {
  if (typeof amount !== "object" || amount === null || Array.isArray(amount))
    throw new TypeError(`${what} is no amount: numbers by unit, such as { usd: 2 }.`);
  for (const [unit, value] of Object.entries(amount)) {
    if (typeof value !== "number" || !(value >= 0 && value < Infinity))
      throw new RangeError(`${what} names ${String(value)} ${unit}; it must be a finite number from 0.`);
  }
}
