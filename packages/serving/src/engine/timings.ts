/**
 * Where the time of one request went, milliseconds. `ModelLatency` of SageMaker is `modelMs`; its `OverheadLatency` is the rest.
 * Members that did not happen are 0.
 */
export interface Timings {
  /** Waiting to be let in: admission, concurrency. */
  queueMs: number;
  /** Reading features by entity. */
  featuresMs: number;
  /** Checking inputs and turning them into what the model takes. */
  preprocessMs: number;
  /** Waiting for the batch to begin. */
  batchWaitMs: number;
  /** In the model. */
  modelMs: number;
  /** From the model's answer to the caller's: slicing a batch, stages, writing the body. */
  postprocessMs: number;
}

export const noTimings = (): Timings => ({
  queueMs: 0,
  featuresMs: 0,
  preprocessMs: 0,
  batchWaitMs: 0,
  modelMs: 0,
  postprocessMs: 0,
});

/** The whole time of a request by what is known of it at `nowMs`: what was counted nowhere else is `postprocessMs`, so that the parts make up the whole. */
export function closeTimings(timings: Timings, startMs: number, nowMs: number): number {
  const { queueMs, featuresMs, preprocessMs, batchWaitMs, modelMs } = timings;
  const totalMs = nowMs - startMs;
  timings.postprocessMs = Math.max(0, totalMs - queueMs - featuresMs - preprocessMs - batchWaitMs - modelMs);
  return totalMs;
}
