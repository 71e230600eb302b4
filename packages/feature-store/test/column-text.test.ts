import { createRandom, formatEventTime, type ColumnType } from "@millwright/contracts";
import { column, toArray, type ValueInput } from "@millwright/data";
import { expect, test } from "vitest";
import { columnOfJson } from "../src/http/batch-body.ts";
import { columnText, columnWriter, feastColumnWriter } from "../src/http/column-text.ts";
import { feastValueReaders, parsePythonTime, valueReaders } from "../src/http/value-readers.ts";
import { parsePythonJson } from "../src/feast/python-json.ts";

const random = createRandom(7);
const many = (make: () => ValueInput): readonly ValueInput[] =>
  Array.from({ length: 400 }, () => (random.next() < 0.1 ? null : make()));
const bits = (count: bigint): bigint => BigInt.asIntN(64, BigInt(Math.floor(random.next() * 2 ** 53)) << (count - 53n));
const float = (): number => (random.next() - 0.5) * 10 ** Math.floor(random.next() * 40 - 20);

const values: Readonly<Record<string, readonly ValueInput[]>> = {
  int8: [-128, 127, null],
  uint16: [0, 65_535],
  int32: [-(2 ** 31), 2 ** 31 - 1, null],
  int64: [...many(() => bits(63n)), -(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n, null],
  float32: [0.1, 1 / 3, 16_777_216, null].map((value) => (value === null ? null : Math.fround(value))),
  float64: [...many(float), 0.1, 5e-324, 1.797e308, 1e21, 123_456_789_012_345_680_000, null],
  bool: [true, false, null],
  utf8: ["", '"\\\n\u2028', "ü€😀", null],
  date: [-719_528, 0, 19_000, 2_932_896, null],
};
const times = [
  ...many(() => BigInt(Math.floor((random.next() - 0.3) * 6e15))),
  ...many(() => BigInt(Math.floor(random.next() * 1e9)) * 1_000_000n),
  -1n,
  -1_000_000n,
  999_999n,
  1000n,
  -62_167_219_200_000_000n,
  253_402_300_799_999_999n,
];

test("what is written is read again to the bit, in the house's JSON and in Feast's", () => {
  for (const [type, given] of Object.entries({ ...values, timestamp: times })) {
    const field = { name: "x", type: type as ColumnType };
    const written = column(field.type, given);
    const again = columnOfJson(
      "It",
      field,
      JSON.parse(columnText(columnWriter(field.type), written)) as unknown[],
      valueReaders,
    );
    expect(toArray(again), type).toEqual(toArray(written));
    if (type === "timestamp") continue;
    const text = parsePythonJson(columnText(feastColumnWriter(field.type), written)) as unknown[];
    expect(toArray(columnOfJson("It", field, text, feastValueReaders)), type).toEqual(toArray(written));
  }
  const odd = column("float64", [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0]);
  expect(columnText(columnWriter("float64"), odd)).toBe('["NaN","Infinity","-Infinity","-0"]');
  expect(columnText(feastColumnWriter("float64"), odd)).toBe('["NaN","Infinity","-Infinity",-0.0]');
});

test("a float32 is written in digits that are read as it, to the bit", () => {
  const bits = new Uint32Array(200_000);
  const floats = new Float32Array(bits.buffer);
  // Any bits at all; numbers of usual size; numbers of few digits; and powers of two, below which doubles are closer.
  for (let at = 0; at < bits.length; at += 4) {
    bits[at] = random.integer(2 ** 32 - 1);
    floats[at + 1] = float();
    floats[at + 2] = random.integer(2 ** 24) / 2 ** random.integer(40);
    floats[at + 3] = 2 ** (random.integer(60) - 30);
  }
  const given = floats.map((value) => (Number.isFinite(value) ? value : 0.1));
  const text = columnText(columnWriter("float32"), { type: "float32", length: given.length, values: given });
  const read = (JSON.parse(text) as (number | string)[]).map(Number);
  given.forEach((value, at) => {
    if (!Object.is(read[at], value)) throw new Error(`${value} was read as ${read[at]}`);
  });
  const shortest = [0.5, -12.25, 1_000_000.5, 16_777_216, 999, 1000, -1_234_567, 2 ** 31, 0.000_001_5, 1e-7];
  const short = Float32Array.from(shortest);
  expect(columnText(columnWriter("float64"), column("float64", shortest))).toBe(JSON.stringify(shortest));
  expect(columnText(columnWriter("float32"), { type: "float32", length: 3, values: short })).toBe(
    "[0.5,-12.25,1000000.5]",
  );
});

test("times are written as formatEventTime writes them, and for Feast in whole seconds rounded down", () => {
  const written = column("timestamp", times);
  const expected = times.map((us) => (us === null ? null : formatEventTime(us as bigint)));
  expect(JSON.parse(columnText(columnWriter("timestamp"), written))).toEqual(expected);
  expect(columnText(feastColumnWriter("timestamp"), column("timestamp", [-1n, 0n, 1_999_999n, null]))).toBe(
    "[-1,0,1,null]",
  );
});

test("times are understood as Python writes them", () => {
  const noon = BigInt(Date.UTC(2026, 10, 25, 12)) * 1000n;
  for (const text of [
    "2026-11-25T12:00:00Z",
    "2026-11-25 12:00:00",
    "2026-11-25T12:00",
    "2026-11-25 13:00:00+01:00",
    "2026-11-25T06:30:00-0530",
    "2026-11-25 12:00:00 UTC",
    "20261125".replace(/(....)(..)/, "$1-$2-") + " 12:00:00.000000999",
  ]) {
    expect(parsePythonTime(text), text).toBe(noon);
  }
  expect(parsePythonTime("2026-11-25")).toBe(noon - 43_200_000_000n);
  expect(parsePythonTime("2026-11-25T12:00:00.25+00:00")).toBe(noon + 250_000n);
  expect(parsePythonTime(1.5)).toBe(1_500_000n);
  for (const wrong of [
    "",
    "now",
    "2026-02-30",
    "2026-11-25T25:00:00",
    "0000-01-01T00:00:00+01:00",
    1e300,
    null,
    true,
  ]) {
    expect(parsePythonTime(wrong), String(wrong)).toBe(undefined);
  }
});

test("numbers beyond their type are refused, and numbers as text are taken from Feast's clients alone", () => {
  expect(valueReaders.float32?.read(3.5e38)).toBe(undefined);
  expect(valueReaders.float32?.read(3.4e38)).toBe(3.4e38);
  expect(valueReaders.float64?.read(3.5e38)).toBe(3.5e38);
  expect(valueReaders.float64?.read("1.5")).toBe(undefined);
  expect(["1.5", " -2. ", "+.5e1", "-0", "-0.0", "NaN", "1e999", "x", ""].map(feastValueReaders.float64!.read)).toEqual(
    [1.5, -2, 5, -0, -0, Number.NaN, undefined, undefined, undefined],
  );
  expect(["7", " 8.0 ", 9, "7.5", true].map(feastValueReaders.int32!.read)).toEqual([7n, 8n, 9n, undefined, undefined]);
});

test("JSON is read as Python writes it, and only numbers are touched", () => {
  const text =
    '{"a":[9007199254740993,-1152921504606846977,0.12345678901234567,1e20],"b":[NaN,-Infinity],"c":"NaN 1234567890123456789 \\" Infinity"}';
  expect(parsePythonJson(text)).toEqual({
    a: ["9007199254740993", "-1152921504606846977", 0.12345678901234567, 1e20],
    b: ["NaN", "-Infinity"],
    c: 'NaN 1234567890123456789 " Infinity',
  });
  expect(() => parsePythonJson('{"a":NaN')).toThrow(SyntaxError);
});
