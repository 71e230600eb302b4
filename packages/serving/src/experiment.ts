export {
  type Experiment,
  type ExperimentArm,
  type ExperimentMetric,
  type ExperimentOptions,
  type ExperimentOutcome,
  createExperiment,
} from "./experiment/experiment.ts";
export {
  type ExperimentLog,
  type ExperimentRecord,
  type ExperimentRecords,
  openDatabaseExperimentLog,
} from "./experiment/experiment-log.ts";
export type { ExperimentComparison, ExperimentReport } from "./experiment/experiment-report.ts";
export type { Difference } from "./experiment/difference-test.ts";
