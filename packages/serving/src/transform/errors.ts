import { ServingError } from "../errors.ts";

/** Where a record stands in an object: the object's key, the number of the record from 0, and the byte it begins at. */
export interface RecordPlace {
  readonly key: string;
  readonly record: number;
  readonly offset: number;
}

const at = ({ key, record, offset }: RecordPlace): string => `record ${record} of "${key}" (byte ${offset})`;

export const transformInvalid = (problem: string, remedy: string): ServingError =>
  new ServingError("SERVING_TRANSFORM_INVALID", `The transform job cannot be run so: ${problem}.`, {
    category: "user",
    remedy,
  });

export const transformInputMissing = (input: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_TRANSFORM_INPUT_MISSING", `There is nothing to transform at "${input}".`, {
    category: "user",
    remedy: "Name a file, a folder or a prefix that something begins with.",
    cause,
  });

export const recordInvalid = (place: RecordPlace, problem: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_TRANSFORM_RECORD_INVALID", `The ${at(place)} cannot be used: ${problem}.`, {
    category: "data",
    remedy: 'Mend the record, or run the job with `onRecordError: "skip"`.',
    cause,
  });

export const recordTooLarge = (place: RecordPlace, bytes: number, limit: number): ServingError =>
  new ServingError(
    "SERVING_TRANSFORM_RECORD_TOO_LARGE",
    `The ${at(place)} has ${bytes} bytes or more, and a payload may have ${limit}.`,
    { category: "data", remedy: "Raise `maxPayloadInMB` (at most 100), or 0 to stream; or split the record." },
  );

export const answerInvalid = (target: string, problem: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_TRANSFORM_ANSWER_INVALID", `The answer of ${target} cannot be used: ${problem}.`, {
    category: "data",
    remedy: 'Ask for another `accept`, or take the records one by one with `batchStrategy: "SingleRecord"`.',
    cause,
  });

/** @param retryable Whether the target may answer the same later. */
export const targetFailed = (target: string, problem: string, retryable: boolean, cause?: unknown): ServingError =>
  new ServingError("SERVING_TRANSFORM_TARGET_FAILED", `${target} did not answer: ${problem}.`, {
    category: retryable ? "transient" : "data",
    remedy: retryable
      ? "Start the job again when it answers: what is done is not done again."
      : "Look at what it says; mend the records or the model.",
    retryable,
    cause,
  });

export const transformChanged = (job: string, problem: string): ServingError =>
  new ServingError("SERVING_TRANSFORM_CHANGED", `The unfinished job "${job}" cannot go on: ${problem}.`, {
    category: "user",
    remedy: "Start it as it was started, or with `restart: true` to begin anew.",
  });

export const errorRateExceeded = (job: string, failed: number, records: number, limit: number): ServingError =>
  new ServingError(
    "SERVING_TRANSFORM_ERROR_RATE",
    `${failed} of ${records} records of the job "${job}" failed, and its limit is ${limit * 100} %.`,
    { category: "data", remedy: "Look at the error files; mend the records or raise `maxErrorRate`." },
  );

export const ledgerNewer = (job: string, version: unknown): ServingError =>
  new ServingError(
    "SERVING_TRANSFORM_LEDGER_NEWER",
    `The ledger of the job "${job}" has the format version ${String(version)}; this release reads 1.`,
    { category: "user", remedy: "Upgrade @millwright/serving, or begin anew with `restart: true`." },
  );

export const outputFailed = (path: string, cause: unknown): ServingError =>
  new ServingError(
    "SERVING_TRANSFORM_OUTPUT_FAILED",
    `"${path}" cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
    {
      category: "transient",
      remedy:
        "Give a folder that can be written to, with room left; start the job again: what is done is not done again.",
      retryable: true,
      cause,
    },
  );

/** Failures of the file system by our name; anything else as it is. */
export function errorOfOutput(path: string, error: unknown): unknown {
  return error instanceof Error && "code" in error && "syscall" in error ? outputFailed(path, error) : error;
}
