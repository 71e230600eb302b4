import type { Amount } from "@millwright/contracts";

const msPerHour = 3_600_000;

export const scaled = (amount: Amount, factor: number): Amount =>
  Object.fromEntries(Object.entries(amount).map(([unit, value]) => [unit, value * factor]));

export function sumOf(amounts: readonly Amount[]): Amount {
  const sum: Record<string, number> = {};
  for (const amount of amounts)
    for (const [unit, value] of Object.entries(amount)) sum[unit] = (sum[unit] ?? 0) + value;
  return sum;
}

/** What so much time costs at a price of an hour. */
export const costOfTime = (timeMs: number, perHour: Amount): Amount => scaled(perHour, timeMs / msPerHour);

/** Throws a `RangeError` that names the field. */
export function checkAmount(field: string, amount: Amount): void {
  for (const [unit, value] of Object.entries(amount)) checkNumber(`${field}.${unit}`, value);
}

/** Throws a `RangeError` that names the field. */
export function checkNumber(
  field: string,
  value: number,
  range: { readonly least?: number; readonly most?: number } = {},
): void {
  const { least = 0, most = Infinity } = range;
  if (!(Number.isFinite(value) && value >= least && value <= most))
    throw new RangeError(
      `${field} must be a finite number from ${least}${most === Infinity ? "" : ` to ${most}`}, not ${value}.`,
    );
}

/** The quantile of values by linear interpolation between the two that it lies between (Hyndman and Fan's type 7, NumPy's default); NaN of none. */
export function quantileOf(values: readonly number[], quantile: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * quantile;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}
