import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf } from "../../packages/data/dist/index.js";
import { findSlices, sliceAlert } from "../../packages/monitor/dist/slices.js";
import { rowsView } from "./monitor-rows-view.ts";
import { methods, type Subjects, well } from "./subjects.ts";

const random = createRandom(1);
const losses = Array.from({ length: 60 }, () => random.next());
const rows = batchOf({ a: losses, b: losses.map((loss) => (loss > 0.5 ? 1 : 0)) });
const options = { columns: ["a", "b"], maxConditions: 2, minimumRows: 10, alpha: 0.1, bins: 2, candidates: 2, random };

/** What `@millwright/monitor/slices` offers. */
export const sliceSubjects: Subjects = {
  findSlices: well(findSlices, () => [rows, losses, options], { MONITOR_ROWS_INVALID: () => findSlices(rows, [1]) }),
  sliceAlert: well(
    sliceAlert,
    () => [
      { ...options, endpoint: "late", output: "probability", minimumRatio: 2, minimumLabels: 40, rowsPerWindow: 9 },
    ],
    { MONITOR_RULE_INVALID: () => sliceAlert({ endpoint: "late", output: "probability", alpha: 2 }) },
  ),
  ...methods("sliceAlert()", () => sliceAlert({ endpoint: "late", output: "probability", minimumLabels: 20 }), {
    evaluate: [() => [rowsView()]],
  }),
};
