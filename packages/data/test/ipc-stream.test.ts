import { type Batch, createRandom, hasCode } from "@millwright/contracts";
import { tableFromIPC, tableToIPC } from "apache-arrow";
import { expect, test } from "vitest";
import {
  batchOf,
  type ByteReader,
  column,
  concatBatches,
  fromIpc,
  fromIpcStream,
  selectColumns,
  sliceBatch,
  toIpc,
} from "../src/index.ts";
import { allTypes, arraysOf } from "./batches.ts";

const random = createRandom(5);
const everything = allTypes(40).batch;
const plainNames = Object.keys(everything.columns).filter((name) => !["carrier", "lists", "texts"].includes(name));
const plain = selectColumns(everything, plainNames);

/** A stream of several batches of different lengths, one of them without rows. */
const streamOf = (batch: Batch): Uint8Array =>
  toIpc([sliceBatch(batch, 0, 17), sliceBatch(batch, 17, 17), sliceBatch(batch, 17, 40)]);

function* piecesOf(bytes: Uint8Array, sizeBytes: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.slice(at, at + sizeBytes);
}

/** Gives at most `mostBytes` at one time, as a file handle may. */
function readerOf(bytes: Uint8Array, mostBytes: number): ByteReader {
  let position = 0;
  return {
    async read(buffer, offset, length) {
      const part = bytes.subarray(position, position + Math.min(length, mostBytes));
      buffer.set(part, offset);
      position += part.length;
      return { bytesRead: part.length };
    },
  };
}

/** Rows as plain values, taken before the next batch is asked for. */
async function rowsOf(batches: AsyncIterable<Batch>): Promise<{ rows: unknown; lengths: number[] }> {
  const rows: unknown[] = [];
  const lengths: number[] = [];
  for await (const batch of batches) {
    rows.push(arraysOf(batch));
    lengths.push(batch.length);
  }
  return { rows, lengths };
}

test.each([
  ["numbers, texts and bytes", plain],
  ["dictionaries and lists too", everything],
])(
  "a stream of %s is read as at once, in pieces of any size, from an iterable and from a reader",
  async (_name, batch) => {
    const bytes = streamOf(batch);
    const wanted = fromIpc(bytes).map(arraysOf);
    const sources = [1, 7, 64, 1000, bytes.length].flatMap((size) => [piecesOf(bytes, size), readerOf(bytes, size)]);
    for (const source of sources) {
      const { rows, lengths } = await rowsOf(fromIpcStream(source));
      expect(lengths).toEqual([17, 0, 23]);
      expect(rows).toEqual(wanted);
    }
    for (const size of [5, bytes.length])
      expect((await rowsOf(fromIpcStream(readerOf(bytes, size), { reuseMemory: true }))).rows).toEqual(wanted);
  },
);

test("what apache-arrow writes is read, streams and files, and dictionaries that change", async () => {
  const table = tableFromIPC(streamOf(plain));
  const wanted = fromIpc(streamOf(plain)).map(arraysOf);
  for (const format of ["stream", "file"] as const)
    expect((await rowsOf(fromIpcStream([tableToIPC(table, format)]))).rows).toEqual(wanted);
  const words = [["a", "b"], ["b", "c", "c"], ["d"]].map((each) => batchOf({ x: column("dictionary", each) }));
  const { rows } = await rowsOf(fromIpcStream(piecesOf(toIpc(words), 50)));
  expect(rows).toEqual([{ x: ["a", "b"] }, { x: ["b", "c", "c"] }, { x: ["d"] }]);
});

test("batches stay as they are, unless their memory is asked for", async () => {
  const wanted = fromIpc(streamOf(plain)).map(arraysOf);
  const batches: Batch[] = [];
  for await (const batch of fromIpcStream(piecesOf(streamOf(plain), 100))) batches.push(batch);
  expect(batches.map(arraysOf)).toEqual(wanted);
  expect(concatBatches(batches).length).toBe(40);
  const memories = new Set<unknown>();
  for await (const { columns } of fromIpcStream(readerOf(streamOf(plain), 1e9), { reuseMemory: true }))
    if (columns["full"]!.length > 0) memories.add((columns["full"]!.values as Int32Array).buffer);
  expect(memories.size).toBeLessThanOrEqual(2);
});

test("a stream may end without its end, and be without batches; of no bytes there is none", async () => {
  const bytes = streamOf(plain);
  expect((await rowsOf(fromIpcStream([bytes.subarray(0, -8)]))).lengths).toEqual([17, 0, 23]);
  expect((await rowsOf(fromIpcStream([toIpc(sliceBatch(plain, 0, 0))]))).lengths).toEqual([0]);
  await expect(rowsOf(fromIpcStream([]))).rejects.toMatchObject({ code: "DATA_ARROW_INVALID" });
});

test("bytes that are cut within a message are refused, wherever that is", async () => {
  const bytes = streamOf(plain);
  const whole = (await rowsOf(fromIpcStream([bytes]))).rows as unknown[];
  for (let at = 1; at < bytes.length; at += 3) {
    const read = rowsOf(fromIpcStream([bytes.subarray(0, at)]));
    const found = await read.catch((error: unknown) => error);
    // Between two messages nothing tells that there would be more.
    if (hasCode(found, "DATA_ARROW_INVALID")) continue;
    const { rows } = found as { rows: unknown[] };
    expect(rows).toEqual(whole.slice(0, rows.length));
  }
});

test("damaged bytes give other rows or DATA_ARROW_INVALID, nothing else", async () => {
  const bytes = streamOf(plain);
  for (let round = 0; round < 1500; round += 1) {
    const damaged = bytes.slice();
    damaged[random.integer(damaged.length)] = random.integer(256);
    const problem = await (async () => {
      for await (const { length } of fromIpcStream([damaged], { reuseMemory: round % 2 === 0 }))
        expect(length).toBeGreaterThanOrEqual(0);
    })().catch((error: unknown) => error);
    if (problem !== undefined && !hasCode(problem, "DATA_ARROW_TYPE_UNSUPPORTED"))
      expect(problem).toMatchObject({ code: "DATA_ARROW_INVALID" });
  }
});

test("leaving early lets go of the source; an aborted signal ends it with its reason", async () => {
  let ended = 0;
  const source = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* piecesOf(streamOf(plain), 500);
    } finally {
      ended += 1;
    }
  };
  for await (const batch of fromIpcStream(source())) {
    expect(batch.length).toBe(17);
    break;
  }
  expect(ended).toBe(1);
  const controller = new AbortController();
  const read = async (): Promise<void> => {
    for await (const _ of fromIpcStream(source(), { signal: controller.signal })) controller.abort(new Error("enough"));
  };
  await expect(read()).rejects.toThrow("enough");
  expect(ended).toBe(2);
  await expect(rowsOf(fromIpcStream(7 as never))).rejects.toThrow(TypeError);
  await expect(rowsOf(fromIpcStream(["text" as never]))).rejects.toThrow("Uint8Array");
});
