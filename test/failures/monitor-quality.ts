import * as quality from "../../packages/monitor/dist/quality.js";
import { type Subjects, well } from "./subjects.ts";

const truth = [1, 0, 1, 0];
const scores = [0.9, 0.2, 0.6, 0.7];
const few = { resamples: 5 };
const invalid = (call: () => unknown) => ({ MONITOR_QUALITY_INVALID: call });
const unread = (call: () => unknown) => ({ MONITOR_LABELS_INVALID: call });

const captured = [{ requestId: "r1", timeMs: 1, features: { km: [1] }, outputs: { late: [0.5] } }];
const options = { output: "late", kind: "binary", segments: ["km"] } as const;
const label = { requestId: "r1", value: 1, timeMs: 2 };
const answers = await quality.joinLabels(captured, [label], options);
const line = quality.formatGroundTruth([label]);

export const qualityOfModels: Subjects = {
  scoreBinary: well(
    quality.scoreBinary,
    () => [truth, scores, few],
    invalid(() => quality.scoreBinary([1], scores)),
  ),
  scoreClasses: well(
    quality.scoreClasses,
    () => [["a", "b"], ["b", "b"], { ...few, classes: ["a", "b"], probabilities: [0.4, 0.6, 0.1, 0.9] }],
    invalid(() => quality.scoreClasses(["a"], [])),
  ),
  scoreRegression: well(
    quality.scoreRegression,
    () => [[1, 2], [1, 3], few],
    invalid(() => quality.scoreRegression([1], [1, 3])),
  ),
  scoreRanking: well(
    quality.scoreRanking,
    () => [["q", "q"], [0, 1], [0.5, 0.4], { ...few, places: 1 }],
    invalid(() => quality.scoreRanking(["q"], [-1], [1])),
  ),
  scoreForecast: well(
    quality.scoreForecast,
    () => [[1, 2], [1, 3], { ...few, history: [1, 2, 3], season: 1 }],
    invalid(() => quality.scoreForecast([1], [1], { season: 0 })),
  ),
  scoreSegments: well(
    quality.scoreSegments,
    () => [{ carrier: ["A", "B"] }, (rows: Int32Array) => rows.length],
    invalid(() => quality.scoreSegments({ carrier: ["A"] }, undefined as never)),
  ),
  pickRows: well(quality.pickRows, () => [truth, Int32Array.of(1, 2)]),
  parseGroundTruth: well(
    quality.parseGroundTruth,
    () => [line, 5],
    unread(() => quality.parseGroundTruth("{", 5)),
  ),
  formatGroundTruth: well(
    quality.formatGroundTruth,
    () => [[label]],
    unread(() => quality.formatGroundTruth([])),
  ),
  joinLabels: well(
    quality.joinLabels,
    () => [captured, [label], options],
    invalid(() => quality.joinLabels(captured, [], { output: "late", kind: "classes" })),
  ),
  labelCoverage: well(
    quality.labelCoverage,
    () => [answers, { alpha: 0.01 }],
    invalid(() => quality.labelCoverage(answers, { alpha: 2 })),
  ),
  labelWeights: well(
    quality.labelWeights,
    () => [answers, { scoreBins: 4 }],
    invalid(() => quality.labelWeights(answers, { scoreBins: 0 })),
  ),
  scoreLabelled: well(
    quality.scoreLabelled,
    () => [answers, few],
    invalid(() => quality.scoreLabelled(answers, { resamples: -1 })),
  ),
};
