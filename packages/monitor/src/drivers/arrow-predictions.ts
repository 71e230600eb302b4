import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type CallOptions, type JsonObject, type LoggedPrediction, type PredictionReader } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import type { AnswerSource } from "../capture/answer-lookup.ts";
import { batchesOf, rowsIn, rowsOfBatch, wholeOf } from "../capture/arrow-segment.ts";
import { captureUnreadable } from "../errors.ts";
import { grouped, openNdjsonPredictions, toPrediction } from "./ndjson-predictions.ts";

const extension = ".arrows";

/**
 * Finds captured rows by request id in a directory that `openArrowCapture` writes to, in this process or another. The first question reads every segment once, a later
 * one those that have grown; about 100 bytes a request stay in memory. Throws `MONITOR_CAPTURE_UNREADABLE`.
 */
export function openArrowPredictions({ directory }: { readonly directory: string }): PredictionReader & AnswerSource {
  /** The segment of a request. */
  const places = new Map<string, string>();
  const sizes = new Map<string, number>();
  const lines = openNdjsonPredictions({ directory });
  let turn: Promise<unknown> = Promise.resolve();
  const refresh = async (signal: AbortSignal | undefined): Promise<void> => {
    const names = await readdir(directory).catch((error: unknown) => {
      throw unreadable(directory, error);
    });
    for (const segment of names.filter((each) => each.endsWith(extension)).sort()) {
      signal?.throwIfAborted();
      const bytes = await readGrown(join(directory, segment), sizes.get(segment) ?? -1);
      if (bytes === undefined) continue;
      for (const { columns } of batchesOf(wholeOf(bytes), segment))
        for (const id of columns["requestId"] === undefined ? [] : toArray(columns["requestId"]))
          places.set(id as string, segment);
      sizes.set(segment, bytes.length);
    }
  };
  const find = async (requestId: string, options: CallOptions): Promise<LoggedPrediction | undefined> => {
    if (!places.has(requestId)) await refresh(options.signal);
    const segment = places.get(requestId);
    if (segment === undefined) return lines.find(requestId, options);
    const bytes = await readGrown(join(directory, segment), -1);
    for (const batch of bytes === undefined ? [] : batchesOf(wholeOf(bytes), segment))
      for (const row of rowsOfBatch(batch)) if (row["requestId"] === requestId) return toPrediction(row);
    return undefined;
  };
  return {
    async find(requestId, options = {}) {
      options.signal?.throwIfAborted();
      const next = turn.then(() => find(requestId, options));
      turn = next.catch(() => undefined);
      return next;
    },
    async *findAll(requestIds, { features, signal } = {}) {
      signal?.throwIfAborted();
      const next = turn.then(async () => {
        if (requestIds.some((requestId) => !places.has(requestId))) await refresh(signal);
      });
      turn = next.catch(() => undefined);
      await next;
      const bySegment = grouped(requestIds, (requestId) => places.get(requestId));
      for (const [segment, ids] of bySegment) {
        signal?.throwIfAborted();
        if (segment === undefined) yield* lines.findAll(ids, { signal });
        else yield* rowsOf(join(directory, segment), segment, new Set(ids), features);
      }
    },
  };
}

async function* rowsOf(
  path: string,
  segment: string,
  wanted: ReadonlySet<string>,
  features: readonly string[] | undefined,
): AsyncGenerator<JsonObject, void> {
  const bytes = await readGrown(path, -1);
  for (const batch of bytes === undefined ? [] : batchesOf(wholeOf(bytes), segment))
    yield* rowsIn(batch, wanted, features);
}

const unreadable = (path: string, error: unknown): unknown =>
  error instanceof Error && "syscall" in error ? captureUnreadable(path, error.message, error) : error;

/** @returns the file's bytes; undefined where it is as long as before, or gone. */
async function readGrown(path: string, known: number): Promise<Uint8Array | undefined> {
  try {
    await using file = await open(path);
    return (await file.stat()).size === known ? undefined : await file.readFile();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}
