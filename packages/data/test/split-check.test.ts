import { createRandom, type Batch, type Dataset } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  assertSplit,
  batchOf,
  checkSplit,
  collect,
  column,
  concatBatches,
  datasetOf,
  sliceBatch,
  splitAtRandom,
  splitByHash,
  splitByRollingOrigin,
  splitByTime,
  toArray,
  type Value,
} from "../src/index.ts";

const rows = 6000;
const hour = 3_600_000_000;

/** Each entity has several rows, over time; twelve columns. */
function table(seed = 3): Batch {
  const random = createRandom(seed);
  const make = <Each>(value: (row: number) => Each): Each[] => Array.from({ length: rows }, (_, row) => value(row));
  const numbers = Object.fromEntries(
    Array.from({ length: 6 }, (_, at) => [`x${at}`, Float64Array.from(make(() => random.normal()))]),
  );
  return batchOf({
    row: Int32Array.from(make((row) => row)),
    time: column(
      "timestamp",
      make((row) => 1_357_000_000_000_000n + BigInt((row * 7919) % rows) * BigInt(hour)),
    ),
    tail: make(() => `N${random.integer(900)}`),
    label: column(
      "dictionary",
      make(() => (random.next() < 0.03 ? "late" : "on time")),
    ),
    ...numbers,
    carrier: make(() => `C${random.integer(20)}`),
    note: make(() => Array.from({ length: 6 }, () => `w${random.integer(5000)}`).join(" ")),
  });
}

const flights = table();
const dataset = datasetOf([sliceBatch(flights, 0, 2500), sliceBatch(flights, 2500)]);
const valuesOf = async (part: Dataset, name: string): Promise<Value[]> =>
  toArray((await collect(part, { columns: [name] })).columns[name]!);

test("DQ-11: a random split gives each part exactly its rows, each row to one part, and another seed gives others", async () => {
  const shares = { train: 0.7, validation: 0.2, test: 0.1 };
  const parts = await splitAtRandom(dataset, { shares, seed: 4 });
  const found = await Promise.all(Object.values(parts).map((part) => valuesOf(part, "row")));
  expect(found.map((each) => each.length)).toEqual([4200, 1200, 600]);
  expect(Object.values(parts).map((part) => part.rows)).toEqual([4200, 1200, 600]);
  expect(new Set(found.flat()).size).toBe(rows);
  expect(await valuesOf((await splitAtRandom(dataset, { shares, seed: 4 })).test, "row")).toEqual(found[2]);
  expect(await valuesOf((await splitAtRandom(dataset, { shares, seed: 5 })).test, "row")).not.toEqual(found[2]);
  // 600 of 6,000 rows: the mean row of a fair sample is within four standard errors of the middle.
  const mean = (found[2] as number[]).reduce((sum, each) => sum + each, 0) / 600;
  expect(Math.abs(mean - rows / 2)).toBeLessThan((4 * rows) / Math.sqrt(12 * 600));
  await expect(splitAtRandom(dataset, { shares: { a: 0.5, b: 0.6 } })).rejects.toThrow("1.1");
  await expect(splitAtRandom(dataset, { shares: { a: 1.5, b: -0.5 } })).rejects.toThrow('"b"');
});

test("DQ-11: a stratified split keeps the share of each label in each part, to the row", async () => {
  const parts = await splitAtRandom(dataset, { shares: { train: 0.8, test: 0.2 }, stratifyBy: "label", seed: 1 });
  const all = toArray(flights.columns["label"]!).filter((label) => label === "late").length;
  const late = async (part: Dataset): Promise<number> =>
    (await valuesOf(part, "label")).filter((label) => label === "late").length;
  expect(await late(parts.train)).toBe(Math.round(all * 0.8));
  expect(await late(parts.test)).toBe(all - Math.round(all * 0.8));
  // Columns that were not asked for are read for the strata, and are not handed out.
  expect(Object.keys((await collect(parts.test, { columns: ["row"] })).columns)).toEqual(["row"]);
});

test("DQ-11: a split by time has max(train) < min(validation), and the guard says so", async () => {
  const cut = 1_357_000_000_000_000 + 4000 * hour;
  const [train, validation] = splitByTime(dataset, { column: "time", boundaries: [cut] });
  const [a, b] = [await valuesOf(train!, "time"), await valuesOf(validation!, "time")];
  const latest = (a as bigint[]).reduce((most, each) => (each > most ? each : most));
  const earliest = (b as bigint[]).reduce((least, each) => (each < least ? each : least));
  expect(latest < earliest).toBe(true);
  const report = await checkSplit({ train: train!, validation: validation! }, { time: "time", nearDuplicates: false });
  expect(report).toMatchObject({ clean: true, timeOverlaps: [] });
  const mixed = await splitAtRandom(dataset, { shares: { train: 0.5, validation: 0.5 } });
  const { timeOverlaps } = await checkSplit(mixed, { time: "time", nearDuplicates: false });
  expect(timeOverlaps).toMatchObject([{ earlier: "train", later: "validation" }]);
  expect(timeOverlaps[0]!.latest).toBeGreaterThanOrEqual(timeOverlaps[0]!.earliest);
});

test("DQ-11: rolling origins train before each origin, less the gap, and validate within the horizon after it", async () => {
  const start = 1_357_000_000_000_000;
  const origins = [2000, 3000, 4000].map((hours) => start + hours * hour);
  const folds = splitByRollingOrigin(dataset, { column: "time", origins, horizon: 500 * hour, gap: 24 * hour });
  for (const [at, { train, validation }] of folds.entries()) {
    const times = (await valuesOf(train, "time")).map(Number);
    expect(times.length).toBe(origins[at]! / hour - start / hour - 24);
    expect(Math.max(...times)).toBeLessThan(origins[at]! - 24 * hour);
    const later = (await valuesOf(validation, "time")).map(Number);
    expect(later.length).toBe(500);
    expect(Math.min(...later)).toBe(origins[at]);
    expect(await checkSplit({ train, validation }, { time: "time", nearDuplicates: false })).toMatchObject({
      clean: true,
    });
  }
  const [sliding] = splitByRollingOrigin(dataset, { column: "time", origins, horizon: hour, window: 100 * hour });
  expect((await valuesOf(sliding!.train, "time")).length).toBe(100);
  expect(() => splitByRollingOrigin(dataset, { column: "time", origins, horizon: 0 })).toThrow("0");
  expect(() => splitByRollingOrigin(dataset, { column: "time", origins: origins.toReversed(), horizon: 1 })).toThrow(
    "grow",
  );
});

test("DQ-11: an entity on two sides is found by name; a split by entity has none", async () => {
  const leaky = await splitAtRandom(dataset, { shares: { train: 0.8, test: 0.2 } });
  const report = await checkSplit(leaky, { entity: "tail", nearDuplicates: false, maxExamples: 5 });
  const trainTails = new Set(await valuesOf(leaky.train, "tail"));
  const shared = new Set((await valuesOf(leaky.test, "tail")).filter((tail) => trainTails.has(tail)));
  expect(report.sharedEntities).toBe(shared.size);
  expect(report.entityExamples.length).toBe(5);
  for (const { entity, parts } of report.entityExamples) {
    expect(shared.has(entity)).toBe(true);
    expect(parts).toEqual(["train", "test"]);
  }
  const apart = splitByHash(dataset, { key: "tail", shares: { train: 0.8, test: 0.2 } });
  await assertSplit(apart, { entity: "tail", columns: ["note", "x0", "x1", "x2"] });
  await expect(assertSplit(leaky, { entity: "tail", nearDuplicates: false })).rejects.toMatchObject({
    code: "DATA_SPLIT_LEAKS",
    message: expect.stringContaining(`${shared.size} entities`),
  });
});

test("DQ-11: 50 near-duplicates planted across splits are found, all of them and no others", async () => {
  const train = sliceBatch(flights, 0, 4500);
  const other = sliceBatch(flights, 4500);
  // Copies of rows of the training part, each with one column changed: the row's number, a feature, or a word of the note.
  const planted = Array.from({ length: 50 }, (_, copy) => {
    const at = copy * 83 + 5;
    const copied = sliceBatch(train, at, at + 1);
    const change: Record<number, () => Batch["columns"]> = {
      0: () => ({ x3: column("float64", [9.5 + copy]) }),
      1: () => ({ carrier: column("utf8", ["changed"]) }),
      2: () => ({ note: column("utf8", [`${String(toArray(copied.columns["note"]!)[0])} again`]) }),
    };
    return { length: 1, columns: { ...copied.columns, ...change[copy % 3]!() } };
  });
  const order = [...planted.slice(0, 20), other, ...planted.slice(20)];
  const parts = { train: datasetOf([train]), test: datasetOf([concatBatches(order)]) };
  const columns = ["tail", "label", "x0", "x1", "x2", "x3", "x4", "x5", "carrier", "note"];
  const report = await checkSplit(parts, { columns, similarity: 0.8 });
  expect(report.nearDuplicates).toBe(50);
  expect(report.clean).toBe(false);
  const found = report.nearDuplicateExamples
    .map(({ row, like }) => [row.row, like.row])
    .toSorted((a, b) => a[0]! - b[0]!);
  expect(found).toEqual(
    Array.from({ length: 50 }, (_, copy) => [copy * 83 + 5, copy < 20 ? copy : copy + other.length]),
  );
  for (const { similarity, row, like } of report.nearDuplicateExamples) {
    expect(similarity).toBeGreaterThanOrEqual(0.8);
    expect([row.part, like.part]).toEqual(["train", "test"]);
  }
  await expect(assertSplit(parts, { columns, similarity: 0.8 })).rejects.toMatchObject({
    code: "DATA_SPLIT_LEAKS",
    message: expect.stringContaining("50 rows are nearly those of another part"),
  });
  const clean = { train: datasetOf([train]), test: datasetOf([other]) };
  expect(await checkSplit(clean, { columns, similarity: 0.8 })).toMatchObject({ nearDuplicates: 0, clean: true });
});

test("equal rows of low variety are found without comparing every pair, and options out of range are refused", async () => {
  const same = batchOf({
    a: Array.from({ length: 20_000 }, (_, row) => `v${row % 4}`),
    b: Array.from({ length: 20_000 }, () => "w"),
  });
  const report = await checkSplit({ train: datasetOf([same]), test: datasetOf([same]) });
  expect(report.nearDuplicates).toBe(20_000);
  expect(report.nearDuplicateExamples.length).toBe(100);
  await expect(checkSplit({ train: dataset }, { similarity: 0.2 })).rejects.toThrow("0.2");
  await expect(checkSplit({ train: dataset, test: dataset }, { entity: "nobody" })).rejects.toMatchObject({
    code: "DATA_COLUMN_MISSING",
  });
});
