import { Worker } from "node:worker_threads";
import { hasCode, type Batch } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  asFloat64,
  batchOf,
  collect,
  column,
  concatBatches,
  copyBatch,
  datasetOf,
  digestBatches,
  isNull,
  mapDataset,
  schemaOf,
  sliceBatch,
  takeRows,
  toArray,
  toJsonRows,
  toRows,
  transferables,
  valueAt,
} from "../src/index.ts";
import { allTypes, arraysOf } from "./batches.ts";

test("every type gives back what went in, nulls included", () => {
  const { batch, values } = allTypes();
  expect(arraysOf(batch)).toEqual(values);
});

test("a NaN is a value, not a null", () => {
  const floats = column("float64", [Number.NaN, null]);
  expect(isNull(floats, 0)).toBe(false);
  expect(valueAt(floats, 0)).toBeNaN();
  expect(valueAt(floats, 1)).toBeNull();
});

test("timestamps are exact to the microsecond, far from the epoch too", () => {
  const stamps = [253_402_300_799_999_999n, -62_135_596_800_000_000n, 1_357_034_400_000_001n];
  expect(toArray(column("timestamp", stamps))).toEqual(stamps);
  expect(valueAt(column("timestamp", [new Date("2013-01-01T10:00:00.123Z")]), 0)).toBe(1_357_034_400_123_000n);
});

test.each([
  ["int8", 128],
  ["uint32", -1],
  ["int32", 1.5],
  ["int64", 2 ** 60],
  ["uint64", -1n],
  ["float32", "1"],
  ["bool", 1],
  ["utf8", 5],
  ["timestamp", new Date(Number.NaN)],
] as const)("%s refuses %s", (type, value) => {
  try {
    column(type, [null, value]);
    expect.unreachable();
  } catch (error) {
    expect(hasCode(error, "DATA_VALUE_INVALID")).toBe(true);
    expect(String(error)).toContain("row 1");
  }
});

test("64-bit integers become the nearest floats, as Number does", () => {
  const values = [
    0n,
    -1n,
    2n ** 53n + 1n,
    -(2n ** 53n) - 3n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    4_294_967_296n,
    -4_294_967_297n,
  ];
  expect([...asFloat64(column("int64", values))]).toEqual(values.map(Number));
  const unsigned = [0n, 2n ** 64n - 1n, 2n ** 63n + 1025n];
  expect([...asFloat64(column("uint64", unsigned))]).toEqual(unsigned.map(Number));
  expect([...asFloat64(column("bool", [true, null, false]))]).toEqual([1, Number.NaN, 0]);
});

test("batches refuse columns of unequal length and values without a type", () => {
  const codeOf = (make: () => unknown): unknown => {
    try {
      return make();
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };
  expect(codeOf(() => batchOf({ a: [1], b: [1, 2] }))).toBe("DATA_LENGTH_MISMATCH");
  expect(codeOf(() => batchOf({ a: [null] }))).toBe("DATA_TYPE_AMBIGUOUS");
  expect(codeOf(() => column("list", [[1]]))).toBe("DATA_TYPE_AMBIGUOUS");
  expect(codeOf(() => datasetOf([batchOf({ a: [1] }), batchOf({ a: ["x"] })]))).toBe("DATA_SCHEMA_MISMATCH");
});

test("slices, taken rows and concatenations hold the same values, at every cut", () => {
  const { batch } = allTypes();
  const whole = arraysOf(batch);
  for (let cut = 0; cut <= batch.length; cut += 1) {
    const parts = [sliceBatch(batch, 0, cut), sliceBatch(batch, cut)];
    expect(arraysOf(concatBatches(parts))).toEqual(whole);
    expect(arraysOf(concatBatches([sliceBatch(parts[1]!, 1), parts[0]!]))).toEqual(
      Object.fromEntries(
        Object.entries(whole).map(([name, rows]) => [name, [...rows.slice(cut + 1), ...rows.slice(0, cut)]]),
      ),
    );
  }
  const rows = Int32Array.from([5, 0, 0, 9, 3]);
  expect(arraysOf(takeRows(sliceBatch(batch, 3), rows))).toEqual(
    Object.fromEntries(Object.entries(whole).map(([name, values]) => [name, [...rows].map((row) => values[row + 3])])),
  );
  expect(() => takeRows(batch, Int32Array.from([batch.length]))).toThrow(RangeError);
});

test("slices view the same memory", () => {
  const batch = batchOf({ a: Float64Array.from({ length: 100 }, (_, index) => index) });
  expect((sliceBatch(batch, 10, 20).columns["a"]!.values as Float64Array).buffer).toBe(
    (batch.columns["a"]!.values as Float64Array).buffer,
  );
  expect((copyBatch(sliceBatch(batch, 10, 20)).columns["a"]!.values as Float64Array).buffer.byteLength).toBe(80);
});

test("structuredClone keeps every value", () => {
  const { batch } = allTypes();
  expect(arraysOf(structuredClone(batch))).toEqual(arraysOf(batch));
});

test("a batch moves to a worker thread: values equal there, the sender's memory gone", async () => {
  const { batch } = allTypes();
  const wanted = await digestBatches(schemaOf(batch), [batch]);
  const sent = copyBatch(batch);
  const buffers = transferables(sent);
  const worker = new Worker(
    'const { parentPort } = require("node:worker_threads"); parentPort.once("message", (batch) => parentPort.postMessage(batch));',
    { eval: true },
  );
  try {
    const answer = new Promise<Batch>((resolve, reject) => worker.once("message", resolve).once("error", reject));
    worker.postMessage(sent, buffers);
    expect(buffers.length).toBeGreaterThan(20);
    // A buffer of no bytes detaches too, but has nothing to lose.
    for (const buffer of buffers) expect(buffer.byteLength).toBe(0);
    const back = await answer;
    expect(arraysOf(back)).toEqual(arraysOf(batch));
    expect(await digestBatches(schemaOf(back), [back])).toBe(wanted);
  } finally {
    await worker.terminate();
  }
});

test("datasets can be walked again, by column and in smaller batches, and stop when told", async () => {
  const { batch } = allTypes();
  const dataset = datasetOf([sliceBatch(batch, 0, 4), sliceBatch(batch, 4)]);
  expect(dataset.rows).toBe(batch.length);
  for (const batchRows of [1, 3, 100]) {
    const seen: Batch[] = [];
    for await (const each of dataset.batches({ columns: ["text", "int32"], batchRows })) seen.push(each);
    expect(Math.max(...seen.map(({ length }) => length))).toBeLessThanOrEqual(batchRows);
    expect(Object.keys(seen[0]!.columns)).toEqual(["text", "int32"]);
    expect(toArray(concatBatches(seen).columns["text"]!)).toEqual(toArray(batch.columns["text"]!));
  }
  expect(arraysOf(await collect(dataset))).toEqual(arraysOf(batch));
  await expect(collect(dataset, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  await expect(collect(dataset, { columns: ["nope"] })).rejects.toMatchObject({ code: "DATA_COLUMN_MISSING" });
  await expect(dataset.ref()).rejects.toMatchObject({ code: "PORT_UNSUPPORTED" });
  const doubled = mapDataset(
    dataset,
    (each) => batchOf({ twice: asFloat64(each.columns["int32"]!).map((value) => value * 2) }),
    { schema: [{ name: "twice", type: "float64" }], columns: ["int32"] },
  );
  expect([...asFloat64((await collect(doubled)).columns["twice"]!)]).toEqual(
    [...asFloat64(batch.columns["int32"]!)].map((value) => value * 2),
  );
});

test("rows are plain objects of the columns that are wanted, nulls included", () => {
  const batch = batchOf({ id: column("int64", [1n, null]), text: ["a", "b"], score: column("float32", [0.5, 2]) });
  expect(toRows(batch)).toEqual([
    { id: 1n, text: "a", score: 0.5 },
    { id: null, text: "b", score: 2 },
  ]);
  expect(toRows(batch, ["text"])).toEqual([{ text: "a" }, { text: "b" }]);
  expect(toRows(sliceBatch(batch, 1), ["id"])).toEqual([{ id: null }]);
  expect(() => toRows(batch, ["name"])).toThrow(expect.objectContaining({ code: "DATA_COLUMN_MISSING" }));
});

test("rows for JSON have no value that JSON cannot hold", () => {
  const batch = batchOf({
    id: column("int64", [2n ** 60n, null]),
    at: column("timestamp", [1_357_034_400_000_001n, new Date("2013-01-01T10:00:00Z")]),
    day: column("date", [Date.UTC(2024, 0, 31) / 86_400_000, null]),
    score: [Number.NaN, -0],
    bytes: column("binary", [Uint8Array.of(1, 2), null]),
    last: column("list", [[1.5, Number.POSITIVE_INFINITY], []], { items: "float64" }),
    text: ["a", "b"],
  });
  const rows = toJsonRows(batch);
  expect(rows).toEqual([
    {
      id: "1152921504606846976",
      at: "2013-01-01T10:00:00.000001Z",
      day: "2024-01-31",
      score: "NaN",
      bytes: "AQI=",
      last: [1.5, "Infinity"],
      text: "a",
    },
    { id: null, at: "2013-01-01T10:00:00Z", day: null, score: "-0", bytes: null, last: [], text: "b" },
  ]);
  expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
  expect(toJsonRows(batch, ["text"])).toEqual([{ text: "a" }, { text: "b" }]);
});
