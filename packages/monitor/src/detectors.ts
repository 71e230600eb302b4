export { type AdwinDetector, type AdwinOptions, createAdwin } from "./detectors/adwin.ts";
export type {
  DetectorState,
  DetectorVerdict,
  Direction,
  DriftDetector,
  ThresholdDetector,
} from "./detectors/detector.ts";
export { type DdmOptions, type EddmOptions, createDdm, createEddm } from "./detectors/error-detectors.ts";
export {
  type FhddmOptions,
  type HddmAOptions,
  type HddmWOptions,
  createFhddm,
  createHddmA,
  createHddmW,
} from "./detectors/hoeffding-detectors.ts";
export { type KswinOptions, createKswin } from "./detectors/kswin.ts";
export { type OnlineMmdOptions, createOnlineMmd, restoreOnlineMmd } from "./detectors/online-mmd.ts";
export { type PageHinkleyOptions, createPageHinkley } from "./detectors/page-hinkley.ts";
export {
  type CalibrateOptions,
  type RunLengthEstimate,
  averageRunLength,
  calibrateThreshold,
} from "./detectors/calibrate-threshold.ts";
export {
  type ConfidenceDetector,
  type ConfidenceDetectorOptions,
  createConfidenceDetector,
  meanInterval,
} from "./detectors/confidence-detector.ts";
export { type CusumOptions, createCusum } from "./detectors/cusum.ts";
export { type EDetectorOptions, createEDetector } from "./detectors/e-detector.ts";
export { type LikelihoodRatioOptions, type ScoredError, createLikelihoodRatio } from "./detectors/likelihood-ratio.ts";
export { restoreDetector } from "./detectors/restore.ts";
