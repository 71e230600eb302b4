import { type Column, createRandom, type NumericType } from "@millwright/contracts";
import { afterEach, describe, expect, test, vi } from "vitest";
import type * as Data from "../src/index.ts";
import type { ColumnProfile, ProfileOptions } from "../src/index.ts";

interface Modules {
  readonly data: typeof Data;
  /** Whether WebAssembly is used. */
  readonly quick: boolean;
}

/** The modules anew, with or without WebAssembly. */
async function load(quick: boolean): Promise<Modules> {
  vi.resetModules();
  if (!quick) vi.stubGlobal("WebAssembly", undefined);
  const data = await import("../src/index.ts");
  const { machine } = await import("../src/simd/machine.ts");
  const modules = { data, quick: machine() !== undefined };
  vi.unstubAllGlobals();
  return modules;
}

afterEach(() => vi.unstubAllGlobals());

const [quick, slow] = [await load(true), await load(false)];
const { column, numericColumn } = quick.data;
const random = createRandom(17);

function profiled({ data }: Modules, columns: readonly Column[], options?: ProfileOptions): ColumnProfile {
  const profiler = data.createProfiler([{ name: "x", type: columns[0]!.type }], options);
  for (const x of columns) profiler.update({ length: x.length, columns: { x } });
  return profiler.profile().columns["x"]!;
}

/** Holds the state with the machine equal to the bit to that without it, and to that of rows that come in small portions, for which it is not started. */
function expectSame(columns: readonly Column[], options?: ProfileOptions): ColumnProfile {
  const found = profiled(quick, columns, options);
  expect(found).toEqual(profiled(slow, columns, options));
  const parts = columns.flatMap((each) => {
    const batch = { length: each.length, columns: { x: each } };
    return Array.from(
      { length: Math.ceil(each.length / 1000) },
      (_, at) => quick.data.sliceBatch(batch, at * 1000, Math.min(each.length, at * 1000 + 1000)).columns["x"]!,
    );
  });
  const { frequent, moments, ...rest } = profiled(quick, parts, options);
  expect(found).toMatchObject(rest);
  // Beyond their capacity, the counts of texts depend on when they are put together.
  if (found.frequent?.error === 0) expect(found.frequent).toEqual(frequent);
  expect([found.moments?.count, found.moments?.min]).toEqual([moments?.count, moments?.min]);
  return found;
}

const nullable = (length: number, share: number): Uint8Array => {
  const bits = new Uint8Array((length + 7) >> 3).fill(255);
  for (let row = 0; row < length; row += 1) if (random.next() < share) bits[row >> 3]! &= ~(1 << (row & 7));
  return bits;
};

/** Lengths around those of vectors, blocks, and portions. */
const lengths = [1024, 1025, 1031, 2047, 2048, 2049, 8191, 8192, 8193, 20_003];

const edges = [
  0,
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  5e-324,
  -5e-324,
  2.2250738585072014e-308,
  -2.2250738585072009e-308,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  1,
  -1,
];

const shapes: Readonly<Record<string, () => number>> = {
  normal: () => random.normal(),
  "far from zero": () => 1e9 + random.normal(),
  "heavy tails": () => random.normal() / (random.next() + 1e-9) ** 2,
  "few different": () => Math.floor(random.next() * 700) / 4,
  one: () => -3.5,
  "the edges of floats": () => edges[random.integer(edges.length)]!,
  "edges among others": () => (random.next() < 0.1 ? edges[random.integer(edges.length)]! : random.normal()),
  "every octave": () => (random.next() < 0.5 ? -1 : 1) * 2 ** ((random.next() - 0.5) * 2040),
  "nothing finite": () => Number.NaN,
};

test("the machine is there, and can be missing", () => {
  expect([quick.quick, slow.quick]).toEqual([true, false]);
});

describe.each(Object.entries(shapes))("floats, %s", (_name, make) => {
  test.each([
    [undefined, 0],
    [undefined, 0.2],
    [16, 0.2],
    [50_000, 0.01],
  ])("to the bit as without the machine, with %s buckets and nulls of a share of %s", (maxBuckets, share) => {
    const columns = lengths.map((length) => {
      const values = Float64Array.from({ length }, make);
      return numericColumn("float64", values, share === 0 ? {} : { validity: nullable(length, share) });
    });
    expectSame(columns, maxBuckets === undefined ? {} : { maxBuckets });
    const narrow = columns.map(({ values, length }) =>
      numericColumn("float32", Float32Array.from(values as Float64Array), { length }),
    );
    expectSame(narrow);
  });
});

const wholes: readonly (readonly [NumericType, (at: number) => number | bigint])[] = [
  ["int8", (at) => (at * 37) % 128],
  ["uint8", (at) => (at * 37) % 256],
  ["int16", () => random.integer(65_536) - 32_768],
  ["uint16", () => random.integer(65_536)],
  ["int32", () => random.integer(2 ** 32) - 2 ** 31],
  ["uint32", () => random.integer(2 ** 32)],
  ["date", () => random.integer(40_000)],
  ["int64", () => (BigInt(random.integer(2 ** 32)) << 31n) * (random.next() < 0.5 ? -1n : 1n)],
  ["uint64", () => (BigInt(random.integer(2 ** 32)) << 32n) + BigInt(random.integer(2 ** 32))],
  ["timestamp", () => 1_357_034_400_000_000n + BigInt(random.integer(2 ** 32)) * 5000n],
];

test.each(wholes)("%s: to the bit as without the machine, near each other and spread", (type, make) => {
  const columns = lengths.map((length) => {
    const values = Array.from({ length }, (_, at) => (random.next() < 0.05 ? null : make(at)));
    return column(type, values);
  });
  expectSame(columns);
});

test("rows that are not at the start of their memory", () => {
  const { sliceBatch } = quick.data;
  const x = numericColumn(
    "float64",
    Float64Array.from({ length: 9000 }, () => random.normal()),
    {
      validity: nullable(9000, 0.3),
    },
  );
  const t = column(
    "utf8",
    Array.from({ length: 9000 }, () => (random.next() < 0.3 ? null : `t${random.integer(50)}`)),
  );
  for (const start of [1, 7, 8, 100]) {
    const { columns } = sliceBatch({ length: 9000, columns: { t, x } }, start, 9000);
    expectSame([columns["x"]!]);
    expectSame([columns["t"]!]);
  }
});

test("more buckets, and more pages of them, than the machine has room for", () => {
  // Every bucket of the highest word by itself; then a bucket in each page.
  const spread = Float64Array.from({ length: 60_000 }, (_, at) => 2 ** ((at % 2000) - 1000) * (1 + (at % 97) / 97));
  for (const maxBuckets of [2048, 9000, 100_000])
    expectSame([numericColumn("float64", spread), numericColumn("float64", spread)], { maxBuckets });
});

const alphabet = ["", "a", "é", "漢", "😀", "xyz", "\0", "0"];
const texts = Array.from({ length: 600 }, (_, at) =>
  Array.from({ length: at % 24 }, () => alphabet[random.integer(alphabet.length)]!).join(""),
);

describe("texts", () => {
  const sets: Readonly<Record<string, () => string>> = {
    "of every length, zeros in them": () => texts[Math.floor(random.next() ** 2 * texts.length)]!,
    short: () => `level-${random.integer(20)}`,
    "that are all different": () => `${random.integer(2 ** 32)}`,
    "that are long": () => `a text that is longer than fifteen bytes ${random.integer(300)}`,
    "of which some are very long": () => (random.next() < 0.05 ? "long ".repeat(500) : `s${random.integer(9)}`),
    "that are empty": () => "",
  };
  test.each(Object.entries(sets))("texts %s: as without the machine", (_name, make) => {
    const columns = lengths.map((length) =>
      column(
        "utf8",
        Array.from({ length }, () => (random.next() < 0.1 ? null : make())),
      ),
    );
    const { frequent } = expectSame(columns);
    expect(frequent!.total).toBe(columns.reduce((sum, each) => sum + each.length - quick.data.nullCount(each), 0));
  });

  test("the table of short texts is brought once for many rows, however many long ones are among them", () => {
    const rows = Array.from({ length: 4096 }, (_, at) =>
      at % 2 === 0 ? `s${at % 900}` : `longer than fifteen bytes ${at}`,
    );
    const mixed = column("utf8", rows);
    expectSame([mixed, mixed, column("utf8", rows.toReversed())]);
    const copies = vi.spyOn(Float64Array.prototype, "set");
    profiled(quick, [mixed]);
    // There and back, and for each time that the table grows.
    expect(copies.mock.calls.length).toBeLessThan(20);
    copies.mockRestore();
  });
});
