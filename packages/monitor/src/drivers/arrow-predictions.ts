import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CallOptions, type JsonObject, type LoggedPrediction, type PredictionReader } from "@millwright/contracts";
import type { AnswerSource } from "../capture/answer-lookup.ts";
import { createArrowIndex } from "../capture/arrow-index.ts";
import { batchesOf, rowsIn, wholeOf } from "../capture/arrow-segment.ts";
import type { RequestPlace } from "../capture/request-places.ts";
import { captureUnreadable } from "../errors.ts";
import { openNdjsonPredictions, toPrediction } from "./ndjson-predictions.ts";

export interface ArrowPredictionsOptions {
  readonly directory: string;
  /**
   * Most requests whose places are remembered, 21 to 43 bytes each, at least 1. Beyond, those of the oldest segments are not: requests that are not found elsewhere are looked for in these by reading them as a
   * whole, each time. Default: 10,000,000.
   */
  readonly maxIndexed?: number | undefined;
}

const extension = ".arrows";

/**
 * Finds captured rows by request id in a directory that `openArrowCapture` writes to, in this process or another. The first question reads every segment once, a later
 * one what came since; then only the batches are read that hold what is asked for. Throws `MONITOR_CAPTURE_UNREADABLE`, and a `RangeError` for a bound that is none.
 */
export function openArrowPredictions({
  directory,
  maxIndexed = 10_000_000,
}: ArrowPredictionsOptions): PredictionReader & AnswerSource {
  if (!(Number.isSafeInteger(maxIndexed) && maxIndexed >= 1))
    throw new RangeError(`maxIndexed must be a whole number of at least 1, not ${maxIndexed}.`);
  const index = createArrowIndex(directory, maxIndexed);
  const lines = openNdjsonPredictions({ directory });
  let turn: Promise<unknown> = Promise.resolve();
  /** Segments are read on once for all that ask meanwhile. @returns the places of those that have one. */
  const locate = (requestIds: readonly string[], signal: AbortSignal | undefined) => {
    const next = turn.then(async () => {
      if (requestIds.some((requestId) => index.find(requestId) === undefined))
        await index.refresh(await segmentsOf(directory), signal);
      return new Map(
        requestIds.flatMap((requestId): [string, RequestPlace][] => {
          const place = index.find(requestId);
          return place === undefined ? [] : [[requestId, place]];
        }),
      );
    });
    turn = next.catch(() => undefined);
    return next;
  };
  const findAll: AnswerSource["findAll"] = async function* (requestIds, { features, signal } = {}) {
    signal?.throwIfAborted();
    const places = await locate(requestIds, signal);
    yield* index.rowsAt(places, features, signal);
    const left = new Set(requestIds.filter((requestId) => !places.has(requestId)));
    for (const segment of left.size === 0 ? [] : index.beyond) {
      signal?.throwIfAborted();
      for await (const row of rowsOf(join(directory, segment), segment, left, features)) {
        left.delete(row["requestId"] as string);
        yield row;
      }
    }
    if (left.size > 0) yield* lines.findAll([...left], { signal });
  };
  return {
    async find(requestId, options: CallOptions = {}): Promise<LoggedPrediction | undefined> {
      for await (const row of findAll([requestId], { features: [], signal: options.signal })) return toPrediction(row);
      return undefined;
    },
    findAll,
  };
}

async function segmentsOf(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw unreadable(directory, error);
  });
  return names.filter((each) => each.endsWith(extension)).sort();
}

async function* rowsOf(
  path: string,
  segment: string,
  wanted: ReadonlySet<string>,
  features: readonly string[] | undefined,
): AsyncGenerator<JsonObject, void> {
  const bytes = await readFile(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unreadable(path, error);
  });
  for (const batch of bytes === undefined ? [] : batchesOf(wholeOf(bytes), segment))
    yield* rowsIn(batch, wanted, features);
}

const unreadable = (path: string, error: unknown): unknown =>
  error instanceof Error && "syscall" in error ? captureUnreadable(path, error.message, error) : error;
