export { isolatedRuntime } from "./isolation/isolated-runtime.ts";
export type { IsolatedRuntime, IsolatedRuntimeOptions, LoadGuard } from "./isolation/isolation-options.ts";
export type { LoadedAnswer, PredictContext, WorkerMemory } from "./isolation/frames.ts";
export type { WorkerCommand } from "./isolation/process-transport.ts";
export type { RecycleOptions, WorkerStatus } from "./isolation/worker-pool.ts";
export { optionalRuntime, type OptionalRuntime, type RuntimeAvailability } from "./isolation/optional-runtime.ts";
export { pythonCommand, type PythonCommandOptions } from "./isolation/python-command.ts";
