export {
  type Counts,
  benjaminiHochberg,
  chiSquaredContingency,
  chiSquaredFit,
  hellinger,
  jensenShannon,
  largestDifference,
  populationStability,
  twoProportions,
  wilsonInterval,
} from "./count-tests.ts";
export { MonitorError, type MonitorErrorCode } from "./errors.ts";
export {
  type KolmogorovSmirnovOptions,
  type TestResult,
  kolmogorovSmirnov,
  kolmogorovSmirnovPValue,
  wasserstein,
} from "./sample-tests.ts";
