export { JobsError, type JobsErrorCode } from "./errors.ts";
export { type Jobs, type JobsOptions, openJobs } from "./jobs.ts";
export {
  encodeFrame,
  parseSupervisorFrame,
  parseWorkerFrame,
  protocolVersion,
  type SupervisorFrame,
  type WorkerFailure,
  type WorkerFrame,
  type WorkerPhase,
} from "./protocol.ts";
