import { MillwrightError } from "@millwright/contracts";

export type FeatureStoreErrorCode =
  | "FEATURE_STORE_ACCESS_DENIED"
  | "FEATURE_STORE_AS_KNOWN_UNSUPPORTED"
  | "FEATURE_STORE_BASELINE_DIFFERS"
  | "FEATURE_STORE_BATCH_CONFLICT"
  | "FEATURE_STORE_BODY_INVALID"
  | "FEATURE_STORE_BODY_TOO_LARGE"
  | "FEATURE_STORE_COLUMN_MISSING"
  | "FEATURE_STORE_COLUMN_TYPE"
  | "FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED"
  | "FEATURE_STORE_DEFINITION_CHANGED"
  | "FEATURE_STORE_DEFINITION_INVALID"
  | "FEATURE_STORE_DEFINITION_IN_USE"
  | "FEATURE_STORE_DEFINITION_UNKNOWN"
  | "FEATURE_STORE_DELETE_OUTDATED"
  | "FEATURE_STORE_ENTRY_TOO_LARGE"
  | "FEATURE_STORE_EVENT_TIME_CONFLICT"
  | "FEATURE_STORE_EVENT_TIME_INVALID"
  | "FEATURE_STORE_FEAST_ANSWER_INVALID"
  | "FEATURE_STORE_FEAST_REFUSED"
  | "FEATURE_STORE_FEAST_REGISTRY_INVALID"
  | "FEATURE_STORE_FEAST_UNREACHABLE"
  | "FEATURE_STORE_FORMAT_TOO_NEW"
  | "FEATURE_STORE_GATE_REFUSED"
  | "FEATURE_STORE_HASH_KEY_MISSING"
  | "FEATURE_STORE_HISTORY_CORRUPT"
  | "FEATURE_STORE_HISTORY_NOT_A_COPY"
  | "FEATURE_STORE_KEY_MISSING"
  | "FEATURE_STORE_LEAKAGE"
  | "FEATURE_STORE_LOG_CORRUPT"
  | "FEATURE_STORE_LOG_LOCKED"
  | "FEATURE_STORE_NAME_RESERVED"
  | "FEATURE_STORE_ON_DEMAND_FAILED"
  | "FEATURE_STORE_LMDB_OVERLAPPING"
  | "FEATURE_STORE_LMDB_PANIC"
  | "FEATURE_STORE_ONLINE_BUSY"
  | "FEATURE_STORE_ONLINE_CORRUPT"
  | "FEATURE_STORE_ONLINE_REFUSED"
  | "FEATURE_STORE_ONLINE_UNREACHABLE"
  | "FEATURE_STORE_PARITY_BROKEN"
  | "FEATURE_STORE_PIN_DIFFERS"
  | "FEATURE_STORE_RECORD_INVALID"
  | "FEATURE_STORE_RECORD_MISSING"
  | "FEATURE_STORE_RECORD_REFUSED"
  | "FEATURE_STORE_STALE"
  | "FEATURE_STORE_TIME_TOO_OLD"
  | "FEATURE_STORE_VALUE_INVALID"
  | "FEATURE_STORE_VALUE_RANGE"
  | "FEATURE_STORE_VIEW_UNKNOWN"
  | "FEATURE_STORE_WRITE_FAILED";

export class FeatureStoreError extends MillwrightError<FeatureStoreErrorCode> {
  override readonly name = "FeatureStoreError";
}

export const unknownView = (view: string, known: readonly string[]): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_VIEW_UNKNOWN", `No feature view is named "${view}".`, {
    category: "user",
    remedy: known.length === 0 ? "Open the store with the services that use it." : `Known views: ${known.join(", ")}.`,
  });

export const otherDefinition = (view: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_VIEW_UNKNOWN",
    `The view "${view}" of this store is defined otherwise than the one that was given.`,
    { category: "user", remedy: "Give the view that is in the services the store was opened with, or its name." },
  );

export const definitionInvalid = (what: string, problem: string, remedy: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_DEFINITION_INVALID", `${what} cannot be defined: ${problem}.`, {
    category: "user",
    remedy,
  });

export const definitionInUse = (what: string, models: readonly string[]): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_DEFINITION_IN_USE",
    `${what} cannot be changed or deleted: ${models.join(", ")} read${models.length === 1 ? "s" : ""} it.`,
    { category: "user", remedy: "Give the change a version of its own, unpin the models first, or force it." },
  );

export const definitionUnknown = (kind: string, id: string, known: readonly string[]): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_DEFINITION_UNKNOWN", `No ${kind} "${id}" is published.`, {
    category: "user",
    remedy: known.length === 0 ? "Open a store with it first." : `Published are ${known.join(", ")}.`,
  });

export const accessDenied = (principal: string, action: string, resource: string, reason: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_ACCESS_DENIED", `${principal} may not ${action} ${resource}: ${reason}`, {
    category: "user",
    remedy: "Ask as somebody who may, or have the right granted.",
  });

export const hashKeyMissing = (service: string, column: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_HASH_KEY_MISSING",
    `The service "${service}" has the personal column "${column}", and there is no key to hash it with.`,
    { category: "user", remedy: "Give `hashKey`: personal values are never written down as they are." },
  );

export const leakage = (service: string, features: readonly string[], target: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_LEAKAGE",
    `In the training set of "${service}" ${features.join(", ")} know${features.length === 1 ? "s" : ""} of "${target}" what was not known at the labels' times.`,
    {
      category: "data",
      remedy: 'Mend the event times at the source, join with `asKnown`, or only warn with `onLeak: "warn"`.',
    },
  );

export const parityBroken = (
  service: string,
  mismatches: number,
  { feature, row, offline, online }: { feature: string; row: number; offline: unknown; online: unknown },
): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_PARITY_BROKEN",
    `Training and serving of "${service}" differ in ${mismatches} values, first in "${feature}" of row ${row}: ${String(offline)} offline, ${String(online)} online.`,
    { category: "bug", remedy: "Compute the feature with the same code and rows in both." },
  );

export const baselineDiffers = (view: string, other: string, digest: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_BASELINE_DIFFERS",
    `The baseline is of the view "${other}" with the digest ${digest}, and "${view}" is defined otherwise.`,
    { category: "user", remedy: "Take a baseline of the view as it is now." },
  );

export const nameReserved = (view: string, column: string, reserved: readonly string[]): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_NAME_RESERVED",
    `The feature view "${view}" has a column "${column}", a name that the history keeps for itself.`,
    { category: "user", remedy: `Rename it; reserved are ${reserved.join(", ")}.` },
  );

export const asKnownUnsupported = (view: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_AS_KNOWN_UNSUPPORTED",
    `The feature view "${view}" has no \`createdTime\`, so nothing says when its rows were known at their source.`,
    { category: "user", remedy: 'Give it one, or join with `asKnown: "available"`.' },
  );

export const deleteOutdated = (view: string, atMs: number, storedMs: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_DELETE_OUTDATED",
    `A hard delete in "${view}" has event time ${atMs}, and the stored record has ${storedMs}: a delete must be later.`,
    { category: "user", remedy: "Delete with a later event time; nothing was changed." },
  );

export const eventTimeConflict = (view: string, wantedMs: number, storedMs: number | undefined): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_EVENT_TIME_CONFLICT",
    `The record in "${view}" has event time ${storedMs ?? "none"}, not ${wantedMs}.`,
    { category: "transient", remedy: "Read it again and decide anew." },
  );

export const pinDiffers = (service: string, problem: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_PIN_DIFFERS",
    `The pinned training set of "${service}" cannot be made again: ${problem}.`,
    {
      category: "data",
      remedy: "Open the store with the definitions and the history that it was made from.",
    },
  );

export const recordMissing = (view: string, key: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_RECORD_MISSING", `The view "${view}" has no record of ${key} to change.`, {
    category: "user",
    remedy: "Put a whole record first.",
  });

export const rowStale = (view: string, key: string, ageMs: number, maxAgeMs: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_STALE",
    `The row of ${key} in "${view}" is ${ageMs} ms old, and its freshness allows less than ${maxAgeMs} ms.`,
    { category: "transient", remedy: "Bring its source up to date, or choose another `onStale`.", retryable: true },
  );

export const definitionChanged = (view: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_DEFINITION_CHANGED",
    `The stored rows of the view "${view}" have other columns than its definition.`,
    { category: "user", remedy: "Give the changed view a new name and ingest its rows again." },
  );

export const columnMissing = (where: string, column: string, given: readonly string[]): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_COLUMN_MISSING", `${where} lack the column "${column}".`, {
    category: "user",
    remedy: `Add it; the columns given are ${given.join(", ")}.`,
  });

export const columnType = (
  where: string,
  column: string,
  actual: string,
  wanted: string,
  cause?: unknown,
): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_COLUMN_TYPE",
    `${where} have "${column}" as ${actual}, and ${wanted} is defined.`,
    {
      category: "user",
      remedy: castRemedy(actual, wanted),
      cause,
    },
  );

function castRemedy(actual: string, wanted: string): string {
  if (wanted.startsWith("a feature")) return "Rename the column of the labels.";
  if (wanted !== "timestamp") {
    return "Cast the column before (of a file: `scan(path, { schema })`), or define it with the type it has.";
  }
  if (actual === "Date") return "It is an invalid Date: look at what it was made from.";
  const single = "Give a Date, `new Date(milliseconds or ISO text)`, or microseconds since 1970 as bigint";
  if (actual === "number" || actual === "string") return `${single}: a bare number does not tell its unit.`;
  return `${single}; as a column \`column("timestamp", dates)\`, in SQL \`CAST(text AS TIMESTAMP)\` or \`epoch_ms(milliseconds)\`.`;
}

export const batchConflict = (view: string, id: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_BATCH_CONFLICT",
    `The view "${view}" holds a batch "${id}" with other rows than these.`,
    { category: "user", remedy: "Give every batch an id of its own, and the same rows when it is sent again." },
  );

export const formatTooNew = (path: string, version: number, known: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_FORMAT_TOO_NEW",
    `${path} is of format version ${version}, and this version of the package reads up to ${known}.`,
    { category: "user", remedy: "Install the version of the package that wrote it, or a later one." },
  );

export const historyCorrupt = (view: string, path: string, problem: string, cause?: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_HISTORY_CORRUPT", `The history of "${view}" is damaged: ${path} ${problem}.`, {
    category: "data",
    remedy: "Restore the file from a copy, or delete the view's folder and ingest its rows again.",
    cause,
  });

export const historyNotACopy = (directory: string, problem: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_HISTORY_NOT_A_COPY", `${directory} is no copy of a history: ${problem}.`, {
    category: "user",
    remedy: "Download into a folder of its own, from where a history was uploaded to, and write to the original.",
  });

export const logCorrupt = (path: string, offset: number): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_LOG_CORRUPT", `The online log ${path} is damaged at byte ${offset}.`, {
    category: "data",
    remedy: "Delete the file and materialize the view from its history.",
  });

export const logLocked = (directory: string, holder: number): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_LOG_LOCKED", `The online log in ${directory} is in use by process ${holder}.`, {
    category: "capacity",
    remedy: "Close it there first: one process writes a log at a time.",
    retryable: true,
  });

export const onDemandFailed = (name: string, cause: unknown): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_ON_DEMAND_FAILED",
    `The on-demand features "${name}" could not be computed: ${cause instanceof Error ? cause.message : String(cause)}.`,
    {
      category: "transient",
      remedy:
        "See the cause; where it may happen, catch it in `compute` and give what shall stand in for the features.",
      retryable: true,
      cause,
    },
  );

export const timeTooOld = (view: string, timeMs: number, oldestMs: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_TIME_TOO_OLD",
    `The view "${view}" was asked for time ${timeMs} (${isoOf(timeMs)}), and its rows are kept for times from ${oldestMs} (${isoOf(oldestMs)}) on.`,
    {
      category: "user",
      remedy: "Ask for a later time, raise `latenessMs`, or read the past with `history`.",
    },
  );

export const valueRange = (view: string, column: string, value: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_VALUE_RANGE",
    `The sum over "${column}" in the view "${view}" reaches ${value}, where sums are no longer exact.`,
    { category: "data", remedy: "Scale the column down, or define the view with fewer `decimals`." },
  );

const isoOf = (timeMs: number): string => (Math.abs(timeMs) <= 8.64e15 ? new Date(timeMs).toISOString() : "no date");

const remedies: Readonly<Record<string, readonly ["capacity" | "user", string]>> = {
  ENOSPC: ["capacity", "Make room on its disk, then do it again."],
  EDQUOT: ["capacity", "Make room within the quota, or raise it, then do it again."],
  EFBIG: ["capacity", "Raise the limit on file sizes, or use a file system that takes larger ones."],
  EROFS: ["user", "Name a folder on a file system that can be written to."],
  EACCES: ["user", "Let this process write there, or name another folder."],
  EPERM: ["user", "Let this process write there, or name another folder."],
  EEXIST: ["user", "Name a folder: there is a file of this name."],
  ENOTDIR: ["user", "Name a folder: a part of this path is a file."],
  ELOOP: ["user", "Name a folder whose links lead somewhere."],
  ENAMETOOLONG: ["user", "Give it a shorter path."],
};

/** What the file system's refusal to write `path` means: a full disk, a missing right, or a path that can be no folder. Any other error is passed on. */
export function writeFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const [category, remedy] = remedies[String(error.code)] ?? [];
  if (category === undefined || remedy === undefined) return error;
  return new FeatureStoreError("FEATURE_STORE_WRITE_FAILED", `"${path}" could not be written: ${error.message}.`, {
    category,
    remedy,
    retryable: category === "capacity",
    cause: error,
  });
}
