import { mkdir, writeFile } from "node:fs/promises";
import type * as contracts from "../../packages/contracts/dist/index.js";
import * as data from "../../packages/data/dist/index.js";
import type * as model from "../../packages/model/dist/index.js";
import * as storage from "../../packages/storage/dist/index.js";
import * as transform from "../../packages/serving/dist/transform.js";
import { methods, type Subjects, well } from "./subjects.ts";

const { signal } = new AbortController();
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** Answers what it was sent. */
const echo: transform.TransformTarget = {
  name: "echo",
  invoke: async ({ body }) => ({ status: 200, body: body as Uint8Array }),
};
const refusing = (status: number): transform.TransformTarget => ({
  name: "refusing",
  invoke: async () => ({ status, body: bytes('{"error":"No."}') }),
});

/** Batch transform: the calls of `@millwright/serving/transform`. */
export async function transformSubjects(
  folder: string,
  options: {
    readonly source: ReturnType<typeof model.openDirectoryModelSource>;
    readonly runtimes: readonly contracts.ModelRuntime[];
  },
): Promise<Subjects> {
  const input = `${folder}/records.csv`;
  const output = `${folder}/transformed`;
  await writeFile(input, "1,2\n3,4\n");
  await mkdir(`${folder}/unfinished`);
  const artifacts = storage.openMemoryArtifactStore();
  const stored = await artifacts.put(bytes("1\n"));
  const once = { target: echo, input, output, maxRetries: 0, restart: true };
  const run = async (changed: Partial<transform.TransformOptions> = {}): Promise<unknown> =>
    transform.startTransform({ ...once, ...changed }).result();
  const job = transform.startTransform({ ...once, name: "kept" });
  const result = await job.result();
  const manifest = result.manifest as transform.TransformManifest;
  const answering = (body: string) => async () => new Response(body);
  const unfinished = { ...once, output: `${folder}/unfinished`, name: "half" };
  const interrupted = async (changed: Partial<transform.TransformOptions>): Promise<unknown> => {
    const half: transform.TransformTarget = {
      name: "echo",
      invoke: async ({ body, requestId }) => ({
        status: requestId.endsWith("0-0") ? 200 : 400,
        body: body as Uint8Array,
      }),
    };
    await run({ ...unfinished, target: half, chunkRecords: 1, maxBatchRecords: 1 }).catch(() => {});
    return run({ ...unfinished, ...changed, restart: false });
  };
  const newer = async (): Promise<unknown> => {
    await mkdir(`${folder}/newer/.late.transform`, { recursive: true });
    await using log = await storage.openAppendLog(`${folder}/newer/.late.transform/job.log`);
    await log.append([JSON.stringify({ kind: "job", formatVersion: 2, job: "late", fingerprint: "sha256:0" })]);
    await log[Symbol.asyncDispose]();
    return run({ output: `${folder}/newer`, name: "late", restart: false });
  };
  const make = "export default () => ({ name: 'echo', invoke: async ({ body }) => ({ status: 200, body }) });";
  const thread = new URL(`data:text/javascript,${encodeURIComponent(make)}`);
  const figures = { records: 1, invocations: 1, retries: 0, startMs: 0, durationMs: 10, jobStartMs: 0, workers: 1 };
  const fileSink = transform.createFileScoreSink(`${folder}/scores`, "ndjson");
  const database = await storage.openSqlite(`${folder}/scores.db`, { durability: "normal" });
  const scored = async function* () {
    yield [{ key: "a", score: 1, answer: 1 }];
  };
  const description = {
    name: "late",
    digest: "sha256:0",
    entityKeys: [],
    requestInputs: [],
    features: [{ name: "x", type: "float64" }],
  };
  const rows = data.datasetOf([data.batchOf({ x: [1] })]);
  const history = {
    describe: async () => description,
    history: async () => rows,
  } as unknown as transform.FeatureHistory;
  return {
    startTransform: well(
      (given: transform.TransformOptions) => transform.startTransform(given).result(),
      () => [
        {
          ...once,
          model: undefined,
          maxConcurrentTransforms: 2,
          maxErrorRate: 0.5,
          chunkBytes: 10,
          inputFilter: "$",
          signal,
        },
      ],
      {
        SERVING_TRANSFORM_INVALID: () => run({ maxPayloadInMB: 101 }),
        "SERVING_TRANSFORM_INVALID: a path": () => run({ inputFilter: "features" }),
        SERVING_TRANSFORM_INPUT_MISSING: () => run({ input: `${folder}/nothing` }),
        SERVING_TRANSFORM_OUTPUT_FAILED: () => run({ output: input }),
        SERVING_TRANSFORM_RECORD_INVALID: () => run({ splitType: "RecordIO" }),
        SERVING_TRANSFORM_RECORD_TOO_LARGE: () => run({ maxPayloadInMB: 2 / 2 ** 20 }),
        SERVING_TRANSFORM_ANSWER_INVALID: () =>
          run({ target: { name: "short", invoke: async () => ({ status: 200, body: bytes("1\n") }) } }),
        SERVING_TRANSFORM_TARGET_FAILED: () => run({ target: refusing(400) }),
        "SERVING_TRANSFORM_TARGET_FAILED: nobody there": () =>
          run({ target: { name: "gone", invoke: () => Promise.reject(new TypeError("fetch failed")) } }),
        SERVING_TRANSFORM_CHANGED: () => interrupted({ batchStrategy: "SingleRecord" }),
        SERVING_TRANSFORM_LEDGER_NEWER: newer,
      },
      40,
    ),
    ...methods("startTransform()", () => job, {
      status: [],
      progress: [() => [{ signal }]],
      result: [() => [{ signal }]],
      stop: [() => ["enough", { signal }]],
      start: [() => [], {}, 0],
    }),
    createHttpTarget: well(transform.createHttpTarget, () => [
      "http://localhost",
      { headers: { a: "b" }, fetch: answering("1\n") },
    ]),
    ...methods("createHttpTarget()", () => transform.createHttpTarget("http://localhost", { fetch: answering("{}") }), {
      executionParameters: [() => [{ signal }]],
      invoke: [() => [{ body: bytes("1\n"), contentType: "text/csv", accept: "text/csv", requestId: "r", signal }]],
    }),
    openModelTarget: well(
      transform.openModelTarget,
      () => [{ ...options, model: "late/1" }, { signal }],
      {
        PORT_MODEL_UNKNOWN: () => transform.openModelTarget({ ...options, model: "other/1" }),
      },
      30,
    ),
    ...methods("openModelTarget()", () => transform.openModelTarget({ ...options, model: "late/1" }), {
      invoke: [
        () => [{ body: bytes("1,2\n"), contentType: "text/csv", accept: "text/csv", requestId: "r", signal }],
        {},
        20,
      ],
    }),
    openThreadTarget: well(transform.openThreadTarget, () => [thread, { threads: 1, data: 1, signal }], {}, 20),
    ...methods("openThreadTarget()", () => transform.openThreadTarget(thread, { threads: 1 }), {
      executionParameters: [() => [{ signal }], {}, 2],
      invoke: [
        () => [{ body: bytes("1,2\n"), contentType: "text/csv", accept: "text/csv", requestId: "r", signal }],
        {},
        5,
      ],
    }),
    readTransformLedger: well(transform.readTransformLedger, () => [output, "half", { signal }]),
    transformSlis: well(transform.transformSlis, () => [
      [figures],
      { perHour: 1, perInvocation: 0, perThousandRecords: 0 },
    ]),
    compareScores: well(
      transform.compareScores,
      () => [input, input, { tolerance: 0, threshold: 0.5, examples: 3, signal }],
      {
        SERVING_TRANSFORM_INPUT_MISSING: () => transform.compareScores(input, `${folder}/nothing`),
        SERVING_TRANSFORM_INVALID: () => transform.compareScores(input, input, { tolerance: -1 }),
      },
    ),
    compareTransforms: well(
      transform.compareTransforms,
      () => [
        { champion: { target: echo }, candidate: { target: echo }, input, output, name: "both", restart: true, signal },
      ],
      {
        SERVING_TRANSFORM_INPUT_MISSING: () =>
          transform.compareTransforms({
            champion: { target: echo },
            candidate: { target: echo },
            input: `${folder}/nothing`,
            output,
          }),
      },
      20,
    ),
    publishScores: well(
      transform.publishScores,
      () => [{ output, manifest, sinks: [fileSink], key: 0, runId: "r", signal }],
      {
        SERVING_TRANSFORM_INVALID: () => transform.publishScores({ output, manifest, sinks: [] }),
        SERVING_TRANSFORM_RECORD_INVALID: () =>
          transform.publishScores({ output, manifest, sinks: [fileSink], key: 7 }),
        SERVING_TRANSFORM_INPUT_MISSING: () =>
          transform.publishScores({ output: `${folder}/nothing`, manifest, sinks: [fileSink] }),
      },
    ),
    createFileScoreSink: well(transform.createFileScoreSink, () => [`${folder}/scores`, "csv"], {
      SERVING_TRANSFORM_INVALID: () => transform.createFileScoreSink(folder, "xml" as never),
    }),
    ...methods("createFileScoreSink()", () => fileSink, { write: [() => [scored(), { runId: "r", signal }], {}, 20] }),
    createParquetScoreSink: well(transform.createParquetScoreSink, () => [{ writeParquet: async () => [] }, folder]),
    ...methods(
      "createParquetScoreSink()",
      () => transform.createParquetScoreSink({ writeParquet: async () => [] }, folder),
      {
        write: [() => [scored(), { runId: "r", signal }], {}, 20],
      },
    ),
    openDatabaseScoreSink: well(transform.openDatabaseScoreSink, () => [database, { signal }], {}, 10),
    ...methods("openDatabaseScoreSink()", () => transform.openDatabaseScoreSink(database), {
      write: [() => [scored(), { runId: "r", signal }], {}, 10],
    }),
    createFeatureScoreSink: well(transform.createFeatureScoreSink, () => [
      { ingest: async () => ({}) },
      { view: "v", rowOf: (row: object) => row },
    ]),
    ...methods(
      "createFeatureScoreSink()",
      () => transform.createFeatureScoreSink({ ingest: async () => ({}) }, { view: "v", rowOf: (row) => row }),
      { write: [() => [scored(), { runId: "r", signal }], {}, 20] },
    ),
    createAsOfFeatures: well(transform.createAsOfFeatures, () => [history, { asOfMs: 1 }], {
      SERVING_TRANSFORM_INVALID: () => transform.createAsOfFeatures(history, { asOfMs: Number.NaN }),
    }),
    ...methods("createAsOfFeatures()", () => transform.createAsOfFeatures(history, { asOfMs: 1 }), {
      describe: [() => ["late", { signal }]],
      read: [() => ["late", { entities: { length: 1, columns: {} }, signal }]],
    }),
    artifactObject: well(transform.artifactObject, () => [artifacts, stored.digest, "a.csv"]),
    ...methods("artifactObject()", () => transform.artifactObject(artifacts, stored.digest, "a.csv"), {
      open: [() => [{ signal }]],
    }),
    compareManifests: well(transform.compareManifests, () => [manifest, manifest]),
    transformEnvironment: well(transform.transformEnvironment, () => [
      { maxPayloadInMB: 6, batchStrategy: "SingleRecord" },
    ]),
  };
}
