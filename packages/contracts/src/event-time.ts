import { eventTimeInvalid } from "./errors.ts";

/** 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z, microseconds since 1970. */
const firstUs = -62_167_219_200_000_000n;
const lastUs = 253_402_300_799_999_999n;

const pattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?Z$/;
const offsetPattern = /[+-]\d{2}:?\d{2}$/;

/**
 * An event's time as microseconds since 1970-01-01T00:00:00Z, from UTC text (`2024-05-01T12:00:00Z`, with up to six decimals) or from seconds
 * since 1970 with at most three decimals; years 0000 to 9999, as SageMaker Feature Store takes them. Text without `Z`, with an offset, without a
 * time, and leap seconds are refused rather than guessed at. Throws `CONTRACTS_EVENT_TIME_INVALID`.
 */
export function parseEventTime(value: string | number): bigint {
  const us = typeof value === "number" ? parseSeconds(value) : parseText(value);
  if (us < firstUs || us > lastUs) throw eventTimeInvalid(value, "its year is not from 0000 to 9999");
  return us;
}

function parseSeconds(seconds: number): bigint {
  if (!Number.isFinite(seconds)) throw eventTimeInvalid(seconds, "it is not finite");
  const milliseconds = Math.round(seconds * 1000);
  // True exactly for the doubles nearest to a decimal of three places.
  if (milliseconds / 1000 !== seconds) throw eventTimeInvalid(seconds, "it is finer than milliseconds");
  return BigInt(milliseconds) * 1000n;
}

function parseText(text: string): bigint {
  if (typeof text !== "string") throw eventTimeInvalid(text, "it is neither text nor a number");
  const match = pattern.exec(text);
  if (match === null) {
    const problem =
      offsetPattern.test(text) && text.includes("T") ? "it has an offset" : "it is not in the form of UTC";
    throw eventTimeInvalid(text, problem);
  }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) {
    throw eventTimeInvalid(text, "there is no such day");
  }
  if (second === 60) throw eventTimeInvalid(text, "leap seconds have no place in seconds since 1970");
  if (hour > 23 || minute > 59 || second > 59) throw eventTimeInvalid(text, "there is no such time of day");
  const seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
  return BigInt(seconds) * 1_000_000n + BigInt((match[7] ?? "").padEnd(6, "0"));
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar. `Date.UTC` takes years below 100 for those of the 20th century. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  return Math.floor(new Date(0).setUTCFullYear(year, month - 1, day) / 86_400_000);
}

/**
 * The time as UTC text: whole seconds without decimals, whole milliseconds with three, else six. The inverse of `parseEventTime`.
 * @param us Microseconds since 1970. Throws `CONTRACTS_EVENT_TIME_INVALID` outside the years 0000 to 9999.
 */
export function formatEventTime(us: bigint): string {
  if (us < firstUs || us > lastUs) throw eventTimeInvalid(us, "its year is not from 0000 to 9999");
  const fraction = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((us - fraction) / 1000n)).toISOString().slice(0, 19);
  if (fraction === 0n) return `${seconds}Z`;
  const digits = fraction.toString().padStart(6, "0");
  return `${seconds}.${digits.endsWith("000") ? digits.slice(0, 3) : digits}Z`;
}

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/;

/** Days since 1970-01-01 of a date such as `2024-05-01`. Throws `CONTRACTS_EVENT_TIME_INVALID`. */
export function parseDate(text: string): number {
  const match = typeof text === "string" ? datePattern.exec(text) : null;
  if (match === null) throw eventTimeInvalid(text, "it is not in the form of a date such as 2024-05-01");
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) {
    throw eventTimeInvalid(text, "there is no such day");
  }
  return daysSinceEpoch(year, month, day);
}
