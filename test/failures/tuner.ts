import * as storage from "../../packages/storage/dist/index.js";
import { createBudget, createRandom } from "../../packages/contracts/dist/index.js";
import { openMemoryStudyJournal } from "../../packages/tuner/dist/drivers/memory.js";
import { openSqlStudyJournal } from "../../packages/tuner/dist/drivers/sql.js";
import * as tuner from "../../packages/tuner/dist/index.js";
import { ofTheCaller } from "./hostile-values.ts";
import { executionSubjects } from "./tuner-execution.ts";
import { insightSubjects } from "./tuner-insight.ts";
import { studyMethods } from "./tuner-studies.ts";
import { interopSubjects } from "./tuner-interop.ts";
import { type FailureTable, methods, type Subjects, well } from "./subjects.ts";

const { float, int, categorical, openStudy } = tuner;

const space = { x: float(-1, 1), n: int(1, 8, { log: true }), kind: categorical(["a", "b"]) };
const signal = new AbortController().signal;
const params = { x: 0, n: 2, kind: "a" } as const;
const options = { name: "s", space, direction: "minimize", seed: 1 } as const;
const study = () => openStudy(options);
/** A search that a wrong number would let go on for ever is given up by its caller. */
const soon = (): AbortSignal => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(ofTheCaller), 200).unref();
  return controller.signal;
};
/** A study with a trial under way. */
const begunStudy = async () => {
  const held = await study();
  await held.ask();
  return held;
};
const trials = [
  { number: 0, state: "completed", params, explanation: {}, value: 1, intermediates: [[1, 2]], attempts: 1 },
] as const;
const context = { direction: "minimize", trials } as const;
const random = createRandom(3);
const begun = {
  kind: "study",
  formatVersion: 1,
  space,
  direction: "minimize",
  seed: 1,
  timeMs: 0,
} as const;

const badSpace = (call: () => unknown) => ({ TUNER_SPACE_INVALID: call });

const parts: Subjects = {
  float: well(float, () => [0, 1, { log: false, step: 0.5 }]),
  int: well(int, () => [1, 8, { log: false, step: 1 }]),
  categorical: well(categorical, () => [["a", 1, null]]),
  bool: well(tuner.bool),
  ordinal: well(tuner.ordinal, () => [[1, 2, 4]]),
  constant: well(tuner.constant, () => ["v1"]),
  permutation: well(tuner.permutation, () => [["a", "b"]]),
  subset: well(tuner.subset, () => [["a", "b"], { min: 1, max: 2 }]),
  when: well(tuner.when, () => ["kind", ["a"], float(0, 1)]),
  linear: well(tuner.linear, () => [{ x: 1 }, { atLeast: 0, atMost: 3 }]),
  rule: well(tuner.rule, () => ["small", () => true]),
  isFeasible: well(tuner.isFeasible, () => [trials[0]]),
  cmaEsSampler: well(tuner.cmaEsSampler, () => [{ population: 6, sigma: 0.3, restarts: "ipop" }]),
  pbtSampler: well(tuner.pbtSampler, () => [
    { population: 4, quantile: 0.5, factors: [0.9, 1.1], resampleProbability: 0 },
  ]),
  lineageOf: well(tuner.lineageOf, () => [trials, 0]),
  randomForestSampler: well(tuner.randomForestSampler, () => [
    { startupTrials: 1, trees: 3, randomShare: 0, candidates: 20 },
  ]),
  autoSampler: well(tuner.autoSampler),
  gpSampler: well(tuner.gpSampler, () => [{ startupTrials: 2, candidates: 8, starts: 1, costAware: "seconds" }]),
  randomSampler: well(tuner.randomSampler),
  multiFidelitySampler: well(tuner.multiFidelitySampler, () => [
    { sampler: tuner.randomSampler(), randomShare: 0.2, mutationShare: 0.2 },
  ]),
  ...methods("multiFidelitySampler()", () => tuner.multiFidelitySampler({ mutationShare: 0.5 }), {
    suggest: [() => [space, context, random]],
  }),
  gridSampler: well(tuner.gridSampler, () => [{ points: { x: [-1, 0.5], n: 3 } }]),
  sobolSampler: well(tuner.sobolSampler, () => [{ scramble: false }]),
  haltonSampler: well(tuner.haltonSampler, () => [{ scramble: false }]),
  tpeSampler: well(tuner.tpeSampler, () => [
    { profile: "optuna5", startupTrials: 2, candidates: 4, multivariate: true, group: false, priorWeight: 2 },
  ]),
  medianPruner: well(tuner.medianPruner, () => [{ startupTrials: 2, warmupSteps: 1 }]),
  percentilePruner: well(tuner.percentilePruner, () => [25, { intervalSteps: 2, minimumTrials: 1 }]),
  thresholdPruner: well(tuner.thresholdPruner, () => [{ lower: 0, upper: 2, warmupSteps: 1, intervalSteps: 2 }]),
  patientPruner: well(tuner.patientPruner, () => [tuner.medianPruner(), { patience: 2, minimumDelta: 0.1 }]),
  wilcoxonPruner: well(tuner.wilcoxonPruner, () => [{ threshold: 0.2, startupSteps: 3 }]),
  successiveHalvingPruner: well(tuner.successiveHalvingPruner, () => [
    { minimumResource: 1, reductionFactor: 3, minimumEarlyStoppingRate: 1, bootstrapCount: 2 },
  ]),
  hyperbandPruner: well(tuner.hyperbandPruner, () => [
    { minimumResource: 1, maximumResource: 27, reductionFactor: 3, bootstrapCount: 2 },
  ]),
  curvePruner: well(tuner.curvePruner, () => [
    { horizon: 27, chance: 0.1, minimumReports: 3, startupTrials: 2, pause: true },
  ]),
  hyperbandBudgets: well(tuner.hyperbandBudgets, () => [27, { minimumResource: 1, reductionFactor: 3 }]),
  ashaPruner: well(tuner.ashaPruner, () => [
    { maximumResource: 27, minimumResource: 1, reductionFactor: 3, brackets: 2 },
  ]),
  sageMakerMedianPruner: well(tuner.sageMakerMedianPruner, () => [{ minimumTrials: 2 }]),
  rayMedianPruner: well(tuner.rayMedianPruner, () => [{ gracePeriod: 1, minimumTrials: 2 }]),
  rayAshaPruner: well(tuner.rayAshaPruner, () => [{ maximumResource: 27, gracePeriod: 1, reductionFactor: 3 }]),
  ehviSampler: well(tuner.ehviSampler, () => [{ startupTrials: 3, reference: [3], candidates: 8, starts: 1 }]),
  nsga2Sampler: well(tuner.nsga2Sampler, () => [{ population: 4, crossover: "sbx", mutationEta: 3 }]),
  nsga3Sampler: well(tuner.nsga3Sampler, () => [{ population: 4, divisions: 2, directions: [[1, 2]] }]),
  paretoFront: well(tuner.paretoFront, () => [trials, ["minimize"]]),
  bestCompromise: well(tuner.bestCompromise, () => [trials, ["minimize"], [1]]),
  kneePoint: well(tuner.kneePoint, () => [trials, ["minimize"]]),
  hypervolumeHistory: well(tuner.hypervolumeHistory, () => [trials, ["minimize"], [3]]),
  hypervolume: well(tuner.hypervolume, () => [[[1, 2]], [3, 3]]),
  bestTrial: well(tuner.bestTrial, () => [trials, "minimize"]),
  ...methods("cmaEsSampler()", () => tuner.cmaEsSampler(), { suggest: [() => [space, context, random]] }),
  ...methods("pbtSampler()", () => tuner.pbtSampler({ population: 2 }), { suggest: [() => [space, context, random]] }),
  ...methods("randomForestSampler()", () => tuner.randomForestSampler({ startupTrials: 1 }), {
    suggest: [() => [space, context, random]],
  }),
  ...methods("autoSampler()", () => tuner.autoSampler(), { suggest: [() => [space, context, random]] }),
  ...methods("gpSampler()", () => tuner.gpSampler({ startupTrials: 1 }), { suggest: [() => [space, context, random]] }),
  ...methods("randomSampler()", () => tuner.randomSampler(), { suggest: [() => [space, context, random]] }),
  ...methods("gridSampler()", () => tuner.gridSampler({ points: { x: 3 } }), {
    suggest: [() => [space, context, random]],
  }),
  ...methods("sobolSampler()", () => tuner.sobolSampler(), { suggest: [() => [space, context, random]] }),
  ...methods("haltonSampler()", () => tuner.haltonSampler(), { suggest: [() => [space, context, random]] }),
  ...methods("tpeSampler()", () => tuner.tpeSampler({ startupTrials: 1 }), {
    suggest: [() => [space, context, random]],
  }),
  ...methods("ehviSampler()", () => tuner.ehviSampler({ startupTrials: 1 }), {
    suggest: [() => [space, context, random]],
  }),
  ...methods("nsga2Sampler()", () => tuner.nsga2Sampler({ population: 2 }), {
    suggest: [() => [space, context, random]],
  }),
  ...methods("nsga3Sampler()", () => tuner.nsga3Sampler({ population: 2 }), {
    suggest: [() => [space, context, random]],
  }),
  ...methods("medianPruner()", () => tuner.medianPruner({ startupTrials: 1 }), {
    judge: [() => [{ ...context, trial: { ...trials[0], number: 1, state: "running" } }]],
  }),
};

const judged = { ...context, trial: { ...trials[0], number: 1, state: "running" } } as const;

/** Each pruner's verdict; the others are made of the same parts. */
const pruners: Subjects = {
  ...methods("thresholdPruner()", () => tuner.thresholdPruner({ upper: 1 }), { judge: [() => [judged]] }),
  ...methods("wilcoxonPruner()", () => tuner.wilcoxonPruner(), { judge: [() => [judged]] }),
  ...methods("patientPruner()", () => tuner.patientPruner(undefined, { patience: 0 }), { judge: [() => [judged]] }),
  ...methods("successiveHalvingPruner()", () => tuner.successiveHalvingPruner({ minimumResource: 1 }), {
    judge: [() => [judged]],
  }),
  ...methods("hyperbandPruner()", () => tuner.hyperbandPruner({ maximumResource: 9 }), { judge: [() => [judged]] }),
  ...methods("sageMakerMedianPruner()", () => tuner.sageMakerMedianPruner(), { judge: [() => [judged]] }),
  ...methods("curvePruner()", () => tuner.curvePruner({ horizon: 9, pause: true }), {
    judge: [() => [judged]],
    promote: [() => [context]],
  }),
  ...methods("rayMedianPruner()", () => tuner.rayMedianPruner(), { judge: [() => [judged]] }),
  ...methods("rayAshaPruner()", () => tuner.rayAshaPruner(), { judge: [() => [judged]] }),
  ...methods("ashaPruner()", () => tuner.ashaPruner({ maximumResource: 9 }), {
    judge: [() => [judged]],
    promote: [() => [context]],
  }),
};

const studies: Subjects = {
  openStudy: well(
    openStudy,
    () => [{ ...options, sampler: tuner.randomSampler(), pruner: false, budget: createBudget({ trials: 5 }) }],
    badSpace(() => openStudy({ ...options, space: { x: { kind: "float", low: 2, high: 1, log: false } } })),
  ),
  ...methods("openStudy()", study, {
    ask: [
      () => [{ trials: 4, signal }],
      {
        TUNER_STUDY_EXHAUSTED: async () => (await study()).ask({ trials: 0 }),
        TUNER_CONSTRAINTS_UNSATISFIABLE: async () =>
          (await openStudy({ ...options, constraints: [tuner.rule("never", () => false)] })).ask(),
      },
    ],
    enqueue: [
      () => [params],
      {
        TUNER_PARAMS_OUTSIDE_SPACE: async () => (await study()).enqueue({ ...params, x: 5 }),
        TUNER_PARAMS_FORBIDDEN: async () =>
          (await openStudy({ ...options, constraints: [tuner.linear({ x: 1 }, { atMost: 0 })] })).enqueue({
            ...params,
            x: 1,
          }),
      },
    ],
    optimize: [() => [() => 1, { trials: 2, parallelism: 1, failuresInARow: 2, signal: soon() }]],
    trials: [],
    front: [],
    history: [],
    best: [() => [], { TUNER_STUDY_EMPTY: async () => (await study()).best() }],
  }),
  ...methods("openStudy()", begunStudy, {
    tell: [
      () => [0, { state: "completed", value: 2 }, { signal }],
      {
        TUNER_TRIAL_UNKNOWN: async () => (await study()).tell(9, { state: "completed", value: 1 }),
        TUNER_VALUE_INVALID: async () => (await begunStudy()).tell(0, { state: "completed", value: Number.NaN }),
      },
    ],
  }),
};

const otherwise = (call: (held: Awaited<ReturnType<typeof study>>) => unknown) => async () => call(await study());

const trial = async () => (await study()).ask();

function journals(database: storage.Database): Subjects {
  const memory = openMemoryStudyJournal();
  const onDisk = openSqlStudyJournal(database);
  const journal = {
    read: [() => ["s", 0, { signal }], {}, 15],
    append: [() => ["s", 0, [{ entry: begun }], { signal }], {}, 15],
  } as const;
  return {
    openMemoryStudyJournal: well(openMemoryStudyJournal, () => [{}]),
    openSqlStudyJournal: well(openSqlStudyJournal, () => [database], {}, 15),
    ...methods("openMemoryStudyJournal()", () => memory, journal),
    ...methods("openSqlStudyJournal()", () => onDisk, journal),
  };
}

export async function openTable(folder: string): Promise<FailureTable> {
  const database = await storage.openSqlite(`${folder}/tuner.db`, { durability: "normal" });
  const kept = openStudy({ ...options, name: "kept", database });
  await (await kept).trials();
  return {
    subjects: {
      ...parts,
      ...pruners,
      ...studies,
      ...studyMethods,
      ...methods("openStudy().ask()", trial, {
        report: [
          () => [1, 0.5, { checkpoint: "c" }],
          { TUNER_VALUE_INVALID: async () => (await trial()).report(Number.NaN, 1) },
        ],
      }),
      "openStudy().differs": well(
        () => undefined,
        () => [],
        {
          TUNER_JOURNAL_CORRUPT: async () => {
            const journal = await openSqlStudyJournal(database);
            const foreign = { kind: "begin", number: 7, worker: "w", timeMs: 0 } as const;
            await journal.append("bad", 0, [{ entry: begun }, { entry: foreign }]);
            await (await openStudy({ ...options, name: "bad", database })).trials();
          },
          TUNER_STUDY_DIFFERS: () => openStudy({ ...options, name: "kept", direction: "maximize", database }),
          TUNER_TRIAL_FINISHED: otherwise(async (held) => {
            const { number } = await held.ask();
            await held.tell(number, { state: "completed", value: 1 });
            await held.tell(number, { state: "completed", value: 2 });
          }),
        },
      ),
      ...journals(database),
      ...executionSubjects,
      ...insightSubjects,
      ...interopSubjects,
    },
    elsewhere: {
      TUNER_TRIAL_LOST: "worker-recovery.test.ts: it takes another worker",
      TUNER_TRIAL_TIMEOUT: "failure-policy.test.ts: a reason of failed trials, not an error of a call",
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
