import type { CallOptions } from "@millwright/contracts";
import type { ObjectSummary } from "./ledger.ts";
import type { ManifestComparison, TransformManifest } from "./manifest.ts";
import type { TransformStatus } from "./progress.ts";

/** What came of a job. */
export interface TransformResult {
  /** `stopped`: it was told to, and goes on when it is started again. */
  readonly state: "completed" | "stopped";
  /** Why it stopped. */
  readonly reason?: string | undefined;
  /** The objects whose outputs stand, in the order of the input. */
  readonly objects: readonly ObjectSummary[];
  /** Where it was completed; the same is in `<output>/<name>.manifest.json`. */
  readonly manifest?: TransformManifest | undefined;
  /** Against the manifest of the run before, where there was one. */
  readonly comparison?: ManifestComparison | undefined;
  readonly status: TransformStatus;
}

/** A job that runs. */
export interface TransformJob {
  readonly name: string;
  /** How far it is now. */
  status(): TransformStatus;
  /** The status after every chunk, the latest where several were done meanwhile; ends with the job. */
  progress(options?: CallOptions): AsyncIterable<TransformStatus>;
  /**
   * Resolves when it is over; outputs that were done before it failed stand. Throws what the first failed object failed with:
   * `SERVING_TRANSFORM_RECORD_INVALID`, `SERVING_TRANSFORM_RECORD_TOO_LARGE`, `SERVING_TRANSFORM_ANSWER_INVALID`, `SERVING_TRANSFORM_TARGET_FAILED`,
   * `SERVING_TRANSFORM_ERROR_RATE`; `SERVING_TRANSFORM_INVALID`, `SERVING_TRANSFORM_INPUT_MISSING`, `SERVING_TRANSFORM_CHANGED`.
   */
  result(options?: CallOptions): Promise<TransformResult>;
  /** Takes no further chunk, writes down those under way, and resolves then; whoever starts the job again goes on with it. */
  stop(reason?: string, options?: CallOptions): Promise<void>;
}
