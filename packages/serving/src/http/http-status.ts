import { type ErrorCategory, isMillwrightError } from "@millwright/contracts";
import type { ServingErrorCode } from "../errors.ts";

/** The one table from error code to HTTP status: codes of this package, and of ports where the category alone would mislead. */
export const httpStatuses: Readonly<Record<ServingErrorCode, number>> & Readonly<Record<string, number | undefined>> = {
  SERVING_ALERTS_ABSENT: 400,
  SERVING_ALERTS_UNREADABLE: 503,
  SERVING_BODY_INVALID: 400,
  SERVING_BODY_TIMED_OUT: 408,
  SERVING_BODY_TOO_LARGE: 413,
  SERVING_CONTENT_TYPE_UNSUPPORTED: 415,
  SERVING_DEPLOYMENT_GATED: 409,
  SERVING_DEPLOYMENT_INVALID: 400,
  SERVING_DEPLOYMENT_NEWER: 500,
  SERVING_DRAINING: 503,
  SERVING_ENDPOINT_UNKNOWN: 404,
  SERVING_FEATURE_SERVICE_MISMATCH: 500,
  SERVING_FORBIDDEN: 403,
  SERVING_INPUT_INVALID: 400,
  SERVING_METHOD_UNSUPPORTED: 405,
  SERVING_MODEL_FAILED: 500,
  SERVING_MODEL_LOADED: 409,
  SERVING_MODEL_MEMORY: 507,
  SERVING_MODEL_NOT_LOADED: 404,
  SERVING_MODEL_TOO_LARGE: 507,
  SERVING_OUTPUT_UNKNOWN: 400,
  SERVING_OVERLOADED: 429,
  SERVING_PORT_BUSY: 500,
  SERVING_REQUEST_INVALID: 400,
  SERVING_REQUEST_QUARANTINED: 422,
  SERVING_ROUTE_UNKNOWN: 404,
  SERVING_TRANSFORM_ANSWER_INVALID: 500,
  SERVING_TRANSFORM_CHANGED: 409,
  SERVING_TRANSFORM_ERROR_RATE: 400,
  SERVING_TRANSFORM_INPUT_MISSING: 400,
  SERVING_TRANSFORM_INVALID: 400,
  SERVING_TRANSFORM_LEDGER_NEWER: 500,
  SERVING_TRANSFORM_OUTPUT_FAILED: 503,
  SERVING_TRANSFORM_RECORD_INVALID: 400,
  SERVING_TRANSFORM_RECORD_TOO_LARGE: 400,
  SERVING_TRANSFORM_TARGET_FAILED: 502,
  SERVING_VARIANT_UNKNOWN: 404,
  SERVING_VERSION_UNKNOWN: 404,
  SERVING_WORKER_LOST: 503,
  SERVING_WORKER_START_FAILED: 500,
  // What the feature store says to a principal who may not read.
  FEATURE_STORE_ACCESS_DENIED: 403,
  PORT_CLOSED: 503,
  PORT_DEPLOYMENT_RUNNING: 409,
  PORT_FEATURE_SERVICE_UNKNOWN: 500,
  PORT_MODEL_CORRUPT: 500,
  PORT_MODEL_UNKNOWN: 404,
};

const byCategory: Readonly<Record<ErrorCategory, number>> = {
  user: 400,
  data: 400,
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
