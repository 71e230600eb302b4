import type { CallOptions, Clock, Logger, Random } from "@millwright/contracts";
import type { BatchStrategy } from "./chunks.ts";
import type { EntityRecords } from "./entity-records.ts";
import { transformInvalid } from "./errors.ts";
import type { TransformInput, TransformObject } from "./inputs.ts";
import type { InvocationPolicy } from "./invoker.ts";
import type { PaceOptions } from "./pace.ts";
import { type DataProcessing, formatOf } from "./record-format.ts";
import type { SplitType } from "./record-blocks.ts";
import type { RecordErrorPolicy } from "./run-chunk.ts";
import type { ExecutionParameters, TransformModelOptions, TransformTarget } from "./target.ts";
import type { TransformStatus } from "./progress.ts";

/** How records are cut, sent and put together; the names and meanings are those of SageMaker's `CreateTransformJob`. */
export interface TransformShape {
  /** Default: by the ending of the first object's key (`.jsonl`, `.ndjson`, `.json`), else `"text/csv"`; `"application/jsonlines"` for rows. */
  readonly contentType?: string | undefined;
  /** What the model is asked to answer in. Default: the content type. */
  readonly accept?: string | undefined;
  /** Default: `"Line"` for CSV and JSON lines, else `"None"`. */
  readonly splitType?: SplitType | undefined;
  /** Default: what the target says, else `"MultiRecord"`. */
  readonly batchStrategy?: BatchStrategy | undefined;
  /** Most MiB (2^20 bytes) of a mini-batch, from 0 to 100; 0 sends each object as one stream. Default: what the target says, else 6. */
  readonly maxPayloadInMB?: number | undefined;
  /** Default: `"Line"` where `splitType` is `"Line"`, else `"None"`. */
  readonly assembleWith?: "None" | "Line" | undefined;
  /** Default: `"None"`. */
  readonly compression?: "None" | "Gzip" | undefined;
  /** Whether the first record of each object of CSV names the columns: it goes before every mini-batch, and not into the output. Default: false. */
  readonly csvHeader?: boolean | undefined;
  /** Most records of a mini-batch. Default: as many as the payload holds. */
  readonly maxBatchRecords?: number | undefined;
}

export interface TransformOptions extends CallOptions, TransformShape, DataProcessing, InvocationPolicy, PaceOptions {
  /** The model package to ask in this process. Exactly one of `model` and `target`. */
  readonly model?: TransformModelOptions | undefined;
  /** What to ask otherwise; whoever made it closes it. */
  readonly target?: TransformTarget | undefined;
  readonly input: TransformInput;
  /** A folder: of outputs, error files, the manifest, and while the job runs its ledger. */
  readonly output: string | URL;
  /** Who starts a job of this name again with the same options goes on with it where it was. Default: `"transform"`. */
  readonly name?: string | undefined;
  /** Forget what an unfinished job of this name has done. Default: false. */
  readonly restart?: boolean | undefined;
  /** Records name entities, whose features the model is given. Default: records are what the model is given. */
  readonly entities?: EntityRecords | undefined;
  /** The time as of which features are read, where they are, UTC milliseconds: written into the manifest, and part of what a job is known by. */
  readonly featuresAsOfMs?: number | undefined;
  /** Mini-batches that are under way at once. Default: what the target says, else 1. */
  readonly maxConcurrentTransforms?: number | undefined;
  /** Default: `"fail"`. */
  readonly onRecordError?: RecordErrorPolicy | undefined;
  /** The share of failed records beyond which the job stops, looked at from the 100th record on. Default: 1, never. */
  readonly maxErrorRate?: number | undefined;
  /** A chunk, which is done wholly or not at all, takes mini-batches until it has as many bytes. Default: 1 MiB. */
  readonly chunkBytes?: number | undefined;
  /** The same of records. Default: 1,024. */
  readonly chunkRecords?: number | undefined;
  /** When it aborts the job stops as by `stop`: a notice that the machine goes away, for instance. */
  readonly interruption?: AbortSignal | undefined;
  /** Told after every chunk. */
  readonly onProgress?: ((status: TransformStatus) => void) | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Of the waiting between tries. Default: one seeded by the name. */
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
}

/** Options with their defaults, and what the target says of itself. */
export interface ResolvedShape {
  readonly contentType: string;
  readonly accept: string | undefined;
  readonly splitType: SplitType;
  readonly batchStrategy: BatchStrategy;
  readonly maxPayloadInMB: number;
  readonly maxConcurrentTransforms: number;
  readonly assembleWith: "None" | "Line";
  readonly compression: "None" | "Gzip";
  readonly csvHeader: boolean;
  readonly maxBatchRecords: number;
  /** Whether each object is one invocation. */
  readonly whole: boolean;
}

const megabyte = 1024 * 1024;
/** SageMaker's limit of a payload, and of all that are under way. */
const mostPayloadMB = 100;

const byEnding: Readonly<Record<string, string>> = {
  jsonl: "application/jsonlines",
  ndjson: "application/jsonlines",
  json: "application/json",
};

/** What an input holds, where nobody says: by the ending of its first key. */
export function guessContentType(input: TransformInput, [first]: readonly { readonly key: string }[]): string {
  if (typeof input === "object" && "rows" in input) return "application/jsonlines";
  const name = first?.key.replace(/\.gz$/, "") ?? "";
  return byEnding[name.slice(name.lastIndexOf(".") + 1).toLowerCase()] ?? "text/csv";
}

/** What the job asks for goes before what the container says, and that before the defaults. Throws `SERVING_TRANSFORM_INVALID`. */
export function resolveShape(
  options: TransformOptions,
  told: ExecutionParameters | undefined,
  objects: readonly TransformObject[],
): ResolvedShape {
  const contentType = options.contentType ?? guessContentType(options.input, objects);
  const format = formatOf(contentType);
  const splitType = options.splitType ?? (format === "csv" || format === "lines" ? "Line" : "None");
  const maxPayloadInMB = options.maxPayloadInMB ?? told?.maxPayloadInMB ?? 6;
  const shape: ResolvedShape = {
    contentType,
    accept: options.accept ?? (format === "bytes" ? undefined : contentType),
    splitType,
    batchStrategy: options.batchStrategy ?? told?.batchStrategy ?? "MultiRecord",
    maxPayloadInMB,
    maxConcurrentTransforms: options.maxConcurrentTransforms ?? told?.maxConcurrentTransforms ?? 1,
    assembleWith: options.assembleWith ?? (splitType === "Line" ? "Line" : "None"),
    compression: options.compression ?? "None",
    csvHeader: options.csvHeader ?? false,
    maxBatchRecords: options.maxBatchRecords ?? Number.MAX_SAFE_INTEGER,
    whole: splitType === "None" || (maxPayloadInMB === 0 && options.batchStrategy !== "SingleRecord"),
  };
  checkShape(shape, options);
  return shape;
}

function checkShape(shape: ResolvedShape, options: TransformOptions): void {
  const { maxPayloadInMB, maxConcurrentTransforms, whole, csvHeader, contentType } = shape;
  if (!(maxPayloadInMB >= 0 && maxPayloadInMB <= mostPayloadMB))
    throw transformInvalid(`\`maxPayloadInMB\` is ${maxPayloadInMB}`, `Give from 0 to ${mostPayloadMB}.`);
  if (!(Number.isInteger(maxConcurrentTransforms) && maxConcurrentTransforms >= 1))
    throw transformInvalid(`\`maxConcurrentTransforms\` is ${maxConcurrentTransforms}`, "Give a whole number from 1.");
  if (maxConcurrentTransforms * maxPayloadInMB > mostPayloadMB && options.maxPayloadInMB !== undefined)
    throw transformInvalid(
      `${maxConcurrentTransforms} payloads of ${maxPayloadInMB} MiB are more than ${mostPayloadMB} MiB at once`,
      "Lower `maxPayloadInMB` or `maxConcurrentTransforms`.",
    );
  const { inputFilter = "$", outputFilter = "$", joinSource = "None", onRecordError = "fail" } = options;
  const perRecord = inputFilter !== "$" || outputFilter !== "$" || joinSource !== "None";
  if (whole && maxPayloadInMB === 0 && perRecord)
    throw transformInvalid("what is streamed is not filtered or joined", "Give `maxPayloadInMB` from 1 to 100.");
  if (whole && onRecordError !== "fail")
    throw transformInvalid(
      "what is not split has no records to leave out",
      'Give `splitType: "Line"` or `"RecordIO"`.',
    );
  if (csvHeader && (formatOf(contentType) !== "csv" || whole || inputFilter !== "$"))
    throw transformInvalid(
      "`csvHeader` is for CSV that is split by lines and not filtered",
      "Leave it out; or leave the filter out, since the model takes columns by their names.",
    );
}

export const payloadBytesOf = ({ maxPayloadInMB }: ResolvedShape): number =>
  maxPayloadInMB === 0 ? Number.POSITIVE_INFINITY : Math.floor(maxPayloadInMB * megabyte);

/** What SageMaker sets in the environment of the container of a transform job; of the parameters, those that the job asks for. */
export function transformEnvironment(
  options: Pick<TransformOptions, "batchStrategy" | "maxPayloadInMB" | "maxConcurrentTransforms"> = {},
): Readonly<Record<string, string>> {
  const { batchStrategy, maxPayloadInMB, maxConcurrentTransforms } = options;
  return {
    SAGEMAKER_BATCH: "true",
    ...(maxPayloadInMB === undefined ? {} : { SAGEMAKER_MAX_PAYLOAD_IN_MB: String(maxPayloadInMB) }),
    ...(batchStrategy === undefined
      ? {}
      : { SAGEMAKER_BATCH_STRATEGY: batchStrategy === "SingleRecord" ? "SINGLE_RECORD" : "MULTI_RECORD" }),
    ...(maxConcurrentTransforms === undefined
      ? {}
      : { SAGEMAKER_MAX_CONCURRENT_TRANSFORMS: String(maxConcurrentTransforms) }),
  };
}
