import { closed, type MillwrightError } from "@millwright/contracts";
import {
  constraintViolated,
  databaseBusy,
  diskFull,
  fileCorrupt,
  fileForeign,
  fileReadonly,
  fileUnreachable,
  formatNewer,
  ioFailed,
  sqlRefused,
  valueUnsupported,
} from "./errors.ts";
import { formatVersion } from "./sqlite-schema.ts";
import type { SqliteFailure } from "./sqlite-messages.ts";

/** Primary result codes: https://www.sqlite.org/rescode.html */
const busy = 5;
const locked = 6;
const readonly = 8;
const ioError = 10;
const corrupt = 11;
const full = 13;
const cannotOpen = 14;
const tooBig = 18;
const constraint = 19;
const notADatabase = 26;

/** The error of the house for what happened in a thread. */
export function errorOfFailure(path: string, failure: SqliteFailure): MillwrightError {
  const cause = new Error(failure.message);
  switch (failure.problem) {
    case "value":
      return valueUnsupported(failure.sql ?? "", failure.detail ?? 0, failure.message);
    case "foreign":
      return fileForeign(path);
    case "newer":
      return formatNewer(path, failure.detail ?? 0, formatVersion);
    case "closed":
      return closed(`The database "${path}"`);
    default:
  }
  switch ((failure.resultCode ?? 1) & 0xff) {
    case busy:
    case locked:
      return databaseBusy(path, cause);
    case readonly:
      return fileReadonly(path, cause);
    case ioError:
      return ioFailed(path, failure.message, cause);
    case corrupt:
    case notADatabase:
      return fileCorrupt(path, failure.message, cause);
    case full:
      return diskFull(path, cause);
    case cannotOpen:
      return fileUnreachable(path, failure.message, cause);
    case tooBig:
    case constraint:
      return constraintViolated(failure.message, cause);
    default:
      return sqlRefused(failure.sql ?? "", failure.message, cause);
  }
}
