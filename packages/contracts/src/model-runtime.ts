import type { CallOptions } from "./call-options.ts";
import type { ModelManifest } from "./model-manifest.ts";
import type { Tensors } from "./tensor.ts";

/** Loads models of the formats it names. */
export interface ModelRuntime {
  /** `dense`, `tfjs-layers`, `onnx`, … */
  readonly formats: readonly string[];
  /** Throws `PORT_MODEL_CORRUPT` where the files are not what the format says. */
  load(directory: string, manifest: ModelManifest, options?: CallOptions): Promise<LoadedModel>;
}

/** A request that rows of a model call belong to: by this its answer, log lines, spans and captured record are found, in whatever process they were made. */
export interface RequestIdentity {
  readonly requestId: string;
  /** W3C Trace Context: the span that the work stands under. */
  readonly traceparent?: string | undefined;
}

/** What a call of a model may want to know. Members may be made when they are first read: read the ones that are needed, do not copy the object. */
export interface PredictOptions extends CallOptions {
  /** Whose rows these are, in the order of the rows; a runtime in another process carries them over. */
  readonly requests?: readonly RequestIdentity[] | undefined;
}

export interface LoadedModel {
  /**
   * Inputs and outputs as the signature says, the batch first. Row `i` of the outputs depends on row `i` of the inputs alone.
   * Fast runtimes answer without a promise, so that a caller need not yield.
   */
  predict(inputs: Tensors, options?: PredictOptions): Tensors | Promise<Tensors>;
  /** Bytes it holds outside the JavaScript heap or in large arrays. */
  readonly memoryBytes: number;
  /** How many calls of `predict` may be under way at once, where there is more than one worker behind it. Default: 1. */
  readonly lanes?: number | undefined;
  /** The text that stands for a missing value in inputs of texts. Absent where none may be missing. */
  readonly missingText?: string | undefined;
  dispose(): Promise<void>;
}
