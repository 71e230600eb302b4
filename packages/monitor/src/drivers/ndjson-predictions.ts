import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type CallOptions,
  type JsonObject,
  type JsonValue,
  type LoggedPrediction,
  type PredictionReader,
  decodeNumbers,
} from "@millwright/contracts";
import type { AnswerSource, FindAnswersOptions } from "../capture/answer-lookup.ts";
import { grouped } from "../capture/grouped.ts";
import { captureUnreadable } from "../errors.ts";

/** Where a row lies. */
interface Place {
  readonly segment: string;
  readonly offset: number;
  readonly length: number;
}

const extension = ".ndjson";
const pieceBytes = 2 ** 20;
const newline = 10;

/**
 * Finds captured rows by request id in a directory that `openNdjsonCapture` writes to, in this process or another. The first question reads
 * every segment once, a later one what came since; about 150 bytes a row stay in memory. Throws `MONITOR_CAPTURE_UNREADABLE`.
 */
export function openNdjsonPredictions({ directory }: { readonly directory: string }): PredictionReader & AnswerSource {
  const places = new Map<string, Place>();
  /** How far each segment was read, to the end of a line. */
  const read = new Map<string, number>();
  let turn: Promise<unknown> = Promise.resolve();
  const refresh = async (signal: AbortSignal | undefined): Promise<void> => {
    const names = await readdir(directory).catch((error: unknown) => {
      throw unreadable(directory, error);
    });
    for (const segment of names.filter((each) => each.endsWith(extension)).sort()) {
      signal?.throwIfAborted();
      await using file = await open(join(directory, segment));
      read.set(
        segment,
        await readLines(file, read.get(segment) ?? 0, (line, offset) => {
          const id = requestIdOf(line);
          if (id !== undefined) places.set(id, { segment, offset, length: line.length });
        }),
      );
    }
  };
  /** The segments are read on once for all that ask meanwhile. */
  const ensure = (requestIds: readonly string[], signal: AbortSignal | undefined): Promise<void> => {
    const next = turn.then(async () => {
      if (requestIds.some((requestId) => !places.has(requestId))) await refresh(signal);
    });
    turn = next.catch(() => undefined);
    return next;
  };
  const find = async (requestId: string, signal: AbortSignal | undefined): Promise<LoggedPrediction | undefined> => {
    if (!places.has(requestId)) await refresh(signal);
    const place = places.get(requestId);
    const row = place === undefined ? undefined : await readRow(directory, place);
    return row?.["requestId"] === requestId ? toPrediction(row) : undefined;
  };
  return {
    async find(requestId, { signal }: CallOptions = {}) {
      signal?.throwIfAborted();
      const next = turn.then(() => find(requestId, signal));
      turn = next.catch(() => undefined);
      return next;
    },
    async *findAll(requestIds, { signal }: FindAnswersOptions = {}) {
      signal?.throwIfAborted();
      await ensure(requestIds, signal);
      const found = requestIds.flatMap((requestId) => places.get(requestId) ?? []);
      const wanted = grouped(found, ({ segment }) => segment);
      for (const [segment, lines] of wanted) yield* rowsAt(directory, segment, lines, signal);
    },
  };
}

/** Lines of one segment, in their order. */
async function* rowsAt(
  directory: string,
  segment: string,
  lines: readonly Place[],
  signal: AbortSignal | undefined,
): AsyncGenerator<JsonObject, void> {
  try {
    await using file = await open(join(directory, segment));
    for (const { offset, length } of lines.toSorted((a, b) => a.offset - b.offset)) {
      signal?.throwIfAborted();
      const bytes = new Uint8Array(length);
      await file.read(bytes, 0, length, offset);
      const row = parse(bytes);
      if (row !== undefined) yield row;
    }
  } catch (error) {
    // A log that was compacted meanwhile holds it elsewhere.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw unreadable(segment, error);
  }
}

/** @returns the end of the last whole line. */
async function readLines(
  file: FileHandle,
  from: number,
  line: (bytes: Uint8Array, offset: number) => void,
): Promise<number> {
  let done = from;
  let held: Uint8Array = new Uint8Array(0);
  for (;;) {
    const piece = new Uint8Array(pieceBytes);
    const { bytesRead } = await file.read(piece, 0, pieceBytes, done + held.length);
    if (bytesRead === 0) return done;
    const bytes = Buffer.concat([held, piece.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      line(bytes.subarray(start, end), done + start);
      start = end + 1;
    }
    done += start;
    held = bytes.subarray(start);
  }
}

function parse(bytes: Uint8Array): JsonObject | undefined {
  try {
    const row: unknown = JSON.parse(Buffer.from(bytes).toString());
    return typeof row === "object" && row !== null ? (row as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function requestIdOf(line: Uint8Array): string | undefined {
  const id = parse(line)?.["requestId"];
  return typeof id === "string" ? id : undefined;
}

async function readRow(directory: string, { segment, offset, length }: Place): Promise<JsonObject | undefined> {
  try {
    await using file = await open(join(directory, segment));
    const bytes = new Uint8Array(length);
    await file.read(bytes, 0, length, offset);
    return parse(bytes);
  } catch (error) {
    throw unreadable(segment, error);
  }
}

const unreadable = (path: string, error: unknown): unknown =>
  error instanceof Error && "syscall" in error ? captureUnreadable(path, error.message, error) : error;

export function toPrediction(row: JsonObject): LoggedPrediction {
  const { requestId, endpoint, variant, model, timeMs, featureAgesMs, errorCode } = decodeNumbers(
    row as JsonValue,
  ) as unknown as LoggedPrediction;
  return {
    requestId,
    endpoint,
    variant,
    model,
    timeMs,
    ...(featureAgesMs === undefined ? {} : { featureAgesMs }),
    ...(errorCode === undefined ? {} : { errorCode }),
  };
}
