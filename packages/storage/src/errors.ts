import { MillwrightError, PortError } from "@millwright/contracts";

export type StorageErrorCode =
  | "STORAGE_BUCKET_REFUSED"
  | "STORAGE_BUCKET_UNREACHABLE"
  | "STORAGE_CHAIN_BROKEN"
  | "STORAGE_CHECKPOINT_INVALID"
  | "STORAGE_COMMIT_UNKNOWN"
  | "STORAGE_CONSTRAINT_VIOLATED"
  | "STORAGE_DATABASE_BUSY"
  | "STORAGE_DATABASE_UNREACHABLE"
  | "STORAGE_DISK_FULL"
  | "STORAGE_FILE_CORRUPT"
  | "STORAGE_FILE_FOREIGN"
  | "STORAGE_FILE_READONLY"
  | "STORAGE_FILE_REMOTE"
  | "STORAGE_FILE_UNREACHABLE"
  | "STORAGE_FORMAT_NEWER"
  | "STORAGE_IO_FAILED"
  | "STORAGE_LANDING_IMMUTABLE"
  | "STORAGE_LANDING_MANIFEST_INVALID"
  | "STORAGE_LANDING_NAME_INVALID"
  | "STORAGE_LANDING_UNKNOWN"
  | "STORAGE_LOG_CORRUPT"
  | "STORAGE_LOG_LOCKED"
  | "STORAGE_MIGRATION_FAILED"
  | "STORAGE_MIGRATION_UNKNOWN"
  | "STORAGE_SERVER_UNSUPPORTED"
  | "STORAGE_SQL_REFUSED"
  | "STORAGE_THREAD_LOST"
  | "STORAGE_UPLOAD_DIGEST"
  | "STORAGE_UPLOAD_LOCKED"
  | "STORAGE_UPLOAD_OFFSET"
  | "STORAGE_VALUE_UNSUPPORTED"
  | "STORAGE_WRITE_CONFLICT";

export class StorageError extends MillwrightError<StorageErrorCode> {
  override readonly name = "StorageError";
}

export const checkpointInvalid = (problem: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_CHECKPOINT_INVALID", `The checkpoint proves nothing: ${problem}.`, {
    category: "data",
    remedy: "Take the checkpoint as it was exported, and the public keys of those who export them; keys are Ed25519.",
    cause,
  });

export const chainBroken = (cursor: number, problem: string): StorageError =>
  new StorageError("STORAGE_CHAIN_BROKEN", `The log's history does not hold: the record ${cursor} is ${problem}.`, {
    category: "data",
    remedy: "Restore the database from before it was changed, and compare it with verifyCheckpoint.",
  });

export const constraintViolated = (problem: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_CONSTRAINT_VIOLATED", `The database refused the write: ${problem}.`, {
    category: "user",
    remedy: "Read what is stored, and write what its constraints allow.",
    cause,
  });

export const databaseBusy = (path: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_DATABASE_BUSY", `Another process kept "${path}" locked for too long.`, {
    category: "transient",
    remedy: "Try again; keep write transactions of other programs short, or raise busyTimeoutMs.",
    retryable: true,
    cause,
  });

export const diskFull = (path: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_DISK_FULL", `There is no room left to write to "${path}"; nothing of it was written.`, {
    category: "capacity",
    remedy: "Free disk space, then try again.",
    retryable: true,
    cause,
  });

export const fileCorrupt = (path: string, problem: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_FILE_CORRUPT", `"${path}" is damaged or not a database: ${problem}.`, {
    category: "data",
    remedy: "Restore it from a backup, or move it away and open a new one.",
    cause,
  });

/** A record in a directory or a bucket. */
export const recordCorrupt = (where: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_FILE_CORRUPT", `The record in "${where}" was changed after it was written.`, {
    category: "data",
    remedy: "Restore it from a backup, or delete it and write the record anew.",
    cause,
  });

export const fileForeign = (path: string): StorageError =>
  new StorageError("STORAGE_FILE_FOREIGN", `"${path}" is a SQLite database of another application.`, {
    category: "user",
    remedy: "Choose another path: Millwright creates its own file.",
  });

export const fileReadonly = (path: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_FILE_READONLY", `"${path}" cannot be written through this handle.`, {
    category: "user",
    remedy: "Write inside database.write(...), and give the process write permission on the file and its folder.",
    cause,
  });

export const fileRemote = (path: string, fileSystem: string): StorageError =>
  new StorageError("STORAGE_FILE_REMOTE", `"${path}" is on a network file system (${fileSystem}).`, {
    category: "user",
    remedy: "SQLite's write-ahead log needs a disk of this machine: choose a local path.",
  });

export const fileUnreachable = (path: string, problem: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_FILE_UNREACHABLE", `"${path}" cannot be opened: ${problem}.`, {
    category: "user",
    remedy: "Create its folder first, name a file in it, and see that the process may read and write both.",
    cause,
  });

export const formatNewer = (path: string, found: number, known: number): StorageError =>
  new StorageError(
    "STORAGE_FORMAT_NEWER",
    `"${path}" has formatVersion ${found}; this version of @millwright/storage reads up to ${known}.`,
    { category: "user", remedy: "Upgrade @millwright/storage to the version that wrote it." },
  );

export const ioFailed = (path: string, problem: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_IO_FAILED", `The disk failed while using "${path}": ${problem}.`, {
    category: "transient",
    remedy: "Check the disk, and that it is a local one: SQLite's write-ahead log does not work over a network.",
    retryable: true,
    cause,
  });

export const landingVersionImmutable = (name: string, version: number, there: string, given: string): StorageError =>
  new StorageError(
    "STORAGE_LANDING_IMMUTABLE",
    `Version ${version} of "${name}" is ${there} and cannot become ${given}.`,
    { category: "user", remedy: "Land the bytes without a version: they become the next one." },
  );

export const landingManifestInvalid = (name: string, version: number, problem: string): StorageError =>
  new StorageError(
    "STORAGE_LANDING_MANIFEST_INVALID",
    `The manifest of version ${version} of "${name}" cannot be read: ${problem}.`,
    {
      category: "data",
      remedy: "Restore the records from a backup, or upgrade @millwright/storage where it is newer.",
    },
  );

export const landingNameInvalid = (name: string): StorageError =>
  new StorageError(
    "STORAGE_LANDING_NAME_INVALID",
    `${JSON.stringify(name.slice(0, 80))} is no name to land data under.`,
    {
      category: "user",
      remedy: "Give a name of 1 to 512 characters, none of them a control character: flights/2013/01.csv.",
    },
  );

export const landingUnknown = (name: string): StorageError =>
  new StorageError("STORAGE_LANDING_UNKNOWN", `Nothing has landed under the name "${name}".`, {
    category: "user",
    remedy: "Land it first; list() tells the names there are.",
  });

export const landingVersionUnknown = (name: string, version: number, latest: number): StorageError =>
  new StorageError("STORAGE_LANDING_UNKNOWN", `"${name}" has no version ${version}.`, {
    category: "user",
    remedy: `Ask for a version from 1 to ${latest}.`,
  });

export const logCorrupt = (path: string, offset: number, problem: string): StorageError =>
  new StorageError("STORAGE_LOG_CORRUPT", `The log "${path}" cannot be read from byte ${offset} on: ${problem}.`, {
    category: "data",
    remedy: 'Restore it, or open it with onDamage: "setAside" to go on with what stands before.',
  });

export const logLocked = (path: string): StorageError =>
  new StorageError("STORAGE_LOG_LOCKED", `The log "${path}" is open for writing elsewhere.`, {
    category: "transient",
    remedy:
      "Wait until that process closes it or ends, give each process a log of its own, or read it with readAppendLog.",
    retryable: true,
  });

export const migrationFailed = (namespace: string, name: string, direction: string, cause: unknown): StorageError =>
  new StorageError(
    "STORAGE_MIGRATION_FAILED",
    `The migration "${name}" of "${namespace}" failed going ${direction}; nothing of it was kept.`,
    { category: "bug", remedy: `Mend its ${direction} function: see the cause.`, cause },
  );

export const migrationUnknown = (namespace: string, unknown: readonly string[]): StorageError =>
  new StorageError(
    "STORAGE_MIGRATION_UNKNOWN",
    `The database has migrations of "${namespace}" that this version does not know in that place: ${unknown.join(", ")}.`,
    { category: "user", remedy: "Upgrade the package that owns the namespace to the version that wrote them." },
  );

/** An artifact kept in chunks whose parts do not make it. The code is the port's. */
export const recipeCorrupt = (digest: string, problem: string, cause?: unknown): PortError =>
  new PortError("PORT_ARTIFACT_CORRUPT", `The artifact ${digest} cannot be put together: ${problem}.`, {
    category: "data",
    remedy: "Put the original bytes again: what is missing of them is stored anew.",
    cause,
  });

export const sqlRefused = (sql: string, problem: string, cause?: unknown, engine = "SQLite"): StorageError =>
  new StorageError("STORAGE_SQL_REFUSED", `${engine} refused "${shorten(sql)}": ${problem}.`, {
    category: "bug",
    remedy: "Mend the statement, or run the migration that makes its tables.",
    cause,
  });

export const threadLost = (path: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_THREAD_LOST", `The thread that holds "${path}" ended unexpectedly.`, {
    category: "transient",
    remedy: "Open the database again: what was acknowledged is there.",
    cause,
  });

export const uploadDigest = (id: string, expected: string, actual: string): StorageError =>
  new StorageError(
    "STORAGE_UPLOAD_DIGEST",
    `The bytes of the upload "${id}" have the digest ${actual}, not ${expected}.`,
    { category: "data", remedy: "Abort it, and upload the right bytes." },
  );

export const uploadLocked = (id: string): StorageError =>
  new StorageError("STORAGE_UPLOAD_LOCKED", `The upload "${id}" is open elsewhere.`, {
    category: "transient",
    remedy: "Wait until that process lets go of it or ends, or give the upload another id.",
    retryable: true,
  });

export const uploadWhole = (id: string, sizeBytes: number): StorageError =>
  new StorageError("STORAGE_UPLOAD_OFFSET", `The upload "${id}" is whole, with ${sizeBytes} bytes: none can follow.`, {
    category: "user",
    remedy: "Complete it, or abort it.",
  });

export const uploadOffset = (id: string, given: number, end: number): StorageError =>
  new StorageError("STORAGE_UPLOAD_OFFSET", `The upload "${id}" ends at byte ${end}; byte ${given} cannot follow.`, {
    category: "user",
    remedy: "Begin it again, and send what follows its offset.",
  });

export const valueUnsupported = (sql: string, position: number, problem: string): StorageError =>
  new StorageError(
    "STORAGE_VALUE_UNSUPPORTED",
    `Parameter ${position + 1} of "${shorten(sql)}" cannot be stored: ${problem}.`,
    {
      category: "user",
      remedy: "Bind null, a string, a number, a bigint of 64 bits, a boolean or bytes; write other values as text.",
    },
  );

const shorten = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
