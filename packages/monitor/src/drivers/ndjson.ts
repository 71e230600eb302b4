import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Clock, createIdSource, type JsonObject, systemClock } from "@millwright/contracts";
import type { CaptureWriter } from "../capture-writer.ts";

export interface NdjsonCaptureOptions {
  /** Made where it is missing. */
  readonly directory: string;
  /** A segment is closed when it has grown beyond this. Default: 64 MiB. */
  readonly segmentBytes?: number | undefined;
  readonly clock?: Clock | undefined;
}

const extension = ".ndjson";

/**
 * Keeps captured rows as JSON lines in a directory: segments named by time, appended to by this writer alone, on disk when `write` resolves. A crash
 * may tear the last line of a segment; no segment is written to again after its process ended.
 */
export async function openNdjsonCapture({
  directory,
  segmentBytes = 64 * 2 ** 20,
  clock = systemClock,
}: NdjsonCaptureOptions): Promise<CaptureWriter> {
  await mkdir(directory, { recursive: true });
  const names = createIdSource(clock);
  let segment: { readonly file: FileHandle; size: number } | undefined;
  const close = async (): Promise<void> => {
    const closing = segment;
    segment = undefined;
    await closing?.file.close();
  };
  return {
    async write(rows) {
      // Every segment has a name of its own: exclusive creation says so.
      segment ??= { file: await open(join(directory, `${names.next()}${extension}`), "ax"), size: 0 };
      const bytes = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
      try {
        await segment.file.appendFile(bytes);
        await segment.file.datasync();
      } catch (error) {
        // What part of it was written is unknown: the rest goes to a new segment.
        await close().catch(() => {});
        throw error;
      }
      segment.size += bytes.length;
      if (segment.size >= segmentBytes) await close();
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Walks the rows of a directory in the order of its segments; a torn last line is left out. */
export async function* readNdjsonCapture(directory: string): AsyncIterable<JsonObject> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(extension)).sort();
  for (const name of names) {
    let unread: string | undefined;
    for await (const line of createInterface({
      input: createReadStream(join(directory, name)),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      if (unread !== undefined) yield JSON.parse(unread) as JsonObject;
      unread = line;
    }
    if (unread === undefined) continue;
    const last = parsed(unread);
    if (last !== undefined) yield last;
  }
}

function parsed(line: string): JsonObject | undefined {
  try {
    return JSON.parse(line) as JsonObject;
  } catch {
    return undefined;
  }
}
