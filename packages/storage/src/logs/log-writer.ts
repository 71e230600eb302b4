import type { FileHandle } from "node:fs/promises";
import { errorOfFile } from "../file-failure.ts";

/** See `LogAppendOptions.durability`. */
export type LogDurability = "fire" | "buffered" | "fsync";

/** Writes groups of records one after another; those that wait at the same time go together, and share a flush. */
export interface LogWriter {
  sizeBytes(): number;
  /** Resolves as the durability says. */
  add(bytes: Uint8Array, durability: LogDurability): Promise<void>;
  /** Waits until all that was added is written, or has failed. */
  written(): Promise<void>;
  /** Waits until the disk has everything. Throws what happened to what was fired since the last flush. */
  flush(): Promise<void>;
  /** Cuts the file to so many bytes, after all that waits. */
  clear(toBytes: number): Promise<void>;
}

interface WaitingRecords {
  readonly bytes: Uint8Array;
  readonly durability: LogDurability;
}

/** Records to be written, or work that is done between two groups of them. */
type Waiting = { resolve(): void; reject(error: unknown): void } & (
  | { readonly records: WaitingRecords }
  | { readonly work: () => Promise<void> }
);

/** What was fired may wait up to this; then `append` waits too. */
const mostWaitingBytes = 8 * 1024 * 1024;

export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;)
    at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

/** The end of the file, where groups go. */
interface FileTail {
  size(): number;
  /** @param onWritten Called when the system has the bytes. */
  write(bytes: Uint8Array, toDisk: boolean, onWritten: () => void): Promise<void>;
  sync(): Promise<void>;
  cut(toBytes: number): Promise<void>;
}

function createTail(path: string, handle: FileHandle, startBytes: number): FileTail {
  let size = startBytes;
  // Nobody knows what the file holds any more: it must be opened again.
  let broken: unknown;
  const orBreak = async (work: () => Promise<void>): Promise<void> => {
    if (broken !== undefined) throw broken;
    try {
      await work();
    } catch (error) {
      broken = errorOfFile(path, error);
      throw broken;
    }
  };
  // The system may drop pages that it could not write, and says so once: after that nothing is sure.
  const sync = (): Promise<void> => orBreak(() => handle.datasync());
  return {
    size: () => size,
    async write(bytes, toDisk, onWritten) {
      if (broken !== undefined) throw broken;
      try {
        await writeFully(handle, bytes, size);
      } catch (error) {
        // What was written of it is cut off, so that the next group stands where the last whole one ended.
        await orBreak(() => handle.truncate(size));
        throw errorOfFile(path, error);
      }
      size += bytes.length;
      onWritten();
      if (toDisk) await sync();
    },
    sync,
    cut: (toBytes) =>
      orBreak(async () => {
        await handle.truncate(toBytes);
        size = toBytes;
        await handle.datasync();
      }),
  };
}

export function createLogWriter(path: string, handle: FileHandle, startBytes: number): LogWriter {
  const tail = createTail(path, handle, startBytes);
  let waitingBytes = 0;
  let lost: unknown;
  const queue = createQueue(async (group) => {
    const bytes = group.length === 1 ? group[0]!.records.bytes : Buffer.concat(group.map((each) => each.records.bytes));
    const has = (durability: LogDurability): boolean => group.some(({ records }) => records.durability === durability);
    try {
      await tail.write(bytes, has("fsync"), () => {
        for (const each of group) if (each.records.durability === "buffered") each.resolve();
      });
    } catch (error) {
      if (has("fire")) lost ??= error;
      throw error;
    } finally {
      waitingBytes -= bytes.length;
    }
  });
  return {
    sizeBytes: () => tail.size(),
    written: () => queue.between(() => Promise.resolve()),
    async add(bytes, durability) {
      waitingBytes += bytes.length;
      const done = queue.add({ bytes, durability });
      if (durability !== "fire") return await done;
      // A failure is told by `flush`.
      const settled = done.catch(() => {});
      if (waitingBytes > mostWaitingBytes) await settled;
    },
    async flush() {
      const synced = await queue
        .between(() => tail.sync())
        .then(
          () => undefined,
          (error: unknown) => ({ error }),
        );
      const failure = lost ?? synced?.error;
      lost = undefined;
      if (failure !== undefined) throw failure;
    },
    clear: (toBytes) => queue.between(() => tail.cut(toBytes)),
  };
}

type WaitingGroup = readonly (Waiting & { readonly records: WaitingRecords })[];

interface WriteQueue {
  add(records: WaitingRecords): Promise<void>;
  /** Does it after all that was added before, and before what is added later. */
  between(work: () => Promise<void>): Promise<void>;
}

function createQueue(writeGroup: (group: WaitingGroup) => Promise<void>): WriteQueue {
  let waiting: Waiting[] = [];
  let running = false;
  const settle = async (group: readonly Waiting[], work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      for (const each of group) each.resolve();
    } catch (error) {
      for (const each of group) each.reject(error);
    }
  };
  const run = async (): Promise<void> => {
    if (running) return;
    running = true;
    // What is asked for in one turn goes together.
    await Promise.resolve();
    while (waiting.length > 0) {
      const first = waiting[0] as Waiting;
      if ("work" in first) {
        waiting.shift();
        await settle([first], first.work);
        continue;
      }
      const end = waiting.findIndex((each) => "work" in each);
      const group = (end < 0 ? waiting : waiting.slice(0, end)) as unknown as WaitingGroup;
      waiting = end < 0 ? [] : waiting.slice(end);
      await settle(group, () => writeGroup(group));
    }
    running = false;
  };
  const enqueue = (what: { readonly records: WaitingRecords } | { readonly work: () => Promise<void> }) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ ...what, resolve, reject });
      void run();
    });
  return { add: (records) => enqueue({ records }), between: (work) => enqueue({ work }) };
}
