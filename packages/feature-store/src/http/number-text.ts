/** The digits of 0 to 999, three bytes each, with leading zeros. */
const digits = new Uint8Array(3000);
for (let number = 0; number < 1000; number++) {
  digits.set(
    Array.from(String(number).padStart(3, "0"), (digit) => digit.charCodeAt(0)),
    number * 3,
  );
}

const ZERO = 48;
const MINUS = 45;
const POINT = 46;
const FIVE = 53;
const NINE = 57;

/** Bytes that any number takes at most. */
export const NUMBER_BYTES = 40;

/** Digits to which a decimal that was rounded can only be read as the double that it is of. */
const SIGNIFICANT = 17;

/** Numbers from here on have digits that come out of exact products below, if a float32 can hold them. */
const SMALLEST_EXACT = 1e-6;
const BELOW_SMALL = 2 ** 31;

/**
 * Writes a finite number as JSON. What a float32 can hold is written as its exact digits, rounded to 17: each product below is of at most 53 bits, and so
 * exact itself. All else is written as JavaScript does.
 * @returns where the bytes end.
 */
export function writeNumber(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  if (rest < 0) {
    bytes[at++] = MINUS;
    rest = -rest;
  }
  if (rest < BELOW_SMALL) {
    const whole = Math.floor(rest);
    if (whole === rest) return writeSmall(bytes, at, whole);
    if (rest >= SMALLEST_EXACT && Math.fround(rest) === rest) return writeFraction(bytes, at, whole, rest - whole);
  }
  return writeAscii(bytes, at, String(rest));
}

/** Writes a whole number from 0 to 2^31 − 1. */
function writeSmall(bytes: Uint8Array, start: number, value: number): number {
  if (value < 1000) return writeHead(bytes, start, value);
  const high = (value / 1000) | 0;
  const at = writeSmall(bytes, start, high);
  return writeThree(bytes, at, value - high * 1000);
}

/** Writes 0 to 999 without leading zeros. */
function writeHead(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  const from = value * 3;
  if (value >= 100) bytes[at++] = digits[from]!;
  if (value >= 10) bytes[at++] = digits[from + 1]!;
  bytes[at++] = digits[from + 2]!;
  return at;
}

function writeThree(bytes: Uint8Array, at: number, value: number): number {
  const from = value * 3;
  bytes[at] = digits[from]!;
  bytes[at + 1] = digits[from + 1]!;
  bytes[at + 2] = digits[from + 2]!;
  return at + 3;
}

/** Writes a whole part and a fraction that is not 0, of a number that a float32 can hold. */
function writeFraction(bytes: Uint8Array, start: number, whole: number, fraction: number): number {
  let at = writeSmall(bytes, start, whole);
  let wanted = whole === 0 ? SIGNIFICANT : SIGNIFICANT - (at - start);
  bytes[at++] = POINT;
  let rest = fraction;
  if (whole === 0) {
    // Zeros behind the point are not significant.
    for (let below = 0.1; rest < below; below /= 10) wanted++;
  }
  const end = at + wanted;
  while (rest > 0 && at <= end) {
    const scaled = rest * 1e6;
    const six = Math.floor(scaled);
    rest = scaled - six;
    const high = (six / 1000) | 0;
    at = writeThree(bytes, writeThree(bytes, at, high), six - high * 1000);
  }
  if (at > end) {
    at = end;
    // No fraction of 24 bits is so close to 1 that all its digits are nines: there always is one that takes what is carried.
    if (bytes[end]! >= FIVE) {
      while (bytes[at - 1] === NINE) at--;
      bytes[at - 1]!++;
    }
  }
  while (bytes[at - 1] === ZERO) at--;
  return at;
}

/** Writes text of which each character is one byte. */
export function writeAscii(bytes: Uint8Array, start: number, text: string): number {
  for (let index = 0; index < text.length; index++) bytes[start + index] = text.charCodeAt(index);
  return start + text.length;
}
