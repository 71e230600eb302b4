import { type ErrorCategory, isMillwrightError } from "@millwright/contracts";
import type { FeatureStoreErrorCode } from "../errors.ts";

/** The one table from error code to HTTP status: codes of this package, and of ports where the category alone would mislead. */
export const httpStatuses: Readonly<Partial<Record<FeatureStoreErrorCode, number>>> &
  Readonly<Record<string, number | undefined>> = {
  FEATURE_STORE_BATCH_CONFLICT: 409,
  FEATURE_STORE_BODY_INVALID: 400,
  FEATURE_STORE_BODY_TOO_LARGE: 413,
  FEATURE_STORE_COLUMN_MISSING: 422,
  FEATURE_STORE_COLUMN_TYPE: 422,
  FEATURE_STORE_CONTENT_TYPE_UNSUPPORTED: 415,
  FEATURE_STORE_DEFINITION_CHANGED: 409,
  FEATURE_STORE_DEFINITION_INVALID: 500,
  FEATURE_STORE_ACCESS_DENIED: 403,
  FEATURE_STORE_FORMAT_TOO_NEW: 500,
  FEATURE_STORE_HISTORY_CORRUPT: 500,
  FEATURE_STORE_LOG_CORRUPT: 500,
  FEATURE_STORE_LOG_LOCKED: 503,
  FEATURE_STORE_TIME_TOO_OLD: 422,
  FEATURE_STORE_VALUE_INVALID: 422,
  FEATURE_STORE_VALUE_RANGE: 422,
  FEATURE_STORE_VIEW_UNKNOWN: 404,
  FEATURE_STORE_WRITE_FAILED: 503,
  // Not for want of room here: the body speaks of more text than a column can have.
  DATA_COLUMN_TOO_LARGE: 413,
  PORT_CLOSED: 503,
  PORT_FEATURE_SERVICE_UNKNOWN: 404,
  PORT_UNSUPPORTED: 501,
};

const byCategory: Readonly<Record<ErrorCategory, number>> = {
  user: 400,
  data: 422,
  quota: 429,
  capacity: 503,
  transient: 503,
  bug: 500,
};

/** The status an error is answered with. What is not of the house is a failure of ours: 500. */
export function httpStatusOf(error: unknown): number {
  if (!isMillwrightError(error)) return 500;
  return httpStatuses[error.code] ?? byCategory[error.category];
}
