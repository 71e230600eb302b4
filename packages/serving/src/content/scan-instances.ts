import type { Tensor, TensorSpec } from "@millwright/contracts";

/** Powers of ten that are exact: a whole number below 2^53 times or divided by one of them is rounded once, as the whole text would be (Clinger, 1990). */
const powers = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Digits that a double holds without rounding, and those that are read at all. */
const exactDigits = 15;
const mostDigits = 25;

/** What a number may be off by after its digits were summed in doubles: some 20 units in the last place, and then a hundred times more. */
const doubt = 1e-13;

const head = Buffer.from('{"instances":[');

/**
 * Reads `{"instances":[[…],…]}` without spaces, of one input of numbers, straight from the bytes into its tensor, as `JSON.parse` and `stackRows` would, to the
 * bit. `undefined` for every other body, also for a bad one and for numbers whose last bit would be in doubt: the general way reads it, and says what is wrong.
 */
export function scanInstances({ dtype, shape }: TensorSpec, body: Uint8Array): Tensor | undefined {
  const [rows, width = 0, ...more] = shape;
  if (rows !== -1 || width < 1 || more.length > 0 || (dtype !== "float32" && dtype !== "float64")) return undefined;
  if (body.length < head.length + 4) return undefined;
  for (let at = 0; at < head.length; at += 1) if (body[at] !== head[at]) return undefined;
  const data = new RowScan(body, width, dtype === "float32").rows();
  return data === undefined ? undefined : ({ dtype, shape: [data.length / width, width], data } as Tensor);
}

class RowScan {
  readonly #body: Uint8Array;
  readonly #width: number;
  readonly #single: boolean;
  readonly #values: Float32Array | Float64Array;
  #at = head.length;
  #count = 0;

  constructor(body: Uint8Array, width: number, single: boolean) {
    this.#body = body;
    this.#width = width;
    this.#single = single;
    // A number takes two bytes at least, with what follows it.
    const most = Math.ceil((body.length - head.length) / 2);
    this.#values = single ? new Float32Array(most) : new Float64Array(most);
  }

  /** @returns all numbers, copied to a buffer of their own. */
  rows(): Float32Array | Float64Array | undefined {
    const body = this.#body;
    for (;;) {
      if (body[this.#at] !== 0x5b) return undefined;
      this.#at += 1;
      for (let left = this.#width; left > 0; left -= 1) {
        if (!this.#number() || body[this.#at] !== (left === 1 ? 0x5d : 0x2c)) return undefined;
        this.#at += 1;
      }
      if (body[this.#at] !== 0x2c) break;
      this.#at += 1;
    }
    const ended = body[this.#at] === 0x5d && body[this.#at + 1] === 0x7d && this.#at + 2 === body.length;
    return ended ? this.#values.slice(0, this.#count) : undefined;
  }

  /** One number of JSON's grammar. */
  #number(): boolean {
    const body = this.#body;
    let at = this.#at;
    const negative = body[at] === 0x2d;
    if (negative) at += 1;
    const first = at;
    let mantissa = 0;
    let byte = body[at] ?? 0;
    for (; byte >= 0x30 && byte <= 0x39; byte = body[++at] ?? 0) mantissa = mantissa * 10 + (byte - 0x30);
    let digits = at - first;
    if (digits === 0 || (digits > 1 && body[first] === 0x30)) return false;
    let exponent = 0;
    if (byte === 0x2e) {
      const point = at + 1;
      byte = body[++at] ?? 0;
      for (; byte >= 0x30 && byte <= 0x39; byte = body[++at] ?? 0) mantissa = mantissa * 10 + (byte - 0x30);
      if (at === point) return false;
      exponent = point - at;
      digits -= exponent;
    }
    // Lower and upper case.
    if ((byte | 0x20) === 0x65) {
      const down = body[at + 1] === 0x2d;
      const from = down || body[at + 1] === 0x2b ? at + 2 : at + 1;
      at = from;
      let written = 0;
      for (byte = body[at] ?? 0; byte >= 0x30 && byte <= 0x39; byte = body[++at] ?? 0)
        written = written * 10 + (byte - 0x30);
      if (at === from) return false;
      exponent += down ? -written : written;
    }
    this.#at = at;
    return this.#keep(negative ? -mantissa : mantissa, exponent, digits);
  }

  #keep(mantissa: number, exponent: number, digits: number): boolean {
    const power = powers[exponent < 0 ? -exponent : exponent];
    if (power === undefined || digits > mostDigits) return false;
    const value = exponent < 0 ? mantissa / power : mantissa * power;
    if (digits > exactDigits) {
      // Rounding to single precision is monotonic: where both ends of the doubt become one number, so does the exact one between.
      const off = value * doubt;
      if (!this.#single || Math.fround(value - off) !== Math.fround(value + off)) return false;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
    return true;
  }
}
