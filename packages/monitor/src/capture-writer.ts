import type { CallOptions, JsonObject, Logger } from "@millwright/contracts";

/** Keeps captured rows, wherever the caller wants them. */
export interface CaptureWriter extends AsyncDisposable {
  /** Appends rows in their order; resolves when they are written. One call at a time. */
  write(rows: readonly JsonObject[], options?: CallOptions): Promise<void>;
}

/** Hands rows on in the background, and drops them rather than grow. */
export interface CaptureBuffer {
  offer(row: JsonObject): void;
  /** Resolves when all that was offered is written or dropped. */
  flush(): Promise<void>;
  readonly written: number;
  readonly dropped: number;
}

export function createCaptureBuffer(writer: CaptureWriter, capacity: number, logger: Logger): CaptureBuffer {
  let waiting: JsonObject[] = [];
  let written = 0;
  let dropped = 0;
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const rows = waiting;
      waiting = [];
      try {
        await writer.write(rows);
        written += rows.length;
      } catch (error) {
        dropped += rows.length;
        logger.warn({ rows: rows.length, error: String(error) }, "Captured rows could not be written.");
      }
    }
    running = undefined;
  };
  return {
    offer(row) {
      if (waiting.length >= capacity) {
        dropped += 1;
        return;
      }
      waiting.push(row);
      running ??= Promise.resolve().then(run);
    },
    flush: () => running ?? Promise.resolve(),
    get written() {
      return written;
    },
    get dropped() {
      return dropped;
    },
  };
}
