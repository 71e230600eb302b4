export { openAsyncInference } from "./async/async-inference.ts";
export type { AsyncJob, AsyncState } from "./async/async-job.ts";
export type {
  AsyncBacklog,
  AsyncCapacity,
  AsyncDrainOptions,
  AsyncEndpointOptions,
  AsyncInference,
  AsyncInferenceOptions,
  AsyncListOptions,
  AsyncNotification,
  AsyncRequest,
  AsyncTarget,
} from "./async/async-options.ts";
export { type PayloadStore, createDirectoryPayloads } from "./async/payload-store.ts";
export { type S3PayloadOptions, createS3Payloads } from "./async/s3-payloads.ts";
