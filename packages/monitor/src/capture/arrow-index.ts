import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Batch, BytesColumn, JsonObject } from "@millwright/contracts";
import { takeRows } from "@millwright/data";
import { captureUnreadable } from "../errors.ts";
import { grouped } from "./grouped.ts";
import { batchesOf, endOfMessage, rowsOfBatch, wantedColumns } from "./arrow-segment.ts";
import { type RequestPlace, RequestPlaces } from "./request-places.ts";

/** A batch of a segment, in bytes of its file. */
interface BatchPlace {
  readonly segment: string;
  readonly from: number;
  readonly to: number;
}

interface IndexedSegment {
  /** The message that every batch is read with. */
  readonly schema: Uint8Array;
  /** Where the last whole batch ends that was read. */
  readonly end: number;
}

/** Where requests stand in the segments of a folder. */
export interface ArrowIndex {
  /** Reads on what has grown of segments, and forgets those that are gone. @param names All of them, the oldest first. */
  refresh(names: readonly string[], signal: AbortSignal | undefined): Promise<void>;
  find(requestId: string): RequestPlace | undefined;
  /** Segments that have more requests than are remembered: who is not found may stand there. */
  readonly beyond: readonly string[];
  /** Rows of requests at their places, in no order, with no other features than those wanted. */
  rowsAt(
    places: ReadonlyMap<string, RequestPlace>,
    features: readonly string[] | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<JsonObject, void, undefined>;
}

/** Batches are read together, up to about so many bytes. */
const pieceBytes = 4 * 2 ** 20;

/** @param most Requests remembered; beyond, those of the oldest segments are not. */
export function createArrowIndex(directory: string, most: number): ArrowIndex {
  const segments = new Map<string, IndexedSegment>();
  const batches = new Map<number, BatchPlace>();
  const beyond = new Set<string>();
  let places = new RequestPlaces();
  let numbered = 0;
  const drop = (gone: ReadonlySet<string>): void => {
    for (const name of gone) segments.delete(name);
    places = places.without((number) => gone.has((batches.get(number) as BatchPlace).segment));
    for (const [number, { segment }] of batches) if (gone.has(segment)) batches.delete(number);
  };
  const bound = (): void => {
    const oldest = oldestOf([...segments.keys()].sort(), places.size, most);
    if (oldest.size > 0) drop(oldest);
    for (const name of oldest) beyond.add(name);
  };
  const add = (segment: string, read: ReadBatches): void => {
    for (const [at, batch] of read.batches.entries()) {
      const number = numbered++;
      batches.set(number, { segment, ...(read.ranges[at] as Pick<BatchPlace, "from" | "to">) });
      // Of two requests of one name the first of a segment counts, and of these the latest.
      addIds(places, batch, number, (before) => batches.get(before)?.segment === segment);
    }
    segments.set(segment, { schema: read.schema, end: read.end });
  };
  return {
    get beyond() {
      return [...beyond];
    },
    find: (requestId) => places.get(requestId),
    async refresh(names, signal) {
      const present = new Set(names);
      const gone = new Set([...segments.keys()].filter((name) => !present.has(name)));
      if (gone.size > 0) drop(gone);
      for (const name of beyond) if (!present.has(name)) beyond.delete(name);
      for (const name of names) {
        signal?.throwIfAborted();
        if (beyond.has(name)) continue;
        const read = await readOn(directory, name, segments.get(name));
        if (read !== undefined) add(name, read);
        if (places.size > most) bound();
      }
    },
    rowsAt(wanted, features, signal) {
      // Looked up before anything is waited for: segments may be forgotten meanwhile.
      const lots = [...grouped([...wanted.values()], ({ batch }) => batch)].flatMap(([number, rows]): WantedBatch[] => {
        const place = batches.get(number);
        const known = place && segments.get(place.segment);
        return place === undefined || known === undefined
          ? []
          : [{ ...place, schema: known.schema, starts: rows.map(({ row }) => row) }];
      });
      return rowsOfLots(directory, lots, { wanted, features, signal });
    },
  };
}

/** Segments to forget, all but the newest at most, until a quarter of the most is free: the next batch would be too much again. */
function oldestOf(names: readonly string[], size: number, most: number): ReadonlySet<string> {
  const oldest = new Set<string>();
  let over = size - most;
  for (const name of over > 0 ? names.slice(0, -1) : []) {
    if (over <= -most / 4) break;
    oldest.add(name);
    over -= size / names.length;
  }
  return oldest;
}

interface Asked {
  readonly wanted: ReadonlyMap<string, RequestPlace>;
  readonly features: readonly string[] | undefined;
  readonly signal: AbortSignal | undefined;
}

async function* rowsOfLots(
  directory: string,
  lots: readonly WantedBatch[],
  { wanted, features, signal }: Asked,
): AsyncGenerator<JsonObject, void, undefined> {
  for (const [segment, own] of grouped(lots, (lot) => lot.segment)) {
    const inOrder = own.toSorted((a, b) => a.from - b.from);
    for await (const [batch, starts] of readBatches(join(directory, segment), inOrder, signal))
      // Of two ids with one hash only one stands there.
      for (const row of requestsAt(batch, starts, features)) if (wanted.has(row["requestId"] as string)) yield row;
  }
}

interface ReadBatches {
  readonly schema: Uint8Array;
  readonly batches: readonly Batch[];
  readonly ranges: readonly Pick<BatchPlace, "from" | "to">[];
  readonly end: number;
}

/** @returns what came since; undefined where nothing did, or the file is gone. */
async function readOn(
  directory: string,
  name: string,
  known: IndexedSegment | undefined,
): Promise<ReadBatches | undefined> {
  return withFile(join(directory, name), name, async (file) => {
    const from = known?.end ?? 0;
    const { size } = await file.stat();
    if (size <= from) return undefined;
    const bytes = await readRange(file, from, size);
    const schema = known?.schema ?? bytes.slice(0, Math.min(bytes.length, endOfMessage(bytes, 0)));
    const ranges: Pick<BatchPlace, "from" | "to">[] = [];
    let at = known === undefined ? endOfMessage(bytes, 0) : 0;
    for (let to = nextEnd(bytes, at); to <= bytes.length; to = nextEnd(bytes, at)) {
      ranges.push({ from: from + at, to: from + to });
      at = to;
    }
    if (ranges.length === 0) return undefined;
    const whole = known === undefined ? bytes.subarray(0, at) : Buffer.concat([schema, bytes.subarray(0, at)]);
    return { schema, batches: batchesOf(whole, name), ranges, end: from + at };
  });
}

const nextEnd = (bytes: Uint8Array, at: number): number =>
  at > bytes.length ? Number.POSITIVE_INFINITY : endOfMessage(bytes, at, true);

interface WantedBatch extends BatchPlace {
  readonly schema: Uint8Array;
  readonly starts: readonly number[];
}

/** Batches of a segment with the rows that are wanted of them, some at a time: each is over when the next one is asked for. Those that are gone are left out. */
async function* readBatches(
  path: string,
  all: readonly WantedBatch[],
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly [Batch, readonly number[]], void> {
  let buffer = new Uint8Array(0);
  for (let from = 0; from < all.length;) {
    signal?.throwIfAborted();
    let [to, size] = [from, 0];
    while (to < all.length && (to === from || size < pieceBytes)) {
      const { from: begin, to: end } = all[to++] as WantedBatch;
      size += end - begin;
    }
    const { schema, segment } = all[from] as WantedBatch;
    if (buffer.length < schema.length + size) buffer = new Uint8Array(schema.length + size);
    buffer.set(schema);
    const read = await withFile(path, segment, (file) => fill(file, buffer, schema.length, all.slice(from, to)));
    const { length, starts } = read ?? { length: 0, starts: [] };
    if (starts.length > 0)
      for (const [at, batch] of batchesOf(buffer.subarray(0, length), segment).entries())
        yield [batch, starts[at] ?? []];
    from = to;
  }
}

/** Reads batches one after another. A file that was cut off meanwhile lacks some. @returns where the last ends, and what is wanted of each that is there. */
async function fill(
  file: FileHandle,
  buffer: Uint8Array,
  from: number,
  some: readonly WantedBatch[],
): Promise<{ readonly length: number; readonly starts: readonly (readonly number[])[] }> {
  let at = from;
  const starts: (readonly number[])[] = [];
  for (const each of some) {
    const length = each.to - each.from;
    if ((await readInto(file, buffer.subarray(at, at + length), each.from)) < length) continue;
    starts.push(each.starts);
    at += length;
  }
  return { length: at, starts };
}

/** @returns undefined where the file is gone. */
async function withFile<Result>(
  path: string,
  name: string,
  read: (file: FileHandle) => Promise<Result>,
): Promise<Result | undefined> {
  try {
    await using file = await open(path);
    return await read(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error instanceof Error && "syscall" in error ? captureUnreadable(name, error.message, error) : error;
  }
}

async function readRange(file: FileHandle, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  return bytes.subarray(0, await readInto(file, bytes, from));
}

/** @returns how many bytes there were. */
async function readInto(file: FileHandle, bytes: Uint8Array, from: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, from + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

const idsOf = ({ columns }: Batch): BytesColumn | undefined => {
  const column = columns["requestId"];
  return column !== undefined && "offsets" in column && column.type !== "list" ? (column as BytesColumn) : undefined;
};

function addIds(places: RequestPlaces, batch: Batch, number: number, keeps: (batch: number) => boolean): void {
  const ids = idsOf(batch);
  if (ids === undefined) return;
  const { values, offsets, length } = ids;
  for (let row = 0; row < length; row += 1) {
    if (row > 0 && isSame(ids, row, row - 1)) continue;
    places.set(values, offsets[row] as number, offsets[row + 1] as number, { batch: number, row }, keeps);
  }
}

function isSame({ values, offsets }: BytesColumn, a: number, b: number): boolean {
  const [from, to] = [offsets[a] as number, offsets[b] as number];
  const length = (offsets[a + 1] as number) - from;
  if (length !== (offsets[b + 1] as number) - to) return false;
  for (let at = 0; at < length; at += 1) if (values[from + at] !== values[to + at]) return false;
  return true;
}

/** The requests that begin at rows of a batch. */
function* requestsAt(
  batch: Batch,
  starts: readonly number[],
  features: readonly string[] | undefined,
): Generator<JsonObject, void> {
  const ids = idsOf(batch);
  if (ids === undefined) return;
  const rows: number[] = [];
  for (const start of starts.toSorted((a, b) => a - b)) {
    if (start >= batch.length) continue;
    let row = start;
    do rows.push(row++);
    while (row < batch.length && isSame(ids, row, start));
  }
  yield* rowsOfBatch(takeRows(wantedColumns(batch, features), Int32Array.from(rows)));
}
