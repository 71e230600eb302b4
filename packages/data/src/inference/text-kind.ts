/** What a text writes. A value is of one kind: 7 is Integral, not Fractional, and a date no timestamp. */
export type ValueKind = "Integral" | "Fractional" | "Boolean" | "Date" | "Timestamp" | "String";

export const valueKinds: readonly ValueKind[] = ["Integral", "Fractional", "Boolean", "Date", "Timestamp", "String"];

const integral = /^[+-]?(?:0|[1-9]\d*)$/;
const fractional = /^[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const notFinite = /^(?:NaN|nan|[+-]?(?:Infinity|Inf|inf))$/;
const boolean = /^(?:true|false)$/i;
const date = /^(\d{4})-(\d{2})-(\d{2})$/;
const timestamp =
  /^(\d{4}-\d{2}-\d{2})[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:0\d|1[0-4]):?[0-5]\d)?$/;

/**
 * @returns the kind of a text. Numbers with leading zeros (`00501`) and integers beyond 64 bits are strings: as numbers they would not read the same.
 * Dates and timestamps are those of ISO 8601 that exist in the calendar. Spaces belong to the value.
 */
export function kindOfText(text: string): ValueKind {
  if (integral.test(text)) return fitsIn64Bits(text) ? "Integral" : "String";
  if (fractional.test(text) || notFinite.test(text)) return "Fractional";
  if (boolean.test(text)) return "Boolean";
  if (isDate(text)) return "Date";
  const [, day] = timestamp.exec(text) ?? [];
  return day !== undefined && isDate(day) ? "Timestamp" : "String";
}

function fitsIn64Bits(text: string): boolean {
  if (text.length <= 18) return true;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return BigInt.asIntN(64, value) === value;
}

function isDate(text: string): boolean {
  const [, year, month, day] = date.exec(text) ?? [];
  if (year === undefined) return false;
  const time = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.getUTCDate() === Number(day);
}

/** @returns the number that a text of kind Integral or Fractional writes. */
export function numberOfText(text: string): number {
  return Number(text.replace(/^([+-]?)inf(?:inity)?$/i, "$1Infinity"));
}
