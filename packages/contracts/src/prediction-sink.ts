import type { CallOptions } from "./call-options.ts";
import type { Batch } from "./column.ts";
import type { Digest } from "./ids.ts";
import type { Tensors } from "./tensor.ts";

/** What columns added to an answer: for each row and output, base + the sum of the contributions is the value. */
export interface CapturedExplanation {
  readonly method: string;
  /** False for an estimate. */
  readonly exact: boolean;
  /** `margin`: the raw score, before a link; `output`: what the model answers. */
  readonly scale: string;
  readonly features: readonly string[];
  readonly outputs: readonly string[];
  /** Positions of the rows that were explained. */
  readonly rows: readonly number[];
  /** By output. */
  readonly base: Float64Array;
  /** [rows, outputs, features]. */
  readonly contributions: Float64Array;
}

/** One answered request as production saw it. */
export interface CapturedPrediction {
  readonly requestId: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly model: { readonly name: string; readonly version?: number | undefined; readonly digest: Digest };
  /** When the request came, UTC milliseconds. */
  readonly timeMs: number;
  readonly latencyMs: number;
  /** The features or inputs as columns, one row per instance; absent where they could not be read. */
  readonly features?: Batch | undefined;
  /** Where features were read from a feature source: how old each row's were then, milliseconds by view; null where there was none. */
  readonly featureAgesMs?: Readonly<Record<string, readonly (number | null)[]>> | undefined;
  readonly outputs?: Tensors | undefined;
  /** Where the answer was explained. */
  readonly explanation?: CapturedExplanation | undefined;
  /** The code of the error, where the request failed. */
  readonly errorCode?: string | undefined;
  /** Why the answer is not the one that was meant, where something else answered in its place. */
  readonly degraded?: string | undefined;
}

/** One answered request whose inputs were tensors. */
export interface CapturedTensors extends Omit<CapturedPrediction, "features"> {
  readonly inputs: Tensors;
}

/** Takes predictions: never blocks, never throws, drops rather than grow without bound. */
export interface PredictionSink {
  capture(prediction: CapturedPrediction): void;
  /**
   * As `capture`, where the inputs are tensors: for sinks that copy numbers faster than they take columns. Default: who captures makes columns of them,
   * `name_0`, `name_1`, … of an input of several numbers a row, and calls `capture`.
   */
  captureTensors?(prediction: CapturedTensors): void;
}

/** What is kept of a prediction to trace it by. */
export type LoggedPrediction = Pick<
  CapturedPrediction,
  "requestId" | "endpoint" | "variant" | "model" | "timeMs" | "featureAgesMs" | "errorCode"
>;

/** Finds captured predictions again. */
export interface PredictionReader {
  /** @returns `undefined` where none was captured, or none any more. */
  find(requestId: string, options?: CallOptions): Promise<LoggedPrediction | undefined>;
}

/** What turned out to be true of one instance of a request. */
export interface CapturedLabel {
  readonly requestId: string;
  /** Which instance of the request. Default: 0. */
  readonly row?: number | undefined;
  readonly value: number | string | boolean;
  /** When it became known, UTC milliseconds; a later one corrects an earlier one. */
  readonly timeMs: number;
}

/** Takes labels, late ones too: never blocks, never throws. */
export interface LabelSink {
  label(label: CapturedLabel): void;
}
