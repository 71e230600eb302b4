import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Batch,
  type BytesColumn,
  type CallOptions,
  type Clock,
  type Column,
  createIdSource,
  type JsonObject,
  systemClock,
} from "@millwright/contracts";
import { createIpcWriter, numericColumn, schemaOf, textColumn } from "@millwright/data";
import { type ConstantTexts, createConstantTexts } from "../capture/constant-texts.ts";
import type { CapturedTable, CaptureWriter } from "../capture/capture-writer.ts";
import { captureUnreadable, writeFailure } from "../errors.ts";
import {
  batchesOf,
  endOfMessage,
  featurePrefix,
  outputPrefix,
  prefixBytes,
  rowsOfBatch,
  wholeOf,
} from "../capture/arrow-segment.ts";
import { createSegments, type Segments } from "../capture/segment-file.ts";
import { openNdjsonCapture, readNdjsonCapture } from "./ndjson.ts";

export { type ArrowPredictionsOptions, openArrowPredictions } from "./arrow-predictions.ts";

export interface ArrowCaptureOptions extends CallOptions {
  /** Made where it is missing. */
  readonly directory: string;
  /** A segment is closed when it has grown beyond this. Default: 64 MiB. */
  readonly segmentBytes?: number | undefined;
  readonly clock?: Clock | undefined;
}

const extension = ".arrows";
/** Layouts that have an open segment. */
const mostOpen = 16;
/**
 * Keeps captured requests as Arrow IPC streams in a directory: a row for each row of a request, with the columns `requestId`, `endpoint`, `variant`,
 * `modelName`, `modelVersion`, `modelDigest`, `timeMs`, `latencyMs`, `features.NAME`, `outputs.NAME`. A segment holds requests of one layout, and is appended to by this writer alone;
 * what was written is on disk when `write` resolves. What is no table of numbers (failures, texts, degraded answers) is kept beside them as `openNdjsonCapture` keeps it.
 * A crash may tear the last batch of a segment. Where the disk is full or refuses, `write` throws `MONITOR_WRITE_FAILED`, keeps nothing of it, and may be called again.
 */
export async function openArrowCapture({
  directory,
  segmentBytes = 64 * 2 ** 20,
  clock = systemClock,
  signal: opening,
}: ArrowCaptureOptions): Promise<CaptureWriter> {
  opening?.throwIfAborted();
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  const names = createIdSource(clock);
  const lines = await openNdjsonCapture({ directory, segmentBytes, clock });
  const constants = createConstantTexts();
  const layouts = new Map<string, Layout>();
  const layoutOf = async (batch: Batch): Promise<Layout> => {
    const schema = schemaOf(batch);
    const key = JSON.stringify(schema);
    const known = layouts.get(key);
    // Put at the end: the first is the one that was not used for longest.
    layouts.delete(key);
    const segments = known?.segments ?? createSegments({ directory, extension, segmentBytes, names, clock });
    const layout = known ?? { segments, write: createIpcWriter(schema) };
    layouts.set(key, layout);
    const [oldest] = layouts.entries();
    if (layouts.size > mostOpen && oldest !== undefined) {
      layouts.delete(oldest[0]);
      await oldest[1].segments.close();
    }
    return layout;
  };
  return {
    write: lines.write,
    async writeTable(table, { signal } = {}) {
      signal?.throwIfAborted();
      const batch = batchOfTable(table, constants);
      const { segments, write } = await layoutOf(batch);
      const stream = write(batch);
      // A stream of its own: the schema, the batch, and an end that must not come before the last one.
      const schemaEnd = endOfMessage(stream, 0);
      await segments.append(stream.subarray(schemaEnd, stream.length - prefixBytes), stream.subarray(0, schemaEnd));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([
        lines[Symbol.asyncDispose](),
        ...[...layouts.values()].map(({ segments }) => segments.close()),
      ]);
    },
  };
}

interface Layout {
  readonly segments: Segments;
  readonly write: (batch: Batch) => Uint8Array;
}

function batchOfTable(table: CapturedTable, constants: ConstantTexts): Batch {
  const { endpoint, variant, model, rowCounts, features, outputs } = table;
  const { length } = features;
  // Of most requests each has one row: then there is nothing to repeat.
  const each = length === rowCounts.length;
  const repeated = <Item>(items: ArrayLike<Item>): Item[] => {
    const all: Item[] = [];
    for (let at = 0; at < items.length; at += 1)
      for (let row = 0; row < (rowCounts[at] as number); row += 1) all.push(items[at] as Item);
    return all;
  };
  const floats = (values: Float64Array): Column =>
    numericColumn("float64", each ? values : Float64Array.from(repeated(values)));
  const named = (prefix: string, { columns }: Batch): readonly [string, Column][] =>
    Object.entries(columns).map(([name, column]) => [prefix + name, column]);
  const columns: readonly (readonly [string, Column])[] = [
    ["requestId", each ? requestIdsOf(table) : textColumn(repeated(table.requestIds))],
    ["endpoint", constants.column(endpoint, length)],
    ["variant", constants.column(variant, length)],
    ["modelName", constants.column(model.name, length)],
    ["modelVersion", numericColumn("float64", new Float64Array(length).fill(model.version ?? Number.NaN))],
    ["modelDigest", constants.column(model.digest, length)],
    ["timeMs", floats(table.timesMs)],
    ["latencyMs", floats(table.latenciesMs)],
    ...named(featurePrefix, features),
    ...named(outputPrefix, outputs),
  ];
  return { length, columns: Object.fromEntries(columns) };
}

const requestIdsOf = (table: CapturedTable): BytesColumn => table.requestIdColumn ?? textColumn(table.requestIds);

/**
 * Walks the rows of a directory as `readNdjsonCapture` gives them: those of tables first, in the order of their segments, then the others. A torn last batch or line is left out.
 * Throws `MONITOR_CAPTURE_UNREADABLE`.
 */
export async function* readArrowCapture(
  directory: string,
  { signal }: CallOptions = {},
): AsyncGenerator<JsonObject, void, undefined> {
  signal?.throwIfAborted();
  const found = await readdir(directory).catch((error: unknown) => {
    throw unreadable(directory, error);
  });
  for (const name of found.filter((each) => each.endsWith(extension)).sort()) {
    signal?.throwIfAborted();
    const bytes = await readFile(join(directory, name)).catch((error: unknown) => {
      throw unreadable(name, error);
    });
    for (const batch of batchesOf(wholeOf(bytes), name)) yield* rowsOfBatch(batch);
  }
  yield* readNdjsonCapture(directory, { signal });
}

const unreadable = (path: string, error: unknown): unknown =>
  error instanceof Error && "syscall" in error ? captureUnreadable(path, error.message, error) : error;
