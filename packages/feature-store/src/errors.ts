import { MillwrightError } from "@millwright/contracts";

export type FeatureStoreErrorCode =
  | "FEATURE_STORE_BATCH_CONFLICT"
  | "FEATURE_STORE_BODY_INVALID"
  | "FEATURE_STORE_BODY_TOO_LARGE"
  | "FEATURE_STORE_COLUMN_MISSING"
  | "FEATURE_STORE_COLUMN_TYPE"
  | "FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED"
  | "FEATURE_STORE_DEFINITION_CHANGED"
  | "FEATURE_STORE_DEFINITION_INVALID"
  | "FEATURE_STORE_FEAST_ANSWER_INVALID"
  | "FEATURE_STORE_FEAST_REFUSED"
  | "FEATURE_STORE_FEAST_REGISTRY_INVALID"
  | "FEATURE_STORE_FEAST_UNREACHABLE"
  | "FEATURE_STORE_FORBIDDEN"
  | "FEATURE_STORE_FORMAT_TOO_NEW"
  | "FEATURE_STORE_HISTORY_CORRUPT"
  | "FEATURE_STORE_LOG_CORRUPT"
  | "FEATURE_STORE_LOG_LOCKED"
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

export const definitionInvalid = (what: string, problem: string, remedy: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_DEFINITION_INVALID", `${what} cannot be defined: ${problem}.`, {
    category: "user",
    remedy,
  });

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
      remedy: "Cast the column before, or define it with the type it has.",
      cause,
    },
  );

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

export const timeTooOld = (view: string, timeMs: number, oldestMs: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_TIME_TOO_OLD",
    `The view "${view}" was asked for time ${timeMs}, and its rows are kept for times from ${oldestMs} on.`,
    { category: "user", remedy: "Ask for a later time, raise `latenessMs`, or read the past with `history`." },
  );

export const valueRange = (view: string, column: string, value: number): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_VALUE_RANGE",
    `The sum over "${column}" in the view "${view}" reaches ${value}, where sums are no longer exact.`,
    { category: "data", remedy: "Scale the column down, or define the view with fewer `decimals`." },
  );

const remedies: Readonly<Record<string, readonly ["capacity" | "user", string]>> = {
  ENOSPC: ["capacity", "Make room on its disk, then do it again."],
  EDQUOT: ["capacity", "Make room within the quota, or raise it, then do it again."],
  EFBIG: ["capacity", "Raise the limit on file sizes, or use a file system that takes larger ones."],
  EROFS: ["user", "Name a folder on a file system that can be written to."],
  EACCES: ["user", "Let this process write there, or name another folder."],
  EPERM: ["user", "Let this process write there, or name another folder."],
};

/** What the file system's refusal to write `path` means: a full disk or a missing right. Any other error is passed on. */
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
