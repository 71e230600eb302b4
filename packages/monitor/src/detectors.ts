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
export { type PageHinkleyOptions, createPageHinkley } from "./detectors/page-hinkley.ts";
export { restoreDetector } from "./detectors/restore.ts";
