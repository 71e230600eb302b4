import { type Clock, isMillwrightError, type Random } from "@millwright/contracts";
import { DatabaseSync } from "@photostructure/sqlite";
import { fileReadonly, fileUnreachable, ioFailed } from "./errors.ts";

/** What is held until it is released, or until its process ends, however it ends. */
export interface FileLock {
  release(): void;
}

export interface LockWaitOptions {
  readonly clock: Clock;
  /** Spreads the tries of those that wait. */
  readonly random: Random;
}

/** Primary result codes: https://www.sqlite.org/rescode.html */
const busy = 5;
const locked = 6;
const readonly = 8;
const cannotOpen = 14;

/**
 * Takes the operating system's lock on a file that is there for nothing else, and is never deleted. SQLite takes it: an exclusive transaction on an
 * empty database is a lock that the kernel frees when its process dies, that holds between callers of one process too, and on every system alike.
 * No number of a process is written anywhere that could be another's by now.
 * @returns undefined where somebody has it.
 */
export function tryLockFile(path: string): FileLock | undefined {
  let connection: InstanceType<typeof DatabaseSync> | undefined;
  try {
    connection = new DatabaseSync(path, { timeout: 0 });
    connection.exec("begin exclusive");
  } catch (error) {
    connection?.close();
    const code = resultCode(error);
    if (code === busy || code === locked) return undefined;
    throw lockFailure(path, code, error);
  }
  const held = connection;
  return { release: () => held.close() };
}

/** Lets one at a time in: among the callers of a store, and among all processes that use the same file. */
export interface FileMutex {
  hold<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result>;
}

export function createFileMutex(path: string, { clock, random }: LockWaitOptions): FileMutex {
  let last: Promise<unknown> = Promise.resolve();
  const alone = async <Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> => {
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      const lock = tryLockFile(path);
      if (lock === undefined) {
        // Another process has it, for moments only.
        await clock.sleep(random.next() * Math.min(20, 1 + attempt), { signal });
        continue;
      }
      try {
        return await work();
      } finally {
        lock.release();
      }
    }
  };
  return {
    hold(work, signal) {
      const mine = last.then(() => alone(work, signal));
      last = mine.catch(() => {});
      return mine;
    },
  };
}

function resultCode(error: unknown): number | undefined {
  const code = (error as { readonly sqliteCode?: unknown } | undefined)?.sqliteCode;
  return typeof code === "number" ? code & 0xff : undefined;
}

function lockFailure(path: string, code: number | undefined, error: unknown): unknown {
  if (code === undefined || isMillwrightError(error)) return error;
  const problem = error instanceof Error ? error.message : String(error);
  if (code === readonly) return fileReadonly(path, error);
  return code === cannotOpen ? fileUnreachable(path, problem, error) : ioFailed(path, problem, error);
}
