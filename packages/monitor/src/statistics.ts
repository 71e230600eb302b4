export {
  betaCdf,
  betaQuantile,
  betaSurvival,
  binomialCdf,
  binomialProbability,
  binomialSurvival,
  chiSquaredCdf,
  chiSquaredQuantile,
  chiSquaredSurvival,
  clopperPearsonInterval,
  fCdf,
  fSurvival,
  gammaQuantile,
  normalCdf,
  normalQuantile,
  normalSurvival,
  normalTails,
  normalUpperQuantile,
  poissonInterval,
  studentTCdf,
  studentTQuantile,
  studentTSurvival,
  studentTTails,
} from "./statistics/distributions.ts";
export {
  type AndersonDarlingOptions,
  type AndersonDarlingResult,
  type MannWhitneyOptions,
  andersonDarling,
  mannWhitney,
} from "./statistics/rank-tests.ts";
export {
  type ContingencyOptions,
  type Counts,
  benjaminiHochberg,
  chiSquaredContingency,
  chiSquaredFit,
  gTest,
  gTestFit,
  hellinger,
  jensenShannon,
  kullbackLeibler,
  largestDifference,
  populationStability,
  totalVariation,
  twoProportions,
  wilsonInterval,
} from "./statistics/count-tests.ts";
export { type CramerVonMisesOptions, cramerVonMises, cramerVonMisesTail } from "./statistics/cramer-von-mises.ts";
export { type EppsSingletonOptions, eppsSingleton } from "./statistics/epps-singleton.ts";
export { type TwoByTwo, fisherExact } from "./statistics/fisher.ts";
export {
  type MeanDiscrepancyOptions,
  type MeanDiscrepancyResult,
  type Points,
  meanDiscrepancy,
} from "./statistics/mean-discrepancy.ts";
export { type MeanTestOptions, type MeanTestResult, meanTest } from "./statistics/mean-tests.ts";
export {
  type KolmogorovSmirnovOptions,
  energyDistance,
  kolmogorovSmirnov,
  kolmogorovSmirnovPValue,
  wasserstein,
  wassersteinNormed,
} from "./statistics/sample-tests.ts";
export type { Alternative, TestResult } from "./statistics/samples.ts";
