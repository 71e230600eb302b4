import {
  Bool,
  DateMillisecond,
  Decimal,
  Dictionary,
  Field,
  FixedSizeList,
  Float16,
  Int32,
  Int8,
  LargeUtf8,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Utf8,
  Utf8View,
  type Vector,
  vectorFromArray,
  type Data,
  type DataType,
} from "apache-arrow";
import { type Batch, type Column, createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  column,
  columnFromArrow,
  concatBatches,
  copyBatch,
  digestBatches,
  fromArrow,
  fromIpc,
  fromIpcStream,
  schemaOf,
  sliceBatch,
  toArray,
  toArrow,
  toIpc,
} from "../src/index.ts";
import { allTypes, arraysOf } from "./batches.ts";

const buffersOf = (each: Column): ArrayBufferLike[] => [
  ...(each.validity === undefined ? [] : [each.validity.buffer]),
  ...(each.type === "list" ? buffersOf(each.values) : [each.values.buffer]),
  ...("offsets" in each ? [each.offsets.buffer] : []),
  ...(each.type === "dictionary" ? buffersOf(each.dictionary) : []),
];

const arrowBuffersOf = (data: Data): ArrayBufferLike[] => [
  ...(data.nullCount > 0 ? [data.nullBitmap.buffer] : []),
  ...(data.children.length > 0
    ? data.children.flatMap((child: Data) => arrowBuffersOf(child))
    : [(data.values as Uint8Array).buffer]),
  ...(data.valueOffsets === undefined ? [] : [data.valueOffsets.buffer]),
  ...(data.dictionary === undefined ? [] : arrowBuffersOf(data.dictionary.data[0]!)),
];

const only = (batches: readonly Batch[]): Batch => {
  expect(batches.length).toBe(1);
  return batches[0]!;
};

const codeOf = (make: () => unknown): unknown => {
  try {
    return make();
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test("every type goes to Arrow and back over the same memory", () => {
  const { batch } = allTypes();
  const table = toArrow(batch);
  const back = only(fromArrow(table));
  expect(arraysOf(back)).toEqual(arraysOf(batch));
  expect(Object.keys(back.columns)).toEqual(Object.keys(batch.columns));
  for (const [name, each] of Object.entries(batch.columns)) {
    const buffers = new Set(buffersOf(each));
    const there = new Set(arrowBuffersOf(table.getChild(name)!.data[0]!));
    const again = new Set(buffersOf(back.columns[name]!));
    // Identity, not equality: the very same memory.
    expect([name, buffers.size, there.size, again.size]).toEqual([name, buffers.size, buffers.size, buffers.size]);
    for (const buffer of buffers) expect([name, there.has(buffer), again.has(buffer)]).toEqual([name, true, true]);
  }
});

test("Arrow itself reads the values that were written", () => {
  const { batch, values } = allTypes();
  const table = toArrow(batch);
  for (const name of ["int8", "int32", "int64", "uint64", "float32", "float64", "bool", "text", "carrier", "full"]) {
    // Arrow's own decoder drops a byte order mark at the start of a text; the bytes are there.
    const wanted = values[name]!.map((value) => (typeof value === "string" ? value.replace("\uFEFF", "") : value));
    expect([name, ...table.getChild(name)!]).toEqual([name, ...wanted]);
  }
  expect(table.getChild("timestamp")!.nullCount).toBe(5);
  expect(String(table.getChild("timestamp")!.type)).toBe("Timestamp<MICROSECOND, UTC>");
  const lists = table.getChild("lists")!;
  expect([...lists].map((list) => (list === null ? null : [...(list as Iterable<unknown>)]))).toEqual(values["lists"]);
});

test("tables that Arrow has sliced keep their rows, at every offset", () => {
  const { batch } = allTypes(27);
  const table = toArrow(batch);
  const whole = arraysOf(batch);
  for (let start = 0; start < 27; start += 1) {
    const back = only(fromArrow(table.slice(start, Math.min(27, start + 11))));
    expect(arraysOf(back)).toEqual(
      Object.fromEntries(Object.entries(whole).map(([name, rows]) => [name, rows.slice(start, start + 11)])),
    );
  }
  // A slice that starts on a byte of the bitmap shares even that.
  const aligned = only(fromArrow(table.slice(8, 20)));
  expect(aligned.columns["int32"]!.validity!.buffer).toBe(batch.columns["int32"]!.validity!.buffer);
});

test("slices of ours go to Arrow too", () => {
  const { batch } = allTypes();
  for (const start of [0, 3, 8]) {
    const part = sliceBatch(batch, start, start + 9);
    expect(arraysOf(only(fromArrow(toArrow(part))))).toEqual(arraysOf(part));
  }
});

test("several batches become one table, their dictionaries one, and survive IPC", async () => {
  const { batch } = allTypes();
  const parts = [sliceBatch(batch, 0, 7), batchOf(structuredClone(sliceBatch(batch, 7)).columns)];
  const own = copyBatch(sliceBatch(batch, 2, 5));
  const table = toArrow([...parts, own]);
  expect(table.batches.length).toBe(3);
  const wanted = arraysOf(concatBatches([...parts, own]));
  expect(arraysOf(concatBatches(fromArrow(table)))).toEqual(wanted);
  const bytes = toIpc([...parts, own]);
  const read = fromIpc(bytes);
  expect(arraysOf(concatBatches(read))).toEqual(wanted);
  expect(await digestBatches(schemaOf(read[0]!), read)).toBe(await digestBatches(schemaOf(batch), [...parts, own]));
  expect([...tableFromIPC(bytes).getChild("carrier")!]).toEqual(wanted["carrier"]);
  // An odd position in memory must not shift anything.
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  expect(arraysOf(concatBatches(fromIpc(shifted.subarray(1))))).toEqual(wanted);
  expect(() => toArrow([batchOf({ a: [1] }), batchOf({ a: ["x"] })])).toThrow("float64");
});

const tableOf = (vector: Vector): Table => {
  const schema = new Schema([new Field("x", vector.type as DataType, true)]);
  const records = vector.data.map(
    (data) =>
      new RecordBatch(
        schema,
        makeData({ type: new Struct(schema.fields), length: data.length, nullCount: 0, children: [data as Data] }),
      ),
  );
  return new Table(schema, records);
};
const read = (vector: Vector): unknown[] => fromArrow(tableOf(vector)).flatMap((batch) => toArray(batch.columns["x"]!));

test("what Arrow builds is read: plain arrays, half floats, wide offsets, views, narrow dictionaries, fixed lists", () => {
  const [plain] = fromArrow(tableFromArrays({ f: Float64Array.of(1, 2), s: ["a", "b"] }));
  expect(arraysOf(plain!)).toEqual({ f: [1, 2], s: ["a", "b"] });
  expect(read(vectorFromArray([1.5, null, -0.25, 65504], new Float16()))).toEqual([1.5, null, -0.25, 65504]);
  expect(read(vectorFromArray(["ä", null, "long enough to matter"], new LargeUtf8()))).toEqual([
    "ä",
    null,
    "long enough to matter",
  ]);
  expect(read(vectorFromArray(["short", null, "a text of more than twelve bytes", ""], new Utf8View()))).toEqual([
    "short",
    null,
    "a text of more than twelve bytes",
    "",
  ]);
  expect(read(vectorFromArray(["b", null, "a", "b"], new Dictionary(new Utf8(), new Int8())))).toEqual([
    "b",
    null,
    "a",
    "b",
  ]);
  expect(
    read(vectorFromArray([[1, 2], null, [3, 4]], new FixedSizeList(2, new Field("item", new Int32(), true)))),
  ).toEqual([[1, 2], null, [3, 4]]);
  expect(
    read(vectorFromArray([[true], [], null, [false, null]], new List(new Field("item", new Bool(), true)))),
  ).toEqual([[true], [], null, [false, null]]);
  expect(
    read(
      vectorFromArray([[1, 2], null, [3, 4], [5, 6]], new FixedSizeList(2, new Field("item", new Int32(), true))).slice(
        1,
        4,
      ),
    ),
  ).toEqual([null, [3, 4], [5, 6]]);
});

test("times of other units become exact microseconds, or are refused", () => {
  const exact = (type: DataType, values: bigint[]): unknown[] =>
    toArray(
      columnFromArrow(
        makeData({ type: type as TimestampSecond, length: values.length, data: BigInt64Array.from(values) }),
        "x",
      ),
    );
  expect(exact(new TimestampSecond(), [-1n, 1_357_034_400n])).toEqual([-1_000_000n, 1_357_034_400_000_000n]);
  expect(exact(new TimestampMillisecond("UTC"), [1_357_034_400_123n])).toEqual([1_357_034_400_123_000n]);
  expect(exact(new TimestampNanosecond(), [-5000n])).toEqual([-5n]);
  expect(exact(new DateMillisecond(), [86_400_000n])).toEqual([86_400_000_000n]);
  expect(codeOf(() => exact(new TimestampNanosecond(), [5001n]))).toBe("DATA_ARROW_TYPE_UNSUPPORTED");
  expect(codeOf(() => columnFromArrow(makeData({ type: new Decimal(2, 10, 128), length: 0 }), "x"))).toBe(
    "DATA_ARROW_TYPE_UNSUPPORTED",
  );
});

test("a null entry of an Arrow dictionary is a null row", () => {
  const dictionary = vectorFromArray(["a", null], new Utf8());
  const type = new Dictionary(new Utf8(), new Int32());
  const data = makeData({ type, length: 3, data: Int32Array.of(0, 1, 0), dictionary });
  expect(toArray(columnFromArrow(data, "x"))).toEqual(["a", null, "a"]);
});

test("a column without nulls has no bitmap in either", () => {
  const table = toArrow(batchOf({ x: column("int32", [1, 2]) }));
  expect(table.getChild("x")!.nullCount).toBe(0);
  expect(only(fromArrow(table)).columns["x"]!.validity).toBeUndefined();
});

test("texts, bytes and lists that do not lie within their values are refused, before anything is read of them", () => {
  const tableOf = (data: Data): Table => {
    const schema = new Schema([new Field("name", data.type as DataType, true)]);
    const whole = makeData({ type: new Struct(schema.fields), length: data.length, children: [data] });
    return new Table(schema, [new RecordBatch(schema, whole as never)]);
  };
  const bytes = Buffer.from("abcdefgh");
  const list = new List(new Field("item", new Int32(), true));
  for (const wrong of [
    [0, 9, 8],
    [0, 4, 2],
    [-4, 0, 8],
    [0, 8, 12],
    [0, 2_000_000_000, -2_000_000_000],
  ]) {
    const valueOffsets = Int32Array.from(wrong);
    const wide = BigInt64Array.from(wrong, BigInt);
    for (const data of [
      makeData({ type: new Utf8(), length: 2, data: bytes, valueOffsets }),
      makeData({ type: new LargeUtf8(), length: 2, data: bytes, valueOffsets: wide }),
      makeData({
        type: list,
        length: 2,
        child: makeData({ type: new Int32(), data: new Int32Array(8) }),
        valueOffsets,
      }),
    ] as Data[]) {
      const table = tableOf(data);
      expect(() => fromArrow(table)).toThrow(expect.objectContaining({ code: "DATA_ARROW_INVALID" }));
    }
  }
});

test("offsets that are damaged in a stream are refused, however it is read", async () => {
  const texts = Array.from({ length: 1500 }, (_, row) => "x".repeat(1 + (row % 7)));
  const bytes = Buffer.from(toIpc(batchOf({ name: column("utf8", texts) })));
  const good = Buffer.from(Int32Array.of(0, 1, 3, 6, 10, 15).buffer);
  const at = bytes.indexOf(good);
  expect(at).toBeGreaterThan(0);
  for (const [row, offset] of [
    [2, -1],
    [2, 2 ** 30],
    [1, 4],
    [texts.length, 2 ** 30],
  ] as const) {
    const damaged = Buffer.from(bytes);
    damaged.writeInt32LE(offset, at + row * 4);
    expect(() => fromIpc(damaged)).toThrow(expect.objectContaining({ code: "DATA_ARROW_INVALID" }));
    await expect(fromIpcStream([damaged]).next()).rejects.toMatchObject({ code: "DATA_ARROW_INVALID" });
  }
});

test("a stream or file of which any byte of a message is damaged is read or refused, and that at once", () => {
  const { batch } = allTypes(9);
  const table = toArrow([batch, batch]);
  const random = createRandom(7);
  let refused = 0;
  for (const bytes of [tableToIPC(table, "stream"), tableToIPC(table, "file"), toIpc([batch, batch])]) {
    for (let at = 0; at < bytes.length; at += 1) {
      for (const value of [0, 0x7f, 0xff, random.integer(256)]) {
        const damaged = bytes.slice();
        damaged[at] = value;
        try {
          fromIpc(damaged);
        } catch (error) {
          refused += 1;
          expect(["DATA_ARROW_INVALID", "DATA_ARROW_TYPE_UNSUPPORTED"]).toContain((error as { code?: string }).code);
        }
      }
    }
  }
  expect(refused).toBeGreaterThan(1000);
});
