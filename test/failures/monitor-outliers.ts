import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf } from "../../packages/data/dist/index.js";
import * as outliers from "../../packages/monitor/dist/outliers.js";
import { rowsView } from "./monitor-rows-view.ts";
import { methods, type Subjects, well } from "./subjects.ts";

const random = createRandom(1);
const draw = (): Float64Array => Float64Array.from({ length: 60 }, () => random.normal());
const rows = batchOf({ a: draw(), b: draw() });
const options = { columns: ["a", "b"], falseAlarmShare: 0.1, random };
const few = batchOf({ a: [1, 2, 3] });
const model = outliers.fitIsolationForest(rows, { ...options, trees: 3, sampleRows: 16 });

const lacking = (call: () => unknown) => ({ MONITOR_ROWS_INVALID: call });

/** What `@millwright/monitor/outliers` offers. */
export const outlierSubjects: Subjects = {
  fitIsolationForest: well(
    outliers.fitIsolationForest,
    () => [rows, { ...options, trees: 3, sampleRows: 16 }],
    lacking(() => outliers.fitIsolationForest(few)),
  ),
  fitMahalanobis: well(
    outliers.fitMahalanobis,
    () => [rows, { ...options, contamination: 0.1 }],
    lacking(() => outliers.fitMahalanobis(few)),
  ),
  fitReconstructionOutliers: well(
    outliers.fitReconstructionOutliers,
    () => [rows, { ...options, varianceShare: 0.4 }],
    lacking(() => outliers.fitReconstructionOutliers(few)),
  ),
  compileOutlierModel: well(outliers.compileOutlierModel, () => [model], {
    MONITOR_OUTLIER_MODEL_INVALID: () => outliers.compileOutlierModel({ ...model, formatVersion: 2 as 1 }),
  }),
  ...methods("compileOutlierModel()", () => outliers.compileOutlierModel(model), {
    score: [() => [{ a: 1, b: 2 }], lacking(() => outliers.compileOutlierModel(model).score({ a: "far", b: 2 }))],
    scores: [() => [rows], lacking(() => outliers.compileOutlierModel(model).scores(batchOf({ a: [1] })))],
    route: [() => [{ a: 1 }]],
  }),
  outlierAlert: well(
    outliers.outlierAlert,
    () => [{ endpoint: "late", model, usualShare: 0.1, minimumRatio: 3, alpha: 0.01, minimumRows: 20 }],
    {
      MONITOR_RULE_INVALID: () => outliers.outlierAlert({ endpoint: "late", model, windowMs: -1 }),
      MONITOR_OUTLIER_MODEL_INVALID: () =>
        outliers.outlierAlert({ endpoint: "late", model: { ...model, formatVersion: 2 as 1 } }),
    },
  ),
  ...methods("outlierAlert()", () => outliers.outlierAlert({ endpoint: "late", model, minimumRows: 20 }), {
    evaluate: [() => [rowsView()]],
  }),
};
