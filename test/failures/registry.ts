import { generateKeyPairSync } from "node:crypto";
import { createManualClock } from "../../packages/contracts/dist/index.js";
import * as model from "../../packages/model/dist/index.js";
import * as registry from "../../packages/registry/dist/index.js";
import * as storage from "../../packages/storage/dist/index.js";
import { governance } from "./registry-governance.ts";
import { lineage } from "./registry-lineage.ts";
import { records } from "./registry-records.ts";
import { mlflow } from "./registry-mlflow.ts";
import { openlineageSubjects } from "./registry-openlineage.ts";
import { runs } from "./registry-runs.ts";
import { webhookSubjects } from "./registry-webhooks.ts";
import { type FailureTable, methods, well } from "./subjects.ts";

const signal = new AbortController().signal;
const clock = createManualClock(0);

const start = {
  id: "0199aaaa-0000-7000-8000-000000000000",
  experiment: "late",
  name: "far",
  tags: {},
  from: [],
  startedMs: 0,
} as unknown as registry.RunStart;
const span = { name: "train", duration: [1, 0], endTime: [2, 0], status: { code: 0 }, attributes: { rows: 1 } };

export async function openTable(folder: string): Promise<FailureTable> {
  const database = await storage.openSqlite(`${folder}/mill.db`, { durability: "normal" });
  const artifacts = storage.openMemoryArtifactStore();
  const options = { database, artifacts, directory: `${folder}/staged`, flushMs: 10, pollMs: 10 };
  const open = await registry.openRegistry(options);
  const kept = await registry.openRegistry(options);
  const dense = model.writeDenseModel([{ kernel: [0.5], bias: [0.1], activation: "sigmoid" }]);
  await model.packModel(`${folder}/late`, { name: "late", format: "dense", ...dense });
  const envelope = await model.signModel(`${folder}/late`, { key: generateKeyPairSync("ed25519").privateKey });
  await open.register("late", `${folder}/late`);
  await open.approve("late", 1, { status: "approved", by: "ann" });
  await open.setAlias("late", "champion", 1);
  for (const bias of [0.1, 0.2, 0.3]) {
    const ruled = model.writeDenseModel([{ kernel: [0.5], bias: [bias], activation: "sigmoid" }]);
    await model.packModel(`${folder}/ruled-${bias}`, { name: "ruled", format: "dense", ...ruled });
    const { version } = await open.register("ruled", `${folder}/ruled-${bias}`);
    await open.approve("ruled", version, { status: "approved", by: "ann" });
  }
  const run = await open.startRun({ experiment: "late" });
  const offline = await registry.openOfflineTracker({ directory: `${folder}/offline` });
  const webhooks = await registry.openWebhooks({
    database,
    webhooks: [{ id: "ci", url: "http://127.0.0.1:9/hook", secrets: ["secret"], types: ["audit.none"] }],
  });
  const other = await open.startRun({ experiment: "late" });
  for (const each of [run, other]) {
    each.logMetrics([0, 1, 2].map((step) => ({ name: "loss", step, value: step })));
    await each.flush();
  }
  await registry.logChart(run, "table", registry.tableChart({ a: [1, 2], loss: [3, 4] }));
  let experimentsMade = 0;
  const otherExperiment = async () => (await kept.createExperiment(`other ${(experimentsMade += 1)}`)).name;
  const deletedRun = async () => {
    const { id } = await kept.startRun({ experiment: "late" });
    await kept.deleteRun(id);
    return id;
  };
  const unknown = (call: () => unknown) => ({ PORT_MODEL_UNKNOWN: call });
  const noRun = (call: () => unknown) => ({ REGISTRY_RUN_UNKNOWN: call });
  return {
    subjects: {
      tableChart: well(registry.tableChart, () => [{ a: [1, "b", null] }]),
      confusionChart: well(registry.confusionChart, () => [["a", "b"], ["a", "a"], { labels: ["a", "b"] }]),
      rocChart: well(registry.rocChart, () => [[true, false], [0.5, 0.25], { points: 10 }]),
      precisionRecallChart: well(registry.precisionRecallChart, () => [[true, false], [0.5, 0.25], { points: 10 }]),
      logChart: well(registry.logChart, () => [run, "table", registry.tableChart({ a: [1] }), { signal }], {}, 20),
      startSystemMetrics: well(
        registry.startSystemMetrics,
        () => [run, { intervalMs: 1000, clock, gpus: () => [] }],
        {},
        20,
      ),
      ...methods("startSystemMetrics()", () => registry.startSystemMetrics(run, { clock }), {
        sample: [() => [{ signal }], {}, 10],
      }),
      openRegistry: well(registry.openRegistry, () => [options], {}, 30),
      layersCallbacks: well(registry.layersCallbacks, () => [run, { prefix: "fold-1/" }]),
      ...methods("layersCallbacks()", () => registry.layersCallbacks(run), {
        onEpochEnd: [() => [0, { loss: 1 }], {}, 12],
        onTrainEnd: [() => [{}], {}, 6],
      }),
      logJsonLines: well(registry.logJsonLines, () => [run, ['{"loss":1}\n'], { signal }], {}, 20),
      spanExporter: well(registry.spanExporter, () => [run]),
      ...methods("spanExporter()", () => registry.spanExporter(run), {
        export: [() => [[span], () => undefined], {}, 20],
        forceFlush: [],
        shutdown: [],
      }),
      ...governance(open),
      ...records(open),
      ...lineage(open),
      ...webhookSubjects(webhooks, database),
      openOfflineTracker: well(registry.openOfflineTracker, () => [{ directory: `${folder}/offline`, signal }], {}, 20),
      ...methods("openOfflineTracker()", () => offline, {
        startRun: [() => [{ experiment: "late", signal }], {}, 12],
        resumeRun: [() => ["nobody", { signal }], {}, 12],
        runs: [() => [{ signal }], {}, 12],
        sync: [() => [{ artifacts, ...open }, { signal }], {}, 6],
      }),
      ...methods("openRegistry()", () => open, {
        register: [
          () => ["late", `${folder}/late`, { tags: { a: "b" }, signal }],
          {
            REGISTRY_NAME_INVALID: () => open.register("a/b", `${folder}/late`),
            PORT_MODEL_CORRUPT: () => open.register("late", folder),
          },
          20,
        ],
        importRun: [
          () => ["journal", start, [{ position: 1, entry: { kind: "log", params: { a: 1 } } }], { signal }],
          {},
          20,
        ],
        importedPosition: [() => ["journal", start.id, { signal }], {}, 20],
        approve: [
          async () => {
            const [version] = await open.versions("late");
            return [
              "late",
              1,
              { status: version?.approval === "approved" ? "rejected" : "approved", by: "ann" },
              { signal },
            ];
          },
          unknown(() => open.approve("late", 99, { status: "approved", by: "ann" })),
          20,
        ],
        setAlias: [
          () => ["late", "champion", 1, { signal }],
          {
            PORT_VERSION_CONFLICT: () => open.setAlias("late", "champion", 1, { ifVersion: 9 }),
            REGISTRY_NAME_INVALID: () => open.setAlias("late", "a b/c", 1),
          },
          20,
        ],
        resolve: [() => ["late@champion", { signal }], unknown(() => open.resolve("other/1")), 20],
        watch: [() => ["late@champion", { signal: AbortSignal.timeout(30) }], {}, 10],
        startRun: [
          () => [{ experiment: "late", name: "a", tags: { b: "c" }, signal }],
          { REGISTRY_NAME_INVALID: () => open.startRun({ experiment: "" }) },
          20,
        ],
        resumeRun: [() => [run.id, { signal }], {}, 15],
        run: [() => [run.id, { signal }], noRun(() => open.run("none")), 15],
        runs: [() => [{ experiment: "late", limit: 3, signal }], {}, 20],
        series: [() => [run.id, "loss", { signal }], noRun(() => open.series("none", "loss")), 15],
        experiments: [() => [{ signal }], {}, 10],
        updateRun: [
          () => [run.id, { name: "b", notes: "c" }, { by: "ann", signal }],
          {
            ...noRun(() => open.updateRun("none", { name: "b" })),
            REGISTRY_RUN_DELETED: async () => open.updateRun(await deletedRun(), { name: "b" }),
          },
          15,
        ],
        tagRun: [() => [run.id, { set: { a: "b" }, remove: ["c"] }, { by: "ann", signal }], {}, 15],
        logDatasets: [
          () => [run.id, [{ name: "flights", digest: "d1", context: "training" }], { by: "ann", signal }],
          {},
          15,
        ],
        deleteRun: [async () => [await deletedRun(), { by: "ann", signal }], {}, 10],
        restoreRun: [() => [run.id, { by: "ann", signal }], {}, 10],
        createExperiment: [
          () => [`made ${(experimentsMade += 1)}`, { tags: { a: "b" }, artifactRoot: "s3://a", by: "ann", signal }],
          { REGISTRY_EXPERIMENT_EXISTS: () => open.createExperiment("late") },
          15,
        ],
        experiment: [() => ["late", { signal }], { REGISTRY_EXPERIMENT_UNKNOWN: () => open.experiment("none") }, 10],
        updateExperiment: [() => ["late", { set: { a: "b" }, remove: ["c"] }, { by: "ann", signal }], {}, 10],
        deleteExperiment: [
          async () => [await otherExperiment(), { by: "ann", signal }],
          {
            REGISTRY_EXPERIMENT_DELETED: async () => {
              const name = await otherExperiment();
              await open.deleteExperiment(name);
              await open.startRun({ experiment: name });
            },
          },
          10,
        ],
        restoreExperiment: [() => ["late", { by: "ann", signal }], {}, 10],
        searchExperiments: [
          () => [{ filter: "name like 'l%'", orderBy: ["name"], view: "all", limit: 2, signal }],
          {},
          15,
        ],
        searchModels: [() => [{ filter: "name like 'l%'", orderBy: ["name"], limit: 2, signal }], {}, 15],
        searchVersions: [() => [{ filter: "version_number > 0", orderBy: ["name"], limit: 2, signal }], {}, 15],
        history: [
          () => [run.id, "loss", { points: 10, fromStep: 0, toStep: 5, signal }],
          noRun(() => open.history("none", "loss")),
          20,
        ],
        curves: [() => [[run.id], "loss", { points: 10, signal }], {}, 15],
        charts: [() => [run.id, { signal }], {}, 10],
        chart: [
          () => [run.id, "table", { offset: 0, limit: 2, signal }],
          {
            REGISTRY_CHART_UNKNOWN: () => open.chart(run.id, "none"),
            REGISTRY_CHART_INVALID: async () => {
              await run.logArtifact("charts/wrong.json", new Uint8Array());
              await open.chart(run.id, "wrong");
            },
          },
          15,
        ],
        compareRuns: [
          () => [[run.id, other.id], { metrics: ["loss"], alpha: 0.1, resamples: 100, examples: "table", signal }],
          {},
          20,
        ],
        searchRuns: [
          () => [
            {
              experiments: ["late"],
              filter: "metrics.loss > 0",
              orderBy: ["name DESC"],
              view: "all",
              limit: 2,
              signal,
            },
          ],
          {
            REGISTRY_QUERY_INVALID: () => open.searchRuns({ filter: "metrics.loss >" }),
            REGISTRY_PAGE_TOKEN_INVALID: () => open.searchRuns({ pageToken: "none" }),
          },
          40,
        ],
        version: [() => ["late/1", { signal }], unknown(() => open.version("late/99")), 15],
        versions: [() => ["late", { signal }], {}, 15],
        approvals: [() => ["late", 1, { signal }], {}, 15],
        signatures: [() => ["late", 1, { signal }], unknown(() => open.signatures("late", 99)), 15],
        addSignature: [
          () => ["late", 1, envelope, { by: "ann", signal }],
          {
            ...unknown(() => open.addSignature("late", 99, envelope)),
            MODEL_SIGNATURE_INVALID: () => open.addSignature("late", 1, { ...envelope, payload: "e30=" }),
          },
          25,
        ],
        aliasHistory: [() => ["late", "champion", { signal }], {}, 15],
        aliases: [() => ["late", { signal }], {}, 15],
        previousApproved: [() => ["late", 1, { signal }], {}, 15],
      }),
      ...runs(kept),
      ...(await mlflow(folder, { registry: open, database, artifacts })),
      ...(await openlineageSubjects(folder, kept, database)),
    },
    elsewhere: {
      REGISTRY_ACTOR_MISSING: "packages/registry/test/actors.test.ts",
      REGISTRY_CHANGED_MEANWHILE: "packages/registry/test/gate-races.test.ts",
      REGISTRY_COPY_DIFFERS: "packages/registry/test/copies.test.ts",
      REGISTRY_GATE_CLOSED: "packages/registry/test/gates.test.ts",
      REGISTRY_STAGE_REFUSED: "packages/registry/test/governance.test.ts",
      REGISTRY_MLFLOW_ARTIFACTS_ELSEWHERE: "packages/registry/test/mlflow-client.test.ts",
      REGISTRY_JOURNAL_INVALID: "packages/registry/test/offline.test.ts",
      REGISTRY_WRITE_FAILED: "packages/registry/test/write-failures.test.ts",
    },
    [Symbol.asyncDispose]: async () => {
      await offline[Symbol.asyncDispose]();
      await webhooks[Symbol.asyncDispose]();
      await open[Symbol.asyncDispose]();
      await kept[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
