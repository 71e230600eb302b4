import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, IdSource } from "@millwright/contracts";
import { writeFailure } from "../errors.ts";

export interface SegmentOptions {
  readonly directory: string;
  /** With its dot. */
  readonly extension: string;
  /** A segment is closed when it has grown beyond this. */
  readonly segmentBytes: number;
  readonly names: IdSource;
  readonly clock: Clock;
}

/** A segment takes what comes in so long a time; whoever finds one that began twice as long ago finds it whole. */
export const segmentMs = 300_000;

/** Appends to files of its own, one after another, named by time: none is written to again after its process ended. */
export interface Segments {
  /**
   * Resolves when the bytes are on disk. Throws `MONITOR_WRITE_FAILED` where the disk is full or refuses: then nothing was kept of them.
   * @param begin What a new segment begins with.
   */
  append(bytes: Uint8Array, begin?: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export function createSegments({ directory, extension, segmentBytes, names, clock }: SegmentOptions): Segments {
  let segment: { readonly path: string; readonly file: FileHandle; readonly sinceMs: number; size: number } | undefined;
  const close = async (): Promise<void> => {
    const closing = segment;
    segment = undefined;
    await closing?.file.close();
  };
  const begin = async (): Promise<NonNullable<typeof segment>> => {
    const path = join(directory, `${names.next()}${extension}`);
    try {
      // Every segment has a name of its own: exclusive creation says so.
      return { path, file: await open(path, "ax"), sinceMs: clock.nowMs(), size: 0 };
    } catch (error) {
      throw writeFailure(path, error);
    }
  };
  return {
    async append(bytes, head) {
      // A clock that was set back makes the age negative.
      const ageMs = segment === undefined ? 0 : clock.nowMs() - segment.sinceMs;
      if (ageMs >= segmentMs || ageMs < 0) await close();
      segment ??= await begin();
      const whole = segment.size === 0 && head !== undefined ? Buffer.concat([head, bytes]) : bytes;
      try {
        await segment.file.appendFile(whole);
        await segment.file.datasync();
      } catch (error) {
        // What part of these bytes was written is unknown: it is cut off, and what comes goes to a new segment.
        const { path, file, size } = segment;
        await file.truncate(size).catch(() => {});
        await close().catch(() => {});
        if (size === 0) await rm(path, { force: true }).catch(() => {});
        throw writeFailure(path, error);
      }
      segment.size += whole.length;
      if (segment.size >= segmentBytes) await close();
    },
    close,
  };
}
