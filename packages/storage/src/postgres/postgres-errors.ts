import { isMillwrightError } from "@millwright/contracts";
import {
  constraintViolated,
  databaseBusy,
  diskFull,
  fileCorrupt,
  fileReadonly,
  sqlRefused,
  StorageError,
} from "../errors.ts";

/** A failure of `pg`: with a code of PostgreSQL where the server answered, with one of the system or none where the connection failed. */
interface PostgresProblem {
  readonly code: string;
  readonly message: string;
  readonly isFatal: boolean;
}

export function problemOf(error: unknown): PostgresProblem {
  const { code, message, severity } = (error ?? {}) as Readonly<Record<string, unknown>>;
  return {
    code: typeof code === "string" ? code : "",
    message: (typeof message === "string" && message !== "" ? message : String(code ?? error)).replace(/\.$/, ""),
    isFatal: severity === "FATAL" || severity === "PANIC",
  };
}

/** Whether the server said so itself, and can be asked on. */
export function isAnswer(error: unknown): boolean {
  const { code, isFatal } = problemOf(error);
  // 08P01 alone of its class is an answer: the statement has another number of parameters than it was given values.
  return /^[0-9A-Z]{5}$/.test(code) && !isFatal && !/^(?:08(?!P01)|57P)/.test(code);
}

/** Two transactions stood in each other's way, and the server undid this one: a deadlock, or one that could not be put in a row. */
export const isCollision = (error: unknown): boolean => /^40(?:001|P01)$/.test(problemOf(error).code);

/** A statement of many rows would change one row twice. */
export const isSameRowTwice = (error: unknown): boolean => problemOf(error).code === "21000";

/** The error of the house for what the server or the connection to it said; what is none of theirs is passed on. */
export function errorOfPostgres(path: string, sql: string, error: unknown): unknown {
  if (isMillwrightError(error) || error instanceof TypeError || error instanceof RangeError) return error;
  const { code, message } = problemOf(error);
  if (!isAnswer(error)) return databaseUnreachable(path, message, error);
  if (isCollision(error)) return writeConflict(path, message, error);
  if (code === "25006") return fileReadonly(path, error);
  if (code === "53100") return diskFull(path, error);
  if (code === "55P03" || code === "57014" || code.startsWith("53")) return databaseBusy(path, error);
  if (code === "XX001" || code === "XX002") return fileCorrupt(path, message, error);
  if (code.startsWith("58")) return serverFailed(path, message, error);
  // Values that a column cannot hold, a row that breaks a constraint, and what is too large for the server.
  if (/^(?:22|23|54)/.test(code)) return constraintViolated(message, error);
  return sqlRefused(sql, message, error, "PostgreSQL");
}

/** Codes for a user, a password or a database that the server does not take: waiting does not help. */
const isRefusal = (code: string): boolean => code.startsWith("28") || code === "3D000";

export function databaseUnreachable(path: string, problem: string, cause?: unknown): StorageError {
  const refused = isRefusal(problemOf(cause).code);
  return new StorageError(
    "STORAGE_DATABASE_UNREACHABLE",
    `"${path}" cannot be reached: ${problem}. Nothing of this call was kept.`,
    {
      category: refused ? "user" : "transient",
      remedy: refused
        ? "Give the pool a user, a password and a database that the server knows."
        : "See that the server runs and that the pool names it, then try again.",
      retryable: !refused,
      cause,
    },
  );
}

export const commitUnknown = (path: string, problem: string, cause?: unknown): StorageError =>
  new StorageError(
    "STORAGE_COMMIT_UNKNOWN",
    `The connection to "${path}" was lost while it committed: ${problem}. Whether the write was kept is not known.`,
    {
      category: "transient",
      remedy: "Look whether it is there before you write it again.",
      cause,
    },
  );

export const writeConflict = (path: string, problem: string, cause?: unknown): StorageError =>
  new StorageError(
    "STORAGE_WRITE_CONFLICT",
    `Another transaction on "${path}" stood in the way: ${problem}. Nothing of this one was kept.`,
    {
      category: "transient",
      remedy: "Do it again, from its beginning.",
      retryable: true,
      cause,
    },
  );

const serverFailed = (path: string, problem: string, cause?: unknown): StorageError =>
  new StorageError("STORAGE_IO_FAILED", `The server of "${path}" failed: ${problem}.`, {
    category: "transient",
    remedy: "Look into its log, and at its disk; then try again.",
    retryable: true,
    cause,
  });

export const serverUnsupported = (path: string, problem: string): StorageError =>
  new StorageError("STORAGE_SERVER_UNSUPPORTED", `"${path}" cannot keep a database of Millwright: ${problem}.`, {
    category: "user",
    remedy: "Take PostgreSQL 12 or newer, with a database in UTF8 and a schema in which the user may make tables.",
  });
