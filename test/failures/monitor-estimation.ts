import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf } from "../../packages/data/dist/index.js";
import * as estimation from "../../packages/monitor/dist/estimation.js";
import { rowsView } from "./monitor-rows-view.ts";
import { methods, type Subjects, well } from "./subjects.ts";

const random = createRandom(1);
const scores = Array.from({ length: 40 }, () => random.next());
const labels = scores.map((score) => (random.next() < score ? 1 : 0));
const opposite = scores.map((score) => 1 - score);
const classes = { scores: { no: opposite, yes: scores }, labels: labels.map((label) => (label === 1 ? "yes" : "no")) };
const rows = batchOf({ x: scores });
const regression = { rows, predictions: scores, targets: labels };
const options = { chunkRows: 10, deviations: 2 };
const lossModel: estimation.LossModel = (_, predictions) => predictions;

const watched = { endpoint: "late", output: "probability", minimumRows: 20 };

const lacking = (call: () => unknown) => ({ MONITOR_ROWS_INVALID: call });

/** What `@millwright/monitor/estimation` offers. */
export const estimationSubjects: Subjects = {
  fitCbpe: well(
    estimation.fitCbpe,
    () => [
      { scores, labels },
      { ...options, threshold: 0.4, calibrate: "always", random },
    ],
    lacking(() => estimation.fitCbpe({ scores: [0.1, 0.2], labels: [1, 1] })),
  ),
  estimateCbpe: well(
    estimation.estimateCbpe,
    () => [estimation.fitCbpe({ scores, labels }), { scores }, { random }],
    lacking(() => estimation.estimateCbpe(estimation.fitCbpe({ scores, labels }), { scores: [7] })),
  ),
  fitMulticlassCbpe: well(
    estimation.fitMulticlassCbpe,
    () => [classes, { ...options, calibrate: "never" }],
    lacking(() => estimation.fitMulticlassCbpe({ scores: { a: [0.1] }, labels: ["a"] })),
  ),
  estimateMulticlassCbpe: well(
    estimation.estimateMulticlassCbpe,
    () => [estimation.fitMulticlassCbpe(classes), classes, { random }],
    lacking(() => estimation.estimateMulticlassCbpe(estimation.fitMulticlassCbpe(classes), { scores: { no: [0.1] } })),
  ),
  fitDirectLoss: well(
    estimation.fitDirectLoss,
    () => [regression, { ...options, columns: ["x"], metrics: ["mae", "rmse"] }],
    lacking(() => estimation.fitDirectLoss({ ...regression, targets: [1] })),
  ),
  estimateDirectLoss: well(
    estimation.estimateDirectLoss,
    () => [estimation.fitDirectLoss(regression), regression, lossModel],
    lacking(() => estimation.estimateDirectLoss(estimation.fitDirectLoss(regression), { rows, predictions: [] })),
  ),
  estimatedQualityAlert: well(
    estimation.estimatedQualityAlert,
    () => [{ ...watched, estimator: estimation.fitCbpe({ scores, labels }), metric: "accuracy", against: 0.4 }],
    {
      MONITOR_RULE_INVALID: () =>
        estimation.estimatedQualityAlert({
          ...watched,
          estimator: estimation.fitCbpe({ scores, labels }),
          metric: "mae",
        }),
    },
  ),
  ...methods(
    "estimatedQualityAlert()",
    () => estimation.estimatedQualityAlert({ ...watched, estimator: estimation.fitCbpe({ scores, labels }) }),
    { evaluate: [() => [rowsView()]] },
  ),
};
