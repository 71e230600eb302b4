import * as model from "../../packages/model/dist/index.js";
import * as serving from "../../packages/serving/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

const signal = new AbortController().signal;
const options = { memoryBytes: 1_000_000, backoffMs: 0, overheadBytes: 10, memoryWaitMs: 0 };

/** @param folder Holds the models `late/1` and `late/2`. */
export async function catalogSubjects(folder: string): Promise<Subjects & AsyncDisposable> {
  const models = serving.createModelCatalog({ ...options, pins: ["late/1"] });
  const small = serving.createModelCatalog({ ...options, memoryBytes: 1 });
  const full = serving.createModelCatalog({ ...options, memoryBytes: 70_000, overheadBytes: 0, pins: ["late/1"] });
  const shared = { variants: {} };
  const server = await serving.openModelServer({
    source: model.openDirectoryModelSource(folder),
    runtimes: [model.denseRuntime()],
    endpoints: {
      fleet: { ...shared, models },
      small: { ...shared, models: small },
      full: { ...shared, models: full },
    },
    watch: false,
  });
  const unknown = (call: () => unknown) => ({ SERVING_MODEL_NOT_LOADED: call });
  let other = 0;
  const subjects = {
    createModelCatalog: well(serving.createModelCatalog, () => [options]),
    ...methods("createModelCatalog()", () => models, {
      load: [
        () => {
          other += 1;
          return [`other ${other}`, { ref: "late/2", mayEvict: true, signal }];
        },
        {
          SERVING_MODEL_LOADED: () => models.load("late/1"),
          SERVING_MODEL_TOO_LARGE: () => small.load("late/2"),
          SERVING_MODEL_MEMORY: () => full.load("late/2"),
          PORT_MODEL_UNKNOWN: () => models.load("nobody/1"),
        },
        30,
      ],
      unload: [
        async () => {
          if (models.model("late/2") === undefined) await models.load("late/2");
          return ["late/2", { signal }];
        },
        unknown(() => models.unload("nobody/1")),
        30,
      ],
      pin: [() => ["late/1", { signal }], { PORT_MODEL_UNKNOWN: () => models.pin("nobody/1") }, 30],
      warm: [() => ["late/1", { signal }], { PORT_MODEL_UNKNOWN: () => models.warm("nobody/1") }, 30],
      unpin: [() => ["late/2"]],
      models: [() => []],
      model: [() => ["late/1"]],
      stats: [() => []],
    }),
    prefetch: well(serving.prefetch, () => [
      { models, next: { minShare: 0.5, minCount: 2, most: 1 }, maxConcurrent: 1 },
    ]),
    ...methods("prefetch()", () => serving.prefetch({ models }), {
      stats: [() => []],
      // Called by the server.
      open: [() => [{ meter: { counter: () => ({ add: () => {} }) } }], {}, 0],
      request: [() => [{ request: {} }, async () => ({})], {}, 0],
      close: [() => [], {}, 0],
    }),
  };
  return Object.assign(subjects, { [Symbol.asyncDispose]: () => server.drain() });
}
