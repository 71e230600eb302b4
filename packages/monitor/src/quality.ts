export {
  type BinaryMetric,
  type BinaryOptions,
  type BinaryQuality,
  type Confusion,
  scoreBinary,
} from "./quality/binary.ts";
export {
  type ClassesMetric,
  type ClassesOptions,
  type ClassesQuality,
  type ClassName,
  type ClassQuality,
  scoreClasses,
} from "./quality/classes.ts";
export { type ForecastMetric, type ForecastOptions, type ForecastQuality, scoreForecast } from "./quality/forecast.ts";
export type { IntervalKind, IntervalOptions, MetricValue } from "./quality/metric-value.ts";
export { type RankingMetric, type RankingOptions, type RankingQuality, scoreRanking } from "./quality/ranking.ts";
export { type RegressionMetric, type RegressionQuality, scoreRegression } from "./quality/regression.ts";
export { formatGroundTruth, parseGroundTruth } from "./quality/ground-truth.ts";
export { type JoinLabelsOptions, type LabelCounts, type LabelledAnswers, joinLabels } from "./quality/join-labels.ts";
export {
  type LabelCoverage,
  type LabelCoverageOptions,
  type LabelledQuality,
  type LabelledQualityOptions,
  type LabelWeightOptions,
  type LabelWeights,
  type LagDistribution,
  type SelectionTest,
  labelCoverage,
  labelWeights,
  scoreLabelled,
} from "./quality/label-honesty.ts";
export {
  type SegmentOptions,
  type SegmentScore,
  type SegmentValue,
  pickRows,
  scoreSegments,
} from "./quality/segments.ts";
