import { expect, test } from "vitest";
import {
  batchOf,
  collect,
  column,
  datasetOf,
  filterRows,
  hashText,
  sliceBatch,
  splitByHash,
  splitByTime,
  toArray,
} from "../src/index.ts";

const start = Date.UTC(2013, 0, 1);
const rows = 5000;
const flights = batchOf({
  time: column(
    "timestamp",
    Array.from({ length: rows }, (_, row) =>
      row % 50 === 49 ? null : new Date(start + ((row * 7919) % rows) * 3_600_000),
    ),
  ),
  tail: column(
    "utf8",
    Array.from({ length: rows }, (_, row) => (row % 97 === 0 ? null : `N${(row * 31) % 701}`)),
  ),
  row: Int32Array.from({ length: rows }, (_, row) => row),
});
const dataset = datasetOf([sliceBatch(flights, 0, 1777), sliceBatch(flights, 1777)]);

test("parts by time hold each row once, in order of the boundaries, without rows that have no time", async () => {
  const boundaries = [new Date(start + 1000 * 3_600_000), new Date(start + 4000 * 3_600_000)];
  const parts = await Promise.all(splitByTime(dataset, { column: "time", boundaries }).map((part) => collect(part)));
  const times = parts.map((part) => toArray(part.columns["time"]!) as bigint[]);
  const limits = boundaries.map((boundary) => BigInt(boundary.getTime()) * 1000n);
  expect(times[0]!.every((time) => time < limits[0]!)).toBe(true);
  expect(times[1]!.every((time) => time >= limits[0]! && time < limits[1]!)).toBe(true);
  expect(times[2]!.every((time) => time >= limits[1]!)).toBe(true);
  // The multiplier is coprime to the rows, so every hour occurs once.
  expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(rows - rows / 50);
  expect(times[1]).toContain(limits[0]);
  expect(() => splitByTime(dataset, { column: "time", boundaries: [2, 1] })).toThrow(RangeError);
  expect(() => splitByTime(dataset, { column: "tail", boundaries: [1] })).toThrow("tail");
});

test("an entity is never on two sides, and shares come out as asked", async () => {
  const parts = splitByHash(dataset, { key: "tail", shares: { train: 0.7, validation: 0.2, test: 0.1 }, seed: 5 });
  const entities = await Promise.all(
    Object.values(parts).map(
      async (part) => new Set(toArray((await collect(part, { columns: ["tail"] })).columns["tail"]!)),
    ),
  );
  const all = entities.flatMap((each) => [...each]);
  expect(new Set(all).size).toBe(all.length);
  expect(all.length).toBe(702);
  const shares = entities.map((each) => each.size / 702);
  // Three standard deviations of a binomial share of 702 entities: 0.052 at most.
  for (const [index, share] of [0.7, 0.2, 0.1].entries()) expect(Math.abs(shares[index]! - share)).toBeLessThan(0.052);
  expect(() => splitByHash(dataset, { key: "tail", shares: { a: 0.5, b: 0.6 } })).toThrow("1.1");
});

test("the side of an entity depends on nothing but its value and the seed", async () => {
  const sides = async (values: ReturnType<typeof column>): Promise<readonly unknown[]> => {
    const { left } = splitByHash(datasetOf([batchOf({ key: values })]), {
      key: "key",
      shares: { left: 0.5, right: 0.5 },
    });
    return toArray((await collect(left)).columns["key"]!).map(String);
  };
  const ids = Array.from({ length: 200 }, (_, id) => id);
  const wanted = await sides(column("utf8", ids.map(String)));
  expect(await sides(column("int32", ids))).toEqual(wanted);
  expect(await sides(column("int64", ids))).toEqual(wanted);
  expect(await sides(column("dictionary", ids.map(String)))).toEqual(wanted);
  expect(await sides(column("utf8", ids.toReversed().map(String)))).toEqual(wanted.toReversed());
  // Pinned: a release that moves them would leak between old and new splits.
  expect(wanted.slice(0, 8)).toEqual(
    ids
      .filter((id) => hashText(String(id)) < 2 ** 31)
      .map(String)
      .slice(0, 8),
  );
});

test("hashes are MurmurHash3_x86_32 of the bytes", () => {
  // Published test vectors of the reference implementation.
  expect(hashText("")).toBe(0);
  expect(hashText("", 1)).toBe(0x514e28b7);
  expect(hashText("", 0xffffffff)).toBe(0x81f16f39);
  expect(hashText("Hello, world!", 0x9747b28c)).toBe(0x24884cba);
  expect(hashText("aaaa", 0x9747b28c)).toBe(0x5a97808a);
  expect(hashText("aaa", 0x9747b28c)).toBe(0x283e0130);
  expect(hashText("ππππππππ", 0x9747b28c)).toBe(0xd58063c1);
  expect(hashText("The quick brown fox jumps over the lazy dog", 0x9747b28c)).toBe(0x2fa826cd);
});

test("filtered datasets read the column they need though it was not asked for", async () => {
  const even = filterRows(dataset, "row", (each) => (row) => (each.values as Int32Array)[row]! % 2 === 0);
  const batch = await collect(even, { columns: ["tail"] });
  expect(Object.keys(batch.columns)).toEqual(["tail"]);
  expect(batch.length).toBe(rows / 2);
});
