export { isolatedRuntime } from "./isolation/isolated-runtime.ts";
export type { IsolatedRuntime, IsolatedRuntimeOptions, LoadGuard } from "./isolation/isolation-options.ts";
export type { LoadedAnswer, PredictContext, WorkerMemory } from "./isolation/frames.ts";
export type { WorkerCommand } from "./isolation/process-transport.ts";
export type { RecycleOptions, WorkerStatus } from "./isolation/worker-pool.ts";
export { optionalRuntime, type OptionalRuntime, type RuntimeAvailability } from "./isolation/optional-runtime.ts";
export { pythonCommand, type PythonCommandOptions } from "./isolation/python-command.ts";
export {
  createMemoryGovernor,
  type LoadReport,
  type MemoryGovernor,
  type MemoryGovernorOptions,
} from "./isolation/memory-governor.ts";
export {
  type LoopDelay,
  type LoopDelayMonitor,
  type LoopDelayOptions,
  openLoopDelayMonitor,
} from "./isolation/loop-delay.ts";
export { type Autoscaler, type AutoscalerOptions, openAutoscaler, type Scalable } from "./isolation/autoscaler.ts";
export { decideScaling, startScaling } from "./isolation/decide-scaling.ts";
export type {
  PredictiveScaling,
  ScalerState,
  ScalingDecision,
  ScalingOptions,
  ScalingPolicy,
  ScalingSample,
  ScheduledScaling,
  StepScaling,
  TargetTracking,
} from "./isolation/scaling-policy.ts";
export { type SimulationOptions, type SimulationReport, simulateScaling } from "./isolation/simulate-scaling.ts";
export { invocationsPerInstance } from "./load/recommend.ts";
export { createServerless, type Serverless, type ServerlessOptions } from "./isolation/serverless.ts";
