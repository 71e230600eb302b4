import * as tuner from "../../packages/tuner/dist/index.js";
import { ofTheCaller } from "./hostile-values.ts";
import { methods, type Subjects, well } from "./subjects.ts";

const { float, int, categorical, openStudy, openDynamicStudy } = tuner;

const space = { x: float(-1, 1), n: int(1, 8, { log: true }), kind: categorical(["a", "b"]) };
const params = { x: 0, n: 2, kind: "a" } as const;
const options = { name: "s", direction: "minimize", seed: 1 } as const;
const signal = new AbortController().signal;
const study = () => openStudy({ ...options, space });
const dynamic = () => openDynamicStudy(options);
const asked = async () => (await dynamic()).ask();
const soon = (): AbortSignal => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(ofTheCaller), 200).unref();
  return controller.signal;
};
const result = { state: "completed", value: 2 } as const;

/** A dynamic study with a trial under way. */
const begun = async () => {
  const held = await dynamic();
  await held.ask();
  return held;
};

const notes = {
  setAttributes: [() => [{ by: "me", gone: null }, { signal }]],
  attributes: [() => [{ signal }]],
  close: [() => [{ signal }]],
} as const;

export const studyMethods: Subjects = {
  ...methods("openStudy()", study, {
    ...notes,
    add: [
      () => [{ params, result, intermediates: [[0, 1]], attributes: { from: "here" } }, { signal }],
      { TUNER_PARAMS_OUTSIDE_SPACE: async () => (await study()).add({ params: { ...params, n: 9 }, result }) },
    ],
  }),
  ...methods("openStudy().ask()", async () => (await study()).ask(), {
    setAttributes: [() => [{ by: "me" }, { signal }]],
  }),
  "openStudy().busy": well(
    () => undefined,
    () => [],
    {
      TUNER_STUDY_BUSY: async () => {
        const held = await openStudy({ ...options, space: { c: categorical(["a"]) }, duplicates: "reuse-cached" });
        await held.ask({ trials: 5 });
        await held.ask({ trials: 5 });
      },
    },
  ),
  openDynamicStudy: well(openDynamicStudy, () => [{ ...options, pruner: false, noise: { repeats: 2 } }]),
  ...methods("openDynamicStudy()", dynamic, {
    ...notes,
    ask: [() => [{ trials: 4, signal }]],
    enqueue: [() => [{ x: 1 }, { skipIfExists: true, signal }]],
    add: [() => [{ params: { x: 1 }, result }, { signal }]],
    optimize: [
      () => [
        (trial: tuner.DynamicTrial) => trial.suggestFloat("x", 0, 1),
        { trials: 2, parallelism: 1, failuresInARow: 2, trialTimeoutMs: 50, signal: soon() },
      ],
    ],
    trials: [],
    front: [() => [{ signal }]],
    history: [() => [{ signal }]],
    best: [() => [], { TUNER_STUDY_EMPTY: async () => (await dynamic()).best() }],
  }),
  ...methods("openDynamicStudy()", begun, { tell: [() => [0, result, { signal }]] }),
  ...methods("openDynamicStudy().ask()", asked, {
    report: [() => [1, 0.5, { checkpoint: "c" }]],
    setAttributes: [() => [{ by: "me" }, { signal }]],
    suggest: [
      () => ["x", float(0, 1)],
      { TUNER_SPACE_INVALID: async () => (await asked()).suggest("x", { kind: "float", low: 2, high: 1, log: false }) },
    ],
    suggestFloat: [
      () => ["x", 0, 1, { step: 0.5 }],
      {
        TUNER_PARAMETER_CHANGED: async () => {
          const trial = await asked();
          trial.suggestInt("x", 0, 1);
          trial.suggestFloat("x", 0, 1);
        },
      },
    ],
    suggestInt: [() => ["x", 1, 8, { log: true }]],
    suggestCategorical: [() => ["x", ["a", "b"]]],
  }),
};
