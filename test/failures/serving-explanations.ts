import * as explained from "../../packages/serving/dist/explanations.js";
import { site } from "./serving-stages.ts";
import { type Subjects, methods, well } from "./subjects.ts";

const answer = {
  outputs: { probability: { dtype: "float32" as const, shape: [1, 1], data: Float32Array.of(0.5) } },
  provenance: {
    requestId: "r",
    endpoint: "late",
    variant: "main",
    model: { name: "late", version: 1, digest: "sha256:0" as never },
  },
};
const call = {
  endpoint: "late",
  requestId: "r",
  request: { instances: [[1, 2]], explain: false },
  startMs: 0,
  rows: 1,
};

/** What `@millwright/serving/explanations` exports. */
export const explaining = (): Subjects => ({
  explanations: well(explained.explanations, () => [
    { enabled: "probability > `0.5`", timeMs: 50, maxRows: 10, maxConcurrent: 2, maxEvaluations: 100, top: 3, seed: 1 },
  ]),
  ...methods("explanations()", () => explained.explanations({ enabled: true }), {
    open: [() => [site], {}, 0],
    model: [
      () => [call, () => Promise.resolve(answer)],
      {
        SERVING_REQUEST_INVALID: () =>
          explained
            .explanations()
            .model?.({ ...call, request: { explain: "a >" } } as never, () => Promise.resolve(answer)),
      },
      0,
    ],
  }),
});
