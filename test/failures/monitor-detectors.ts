import * as detectors from "../../packages/monitor/dist/detectors.js";
import { methods, type Subjects, well } from "./subjects.ts";

const invalid = (call: () => unknown) => ({ MONITOR_DETECTOR_INVALID: call });
const ofDetector = (owner: () => detectors.DriftDetector) =>
  ({ update: [() => [1], invalid(() => owner().update("x" as never))], reset: [], state: [] }) as const;

const likelihood = () => detectors.createLikelihoodRatio() as detectors.ThresholdDetector;
const cusum = () => detectors.createCusum({ averageRunLength: 100, threshold: 4 });
const wealth = () => detectors.createEDetector({ mean: 0.5 });
const confidence = () => detectors.createConfidenceDetector();
const rows = Array.from({ length: 200 }, (_, index) => [Math.sin(index), Math.cos(3 * index)]);
const discrepancy = detectors.createOnlineMmd(rows, { averageRunLength: 20, window: 5, features: 4, seed: 2 });
const history = Array.from({ length: 100 }, (_, index) => index % 2);
const careful = (threshold: number) => detectors.createPageHinkley({ threshold });

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
  createLikelihoodRatio: well(
    detectors.createLikelihoodRatio,
    () => [{ averageRunLength: 100, threshold: 50, odds: [2, 4], warmUp: 3 }],
    invalid(() => detectors.createLikelihoodRatio({ odds: [1] })),
  ),
  ...methods("createLikelihoodRatio()", likelihood, { ...ofDetector(likelihood), statistic: [] }),
  createCusum: well(
    detectors.createCusum,
    () => [{ averageRunLength: 100, shift: 1, direction: "up", known: { mean: 0, standardDeviation: 1 }, seed: 1 }],
    invalid(() => detectors.createCusum({ shift: 4 })),
    20,
  ),
  ...methods("createCusum()", cusum, { ...ofDetector(cusum), statistic: [] }),
  createEDetector: well(
    detectors.createEDetector,
    () => [{ averageRunLength: 100, mean: 2, low: 0, high: 5, direction: "both" }],
    invalid(() => detectors.createEDetector({ mean: 1 })),
  ),
  ...methods("createEDetector()", wealth, { ...ofDetector(wealth), statistic: [] }),
  createConfidenceDetector: well(
    detectors.createConfidenceDetector,
    () => [{ averageRunLength: 100, low: -1, high: 2 }],
    invalid(() => detectors.createConfidenceDetector({ low: 2 })),
  ),
  ...methods("createConfidenceDetector()", confidence, { ...ofDetector(confidence), interval: [] }),
  meanInterval: well(
    detectors.meanInterval,
    () => [10, 3, 0.05],
    invalid(() => detectors.meanInterval(1, 2, 0.1)),
  ),
  createOnlineMmd: well(
    detectors.createOnlineMmd,
    () => [rows, { averageRunLength: 20, window: 5, features: 4, seed: 2 }],
    invalid(() => detectors.createOnlineMmd([[1]])),
    20,
  ),
  ...methods("createOnlineMmd()", () => discrepancy, {
    update: [() => [[1, 2]], invalid(() => discrepancy.update([1]))],
    reset: [],
    state: [],
    statistic: [],
  }),
  restoreOnlineMmd: well(
    detectors.restoreOnlineMmd,
    () => [discrepancy.state()],
    invalid(() => detectors.restoreOnlineMmd(detectors.createAdwin().state())),
  ),
  averageRunLength: well(detectors.averageRunLength, () => [detectors.createAdwin, [history], 0.9]),
  calibrateThreshold: well(
    detectors.calibrateThreshold,
    () => [
      careful,
      history,
      { averageRunLength: 20, from: 0.1, to: 50, confidence: 0.8, blockLength: 10, values: 200, seed: 1 },
    ],
    invalid(() => detectors.calibrateThreshold(careful, [1], { averageRunLength: 20, from: 1, to: 2 })),
    20,
  ),
  restoreDetector: well(
    detectors.restoreDetector,
    () => [detectors.createAdwin().state()],
    invalid(() => detectors.restoreDetector({ kind: "other" } as never)),
  ),
});
