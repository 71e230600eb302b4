export { type PlotLibrary, type StudyReportOptions, drawPlot, studyReport } from "./insight/report.ts";
export { type VegaLiteChart, chartOf } from "./insight/charts.ts";
export { contourPlot } from "./insight/contour.ts";
export {
  type VarianceOptions,
  type VarianceShares,
  permutationImportances,
  varianceShares,
} from "./insight/importance.ts";
export {
  type ShapleyImportances,
  type ShapleyOptions,
  type ShapleyTrial,
  shapleyImportances,
} from "./insight/shapley.ts";
export type { ImportanceOptions } from "./insight/surrogate.ts";
export { type SpaceAdvice, spaceHealth } from "./insight/health.ts";
export {
  type Axis,
  type AxisValue,
  type ContourPlot,
  type CurvesPlot,
  type HistoryPlot,
  type ImportancePlot,
  type ParallelPlot,
  type ParetoPlot,
  type SlicePlot,
  type StudyPlot,
  curvesPlot,
  historyPlot,
  importancePlot,
  parallelPlot,
  paretoPlot,
  slicePlot,
} from "./insight/plots.ts";
export { type Neighbour, type TrialExplanation, explainTrial } from "./insight/explain.ts";
export {
  type ReplayOptions,
  type ReplayedSuggestion,
  type ReplayedVerdict,
  type StudyHistory,
  type StudyReplay,
  historyOf,
  replayStudy,
} from "./insight/replay.ts";
export {
  type PrunerSimulation,
  type SamplerSimulationOptions,
  type SimulatedStop,
  type SimulatedSuggestion,
  simulatePruner,
  simulateSampler,
} from "./insight/simulate.ts";
export type { StudyRecord } from "./insight/record.ts";
