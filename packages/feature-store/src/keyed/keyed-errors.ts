import { FeatureStoreError } from "../errors.ts";

/** LMDB's number for an environment that takes itself for broken. */
const MDB_PANIC = -30_795;

/** What a keyed store's refusal to write means: a full disk, another writer that holds it, or one that was killed. Any other error is passed on. */
export function onlineFailure(where: string, error: unknown): unknown {
  const known = error as { readonly code?: unknown; readonly errcode?: unknown; readonly message?: unknown } | null;
  const message = String(known?.message ?? error);
  // SQLite's result codes, of which the extended ones have more in their upper bytes.
  const result = typeof known?.errcode === "number" ? known.errcode & 0xff : undefined;
  if (result === 5 || result === 6) {
    return new FeatureStoreError("FEATURE_STORE_ONLINE_BUSY", `Another process holds ${where}: ${message}.`, {
      category: "transient",
      remedy: "Write again later, or raise `busyTimeoutMs`; a process that writes much shall commit in smaller pieces.",
      retryable: true,
      cause: error,
    });
  }
  if (known?.code === MDB_PANIC || message.includes("MDB_PANIC")) return panic(where, error);
  // 28 is the operating system's number for a full disk, −30792 LMDB's for a full map.
  const isFull = result === 13 || known?.code === 28 || known?.code === "ENOSPC" || known?.code === -30_792;
  if (!isFull && !/no space left on device|MDB_MAP_FULL|^OOM /i.test(message)) return error;
  return new FeatureStoreError(
    "FEATURE_STORE_WRITE_FAILED",
    `There is no room for ${where}: ${message.replace(/\.$/, "")}.`,
    {
      category: "capacity",
      remedy: "Make room there, then do it again.",
      retryable: true,
      cause: error,
    },
  );
}

const panic = (where: string, cause: unknown): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_LMDB_PANIC",
    `LMDB takes no more writes to ${where} from this process: another one was killed while it flushed, which LMDB takes for damage (MDB_PANIC).`,
    {
      category: "transient",
      remedy:
        "Close the file and open it again: what was committed is there. Open it with `overlappingSync: false` in every process.",
      retryable: false,
      cause,
    },
  );

/** An LMDB file that was opened so that the death of one process may stop the writes of others. */
export const overlappingFlushes = (): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_LMDB_OVERLAPPING",
    "The LMDB file was opened with flushes that overlap with later transactions: where a process is killed in one, others may no longer be able to write (MDB_PANIC).",
    { category: "user", remedy: "Open it with `open({ path, overlappingSync: false })`, in every process." },
  );

export const onlineCorrupt = (group: string, key: string, problem: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_ONLINE_CORRUPT",
    `The online entry "${key}" of "${group}" is damaged: ${problem}.`,
    {
      category: "data",
      remedy: "Delete the entry and materialize its views from their history.",
    },
  );

const sentence = (message: string): string => message.replace(/\.$/, "");

/** Another writer, or the service's limits, kept the call waiting for longer than it may. */
export const onlineBusy = (where: string, problem: string, remedy: string, cause?: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_ONLINE_BUSY", `There is too much to do for ${where}: ${sentence(problem)}.`, {
    category: "transient",
    remedy,
    retryable: true,
    cause,
  });

export const onlineUnreachable = (where: string, problem: string, cause?: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_ONLINE_UNREACHABLE", `${where} cannot be reached: ${sentence(problem)}.`, {
    category: "transient",
    remedy: "See that the server runs and can be reached, then do it again; what was under way may have been done.",
    retryable: true,
    cause,
  });

export const onlineRefused = (where: string, problem: string, cause?: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_ONLINE_REFUSED", `${where} refused the call: ${sentence(problem)}.`, {
    category: "user",
    remedy: "Give the client what the server asks for: a table or group of the right shape, and the rights to use it.",
    cause,
  });

export const entryTooLarge = (group: string, key: string, sizeBytes: number, most: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_ENTRY_TOO_LARGE",
    `The online entry "${key.slice(0, 200)}" of "${group}" would have ${sizeBytes} bytes, and ${most} are the most there.`,
    {
      category: "capacity",
      remedy: "Shorten the view's windows or texts, or keep it in a store without such a limit.",
    },
  );
