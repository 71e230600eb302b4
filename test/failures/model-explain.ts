import type { ResolvedModel } from "../../packages/contracts/dist/index.js";
import { batchOf, column } from "../../packages/data/dist/index.js";
import * as explain from "../../packages/model/dist/explain.js";
import type { LinearModel, TreeModel } from "../../packages/model/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

const { signal } = new AbortController();
const column1 = Float64Array.of(1, 2);

/** What `@millwright/model/explain` exports. */
export function explaining(
  trees: TreeModel,
  line: LinearModel,
  treePackage: ResolvedModel,
  linePackage: ResolvedModel,
): Subjects {
  const km = { dtype: "float64" as const, shape: [2], data: column1 };
  return {
    compileTreeExplainer: well(explain.compileTreeExplainer, () => [trees, { background: [column1] }], {
      MODEL_TREES_INVALID: () => explain.compileTreeExplainer({ ...trees, features: [] }),
    }),
    ...methods("compileTreeExplainer()", () => explain.compileTreeExplainer(trees), {
      explain: [() => [[column1], new Float64Array(2)]],
    }),
    compileLinearExplainer: well(explain.compileLinearExplainer, () => [line, [column1]], {
      MODEL_LINEAR_INVALID: () => explain.compileLinearExplainer(line, []),
    }),
    ...methods("compileLinearExplainer()", () => explain.compileLinearExplainer(line, [column1]), {
      explain: [() => [[column1], new Float64Array(2)]],
    }),
    openExplainer: well(
      explain.openExplainer,
      () => [treePackage, { scale: "margin", maxEvaluations: 100, seed: 1, missingText: "", signal }],
      { MODEL_EXPLANATION_UNSUPPORTED: () => explain.openExplainer(linePackage) },
      40,
    ),
    ...methods("openExplainer()", () => explain.openExplainer(treePackage), {
      explain: [
        () => [{ km }, { rows: [0], timeMs: 1000, maxEvaluations: 100, signal }],
        {
          MODEL_INPUT_MISMATCH: async () => (await explain.openExplainer(treePackage)).explain({}),
        },
      ],
      explainBatch: [() => [batchOf({ km: column("float64", [1, 2]) }), { rows: [0], signal }], {}, 20],
    }),
  };
}
