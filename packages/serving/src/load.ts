export {
  type Arrivals,
  type BurstyOptions,
  type RampPhase,
  burstyArrivals,
  constantArrivals,
  poissonArrivals,
  rampArrivals,
  traceArrivals,
} from "./load/arrivals.ts";
export { type HttpTarget, type HttpTargetOptions, httpTarget } from "./load/http-target.ts";
export { type LatencyRecorder, type LatencySummary, createLatencyRecorder } from "./load/latencies.ts";
export {
  type Candidate,
  type CandidateResult,
  type Probe,
  type RecommendOptions,
  type Recommendation,
  candidateGrid,
  invocationsPerInstance,
  recommendEndpoint,
} from "./load/recommend.ts";
export {
  type LoadOptions,
  type LoadOutcome,
  type LoadProgress,
  type LoadReport,
  type LoadTarget,
  runLoad,
} from "./load/run-load.ts";
export { type UserPhase, type UsersOptions, type UsersReport, runUsers } from "./load/run-users.ts";
