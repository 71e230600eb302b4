import * as detectors from "../../packages/monitor/dist/detectors.js";
import { methods, type Subjects, well } from "./subjects.ts";

const invalid = (call: () => unknown) => ({ MONITOR_DETECTOR_INVALID: call });
const ofDetector = (owner: () => detectors.DriftDetector) =>
  ({ update: [() => [1], invalid(() => owner().update("x" as never))], reset: [], state: [] }) as const;

export const detectorSubjects = (): Subjects => ({
  createPageHinkley: well(
    detectors.createPageHinkley,
    () => [{ threshold: 5, delta: 0.01, alpha: 0.99, minimumValues: 20, direction: "up" }],
    invalid(() => detectors.createPageHinkley({ direction: "left" as never })),
  ),
  ...methods("createPageHinkley()", detectors.createPageHinkley, ofDetector(detectors.createPageHinkley)),
  createAdwin: well(
    detectors.createAdwin,
    () => [{ delta: 0.01, clock: 8, maximumBuckets: 4, minimumWindow: 3, gracePeriod: 5 }],
    invalid(() => detectors.createAdwin({ delta: 2 })),
  ),
  ...methods("createAdwin()", detectors.createAdwin, {
    ...ofDetector(detectors.createAdwin),
    width: [],
    mean: [],
  }),
  createKswin: well(
    detectors.createKswin,
    () => [{ alpha: 0.01, window: 40, recent: 10, seed: 3 }],
    invalid(() => detectors.createKswin({ recent: 90 })),
  ),
  ...methods("createKswin()", detectors.createKswin, ofDetector(detectors.createKswin)),
  createDdm: well(
    detectors.createDdm,
    () => [{ warmUp: 5, warningThreshold: 1, driftThreshold: 2 }],
    invalid(() => detectors.createDdm({ warmUp: -1 })),
  ),
  ...methods("createDdm()", detectors.createDdm, ofDetector(detectors.createDdm)),
  createEddm: well(
    detectors.createEddm,
    () => [{ warmUp: 5, alpha: 0.9, beta: 0.8 }],
    invalid(() => detectors.createEddm({ alpha: 0.1 })),
  ),
  ...methods("createEddm()", detectors.createEddm, ofDetector(detectors.createEddm)),
  createHddmA: well(
    detectors.createHddmA,
    () => [{ driftConfidence: 0.01, warningConfidence: 0.05, twoSided: true }],
    invalid(() => detectors.createHddmA({ driftConfidence: 0 })),
  ),
  ...methods("createHddmA()", detectors.createHddmA, ofDetector(detectors.createHddmA)),
  createHddmW: well(
    detectors.createHddmW,
    () => [{ driftConfidence: 0.01, warningConfidence: 0.05, lambda: 0.1, twoSided: true }],
    invalid(() => detectors.createHddmW({ lambda: 0 })),
  ),
  ...methods("createHddmW()", detectors.createHddmW, ofDetector(detectors.createHddmW)),
  createFhddm: well(
    detectors.createFhddm,
    () => [{ window: 20, shortWindow: 5, confidence: 0.01 }],
    invalid(() => detectors.createFhddm({ shortWindow: 500 })),
  ),
  ...methods("createFhddm()", detectors.createFhddm, ofDetector(detectors.createFhddm)),
  restoreDetector: well(
    detectors.restoreDetector,
    () => [detectors.createAdwin().state()],
    invalid(() => detectors.restoreDetector({ kind: "other" } as never)),
  ),
});
