import { digestOf, type JobLauncher } from "../../packages/contracts/dist/index.js";
import { openMemoryEventLog } from "../../packages/storage/dist/index.js";
import * as tuner from "../../packages/tuner/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

const { float, int, openStudy } = tuner;
const space = { x: float(-1, 1), n: int(1, 8) };
const study = { name: "child", space, direction: "minimize" } as const;
const trials = [
  { number: 0, state: "completed", params: { x: 0, n: 2 }, explanation: {}, value: 1, intermediates: [], attempts: 1 },
] as const;
const parent = { name: "p", isFinished: true, metric: "loss", direction: "minimize", space, trials } as const;
const start = { type: "transfer-learning", metric: "loss", parents: [parent] } as const;
const from =
  (more: object, parents: readonly object[] = [parent]) =>
  () =>
    tuner.priorOfParents(study, { ...start, ...more, parents } as never);
const prior = [{ name: "p", points: [{ params: { x: 0, n: 2 }, loss: 1 }] }];
const { signal } = new AbortController();
const context = { direction: "minimize", trials } as const;
const random = { next: () => 0.5, integer: () => 0, normal: () => 0, fork: () => random, state: () => ({}) } as never;

const module = new URL("../../packages/tuner/test/fixtures/objective.mjs", import.meta.url);
const refuse = (): Promise<never> => Promise.reject(new RangeError("no job is launched here"));
const launcher: JobLauncher = { launch: refuse, attach: refuse };
const trial = { id: "s/0", number: 0, params: { x: 1 }, report: async () => "continue" as const, signal };
const failing = (trouble: string) => async () => {
  await using objective = tuner.workerObjective(module, { threads: 1, retries: 0 });
  await objective({ ...trial, params: { x: 1, trouble } } as never);
};

const slots = () => tuner.createTrialSlots({ cpus: 4, gpus: 1, memoryBytes: 100 });

const warmStarts: Subjects = {
  priorOfParents: well(tuner.priorOfParents, () => [study, start], {
    TUNER_WARM_START_PARENTS_INVALID: from({}, []),
    TUNER_WARM_START_PARENT_UNFINISHED: from({}, [{ ...parent, isFinished: false }]),
    TUNER_WARM_START_METRIC_DIFFERS: from({ metric: "accuracy" }),
    TUNER_WARM_START_PARAMETERS_DIFFER: from({ static: { more: 1 } }),
    TUNER_WARM_START_STATIC_CHANGES: () => {
      const names = Array.from({ length: 11 }, (_, index) => `p${index}`);
      const fixed = Object.fromEntries(names.map((name) => [name, 1]));
      const wide = { ...space, ...Object.fromEntries(names.map((name) => [name, int(0, 3)])) };
      return from({ static: fixed }, [{ ...parent, space: wide }])();
    },
    TUNER_WARM_START_RECURSIVE: from({}, [{ ...parent, parents: ["elder"] }]),
    TUNER_WARM_START_DATA_DIFFERS: from({ type: "identical-data-and-algorithm", data: "a", algorithm: "b" }),
  }),
  warmStartParent: well(
    tuner.warmStartParent,
    () => [{ ...study, trials: async () => trials }, { metric: "loss" }, { signal }],
    {},
    15,
  ),
  transferSampler: well(tuner.transferSampler, () => [prior, tuner.randomSampler(), { points: 1, halfLife: 5 }]),
  ...methods("transferSampler()", () => tuner.transferSampler(prior, tuner.randomSampler()), {
    suggest: [() => [space, context, random]],
  }),
};

const rows = { schema: [], batches: async function* () {}, digest: async () => digestOf("rows"), ref: refuse };
const seal = (studies: readonly object[] = []) =>
  tuner.sealTestSplit(rows, { name: "june", events: openMemoryEventLog(), studies: studies as never });
const going = { name: "s", trials: async () => [{ ...trials[0], state: "running" }] };

const endings: Subjects = {
  sealTestSplit: well(tuner.sealTestSplit, () => [rows, { name: "june", events: openMemoryEventLog() }], {}, 15),
  ...methods("sealTestSplit()", seal, {
    evaluate: [
      () => ["a model", () => 1, { again: "for this test", signal }],
      {
        TUNER_TEST_SPLIT_SEALED: async () => {
          const split = await seal();
          await split.evaluate("a", () => 1);
          await split.evaluate("b", () => 1);
        },
        TUNER_TEST_SPLIT_TOO_EARLY: async () => (await seal([going])).evaluate("a", () => 1),
      },
      15,
    ],
    assertUnseen: [
      () => [{ train: { digest: async () => digestOf("others") } }, { signal }],
      { TUNER_TEST_SPLIT_LEAKED: async () => (await seal()).assertUnseen({ train: rows }) },
      15,
    ],
    accesses: [() => [{ signal }], {}, 15],
  }),
  registerBest: well(
    tuner.registerBest,
    () => [
      { ...study, trials: async () => trials, best: async () => trials[0] },
      {
        model: "m",
        packageOf: () => "directory",
        registry: {
          register: async () => ({
            name: "m",
            version: 1,
            digest: digestOf("m"),
            approval: "pending",
            createdTimeMs: 0,
          }),
          setAlias: async () => {},
        },
        signal,
      },
    ],
    {},
    15,
  ),
};

export const executionSubjects: Subjects = {
  ...endings,
  ...warmStarts,
  costAwareSampler: well(tuner.costAwareSampler, () => [tuner.randomSampler(), { candidates: 2, cost: () => 1 }]),
  ...methods("costAwareSampler()", () => tuner.costAwareSampler(tuner.randomSampler(), { candidates: 2 }), {
    suggest: [() => [space, context, random]],
  }),
  createTrialSlots: well(tuner.createTrialSlots, () => [{ cpus: 4 }]),
  ...methods("createTrialSlots()", slots, { share: [() => ["a", { weight: 2 }]], used: [] }),
  ...methods("createTrialSlots().share()", () => slots().share("a"), {
    usedMs: [],
    acquire: [
      () => [{ cpus: 1, gpus: 0.5, memoryBytes: 3 }, { signal }],
      { TUNER_RESOURCES_IMPOSSIBLE: () => slots().share("a").acquire({ cpus: 9 }) },
    ],
  }),
  workerObjective: well(
    tuner.workerObjective,
    () => [module, { threads: 1, retries: 0, graceMs: 10 }],
    { TUNER_OBJECTIVE_FAILED: failing("throw"), TUNER_OBJECTIVE_CRASHED: failing("always crash") },
    15,
  ),
  jobObjective: well(tuner.jobObjective, () => [module, { launcher }]),
  "openStudy().budget": well(
    () => openStudy({ ...study, budget: { usd: 1 }, trialCost: { usd: 0.5 }, costPerSecond: { usd: 0.1 } }),
    () => [],
    {
      PORT_BUDGET_EXHAUSTED: async () =>
        (await openStudy({ ...study, budget: { usd: 1 }, trialCost: { usd: 2 } })).ask(),
      RangeError: () => openStudy({ ...study, budget: { usd: -1 } }),
      TypeError: () => openStudy({ ...study, costPerSecond: 3 as never }),
    },
  ),
};
