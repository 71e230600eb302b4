import { createReadStream } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type CallOptions, type Clock, createIdSource, type JsonObject, systemClock } from "@millwright/contracts";
import type { CaptureWriter } from "../capture/capture-writer.ts";
import { captureUnreadable, writeFailure } from "../errors.ts";
import { createSegments } from "../capture/segment-file.ts";
import { tableLines } from "../capture/table-text.ts";

export { openNdjsonPredictions } from "./ndjson-predictions.ts";

export interface NdjsonCaptureOptions extends CallOptions {
  /** Made where it is missing. */
  readonly directory: string;
  /** A segment is closed when it has grown beyond this. Default: 64 MiB. */
  readonly segmentBytes?: number | undefined;
  readonly clock?: Clock | undefined;
}

const extension = ".ndjson";

/**
 * Keeps captured rows as JSON lines in a directory: segments named by time, appended to by this writer alone, on disk when `write` resolves. A crash
 * may tear the last line of a segment; no segment is written to again after its process ended. Where the disk is full or refuses, `write`
 * throws `MONITOR_WRITE_FAILED`, keeps none of its rows, and may be called again.
 */
export async function openNdjsonCapture({
  directory,
  segmentBytes = 64 * 2 ** 20,
  clock = systemClock,
  signal: opening,
}: NdjsonCaptureOptions): Promise<CaptureWriter> {
  opening?.throwIfAborted();
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  const segments = createSegments({ directory, extension, segmentBytes, names: createIdSource(clock), clock });
  return {
    async write(rows, { signal } = {}) {
      signal?.throwIfAborted();
      await segments.append(Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join("")));
    },
    async writeTable(table, { signal } = {}) {
      signal?.throwIfAborted();
      await segments.append(Buffer.from(tableLines(table)));
    },
    [Symbol.asyncDispose]: segments.close,
  };
}

/** Walks the rows of a directory in the order of its segments; a torn last line is left out. Throws `MONITOR_CAPTURE_UNREADABLE`. */
export async function* readNdjsonCapture(
  directory: string,
  { signal }: CallOptions = {},
): AsyncGenerator<JsonObject, void, undefined> {
  signal?.throwIfAborted();
  const found = await readdir(directory).catch((error: unknown) => {
    throw error instanceof Error && "syscall" in error ? captureUnreadable(directory, error.message, error) : error;
  });
  for (const name of found.filter((each) => each.endsWith(extension)).sort()) {
    let unread: string | undefined;
    const input = createReadStream(join(directory, name));
    try {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        signal?.throwIfAborted();
        if (unread !== undefined) yield whole(unread, name);
        unread = line;
      }
    } finally {
      // The interface leaves the file open where the loop is left early.
      input.destroy();
    }
    if (unread === undefined) continue;
    const last = parsed(unread);
    if (last !== undefined) yield last;
  }
}

function whole(line: string, name: string): JsonObject {
  try {
    return JSON.parse(line) as JsonObject;
  } catch (error) {
    throw captureUnreadable(name, error instanceof Error ? error.message : String(error), error);
  }
}

function parsed(line: string): JsonObject | undefined {
  try {
    return JSON.parse(line) as JsonObject;
  } catch {
    return undefined;
  }
}
