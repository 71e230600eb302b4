import { isMillwrightError } from "@millwright/contracts";
import { StorageError } from "../errors.ts";

interface AwsFailure {
  readonly name?: string | undefined;
  readonly message?: string | undefined;
  readonly code?: string | undefined;
  readonly $metadata?: { readonly httpStatusCode?: number | undefined } | undefined;
}

const bucketRefused = (bucket: string, problem: string, cause: unknown): StorageError =>
  new StorageError("STORAGE_BUCKET_REFUSED", `The bucket "${bucket}" refused the request: ${problem}.`, {
    category: "user",
    remedy: "See that the bucket is there, and that the client's credentials may read, write, list and delete in it.",
    cause,
  });

const bucketUnreachable = (bucket: string, problem: string, cause: unknown): StorageError =>
  new StorageError("STORAGE_BUCKET_UNREACHABLE", `The bucket "${bucket}" cannot be reached: ${problem}.`, {
    category: "transient",
    remedy: "Try again; see that the client's endpoint and region are right, and the server is up.",
    retryable: true,
    cause,
  });

export const statusOf = (error: unknown): number | undefined =>
  (error as AwsFailure | undefined)?.$metadata?.httpStatusCode;

export const isMissingObject = (error: unknown): boolean => {
  const { name = "" } = (error ?? {}) as AwsFailure;
  return name === "NoSuchKey" || name === "NotFound" || name === "NoSuchUpload";
};

/** Another was there first. */
export const isConflict = (error: unknown): boolean => {
  const status = statusOf(error);
  return status === 412 || status === 409;
};

/** What S3 or the way to it said, as an error of the house. */
export function bucketFailure(bucket: string, error: unknown): unknown {
  if (isMillwrightError(error)) return error;
  const { name = "", message = "", code = "" } = (error ?? {}) as AwsFailure;
  const status = statusOf(error);
  const saying = [name, message].filter((text) => text !== "" && text !== "Error").join(": ") || `status ${status}`;
  const isBusy = status === 429 || (status ?? 0) >= 500 || /Throttl|SlowDown|Unavailable|RequestTimeout/i.test(name);
  const isWire =
    status === undefined && (/^E[A-Z_]+$/.test(code) || /Timeout|Network|Socket|Abort|Connection/i.test(name));
  if (isBusy || isWire) return bucketUnreachable(bucket, saying, error);
  if (status !== undefined && status >= 300) return bucketRefused(bucket, saying, error);
  return error;
}

/** A stream of a body that broke: whatever it says, the way to the server failed. */
export function streamFailure(bucket: string, error: unknown): unknown {
  if (isMillwrightError(error)) return error;
  return bucketUnreachable(bucket, error instanceof Error ? error.message : String(error), error);
}
