import { join } from "node:path";
import { batchOf, column, datasetOf } from "@millwright/data";
import { openFeatureStore } from "@millwright/feature-store";
import { denseRuntime, filesIn, loadModel, packModel, verifyModel, writeDenseModel } from "@millwright/model";
import { openNdjsonCapture, readNdjsonCapture } from "@millwright/monitor/drivers/ndjson";
import { openRegistry } from "@millwright/registry";
import { openModelServer } from "@millwright/serving";
import { loadLayersModel, openTfjs, saveLayersModel, tfjsRuntime } from "@millwright/tfjs";
import { openStudy } from "@millwright/tuner";
import { landed, type Mill, row } from "./abort-mill.ts";
import { closing, type Operation, walk } from "./abort-operations.ts";

const fixture = (name: string): URL => new URL(`./fixtures/${name}`, import.meta.url);

/** Real child processes, each on the one GPU or waiting for it; stopped afterwards, whatever became of the call. */
export function jobOperations({ jobs, trainer, stored }: Mill): readonly Operation[] {
  const launch = (number: number, signal?: AbortSignal) =>
    jobs.launch(
      {
        id: `endless-${number}`,
        run: { module: fixture("endless.job.js").href, input: "endless" },
        resources: { cpus: 1, gpus: 1 },
        limits: { graceMs: 500 },
      },
      { signal },
    );
  const whileItRuns = async (number: number, wait: (job: Awaited<ReturnType<typeof launch>>) => Promise<unknown>) => {
    const job = await launch(number);
    try {
      return await wait(job);
    } finally {
      await job.stop("The call is over.");
    }
  };
  return [
    {
      name: "jobs.launch",
      times: 8,
      run: async (signal, number) => {
        const job = await launch(number, signal);
        await job.stop("It was launched.");
      },
    },
    {
      name: "job.result",
      times: 8,
      endless: true,
      withinMs: 1_000,
      run: (signal, number) => whileItRuns(number, (job) => job.result({ signal })),
    },
    {
      name: "job.events",
      times: 8,
      endless: true,
      withinMs: 1_000,
      run: (signal, number) => whileItRuns(number, (job) => walk(job.events({ signal }))),
    },
    { name: "jobs.attach", times: 8, run: (signal) => jobs.attach("warm", { signal }) },
    { name: "jobs.history", times: 8, run: (signal) => jobs.history("warm", { signal }) },
    {
      name: "trainer.start",
      times: 6,
      endless: true,
      withinMs: 3_000,
      run: async (signal, number) => {
        const run = await trainer.start(fixture("endless.train.js"), {
          id: `endless-${number}`,
          data: { train: stored.ref({ signal }) },
          label: "delay",
          epochs: 100_000,
          device: "js",
          retries: 0,
          progress: false,
          limits: { graceMs: 2_000 },
          signal,
        });
        return run.result({ signal });
      },
    },
  ];
}

/** Features offline and online. */
export function featureOperations({ features, views: { delays }, folder, output, duckdb }: Mill): readonly Operation[] {
  const labels = batchOf({
    origin: ["JFK", "LAX"],
    departure: column("timestamp", [new Date(Date.UTC(2024, 0, 1, 10)), new Date(Date.UTC(2024, 0, 2))]),
  });
  const entities = batchOf({ origin: ["JFK"] });
  return [
    {
      name: "features.ingest",
      times: 12,
      run: (signal, number) =>
        features.ingest(delays, datasetOf([landed(300, 2 + (number % 20))]), { batchId: `${number}`, signal }),
    },
    {
      name: "features.history",
      times: 16,
      run: (signal, number) =>
        features.history("late", {
          labels,
          labelTime: "departure",
          path: join(output, `history-${number}.parquet`),
          signal,
        }),
    },
    { name: "features.push", times: 23, run: (signal) => features.push(delays, landed(20, 25), { signal }) },
    {
      name: "features.materialize",
      times: 9,
      run: (signal) => features.materialize(delays, { upToMs: Date.UTC(2024, 0, 3), signal }),
    },
    { name: "features.read", times: 12, run: (signal) => features.read("late", { entities, signal }) },
    { name: "features.describe", times: 5, run: (signal) => features.describe("late", { signal }) },
    {
      name: "openFeatureStore",
      times: 5,
      run: (signal) => closing(openFeatureStore({ history: join(folder, "other"), services: [], duckdb, signal })),
    },
  ];
}

/** Studies, runs and versions. */
export function registryOperations({
  study,
  registry,
  database,
  artifacts,
  folder,
  model,
}: Mill): readonly Operation[] {
  return [
    {
      name: "study.ask",
      times: 23,
      run: async (signal) => {
        const trial = await study.ask({ signal });
        try {
          await trial.report(0, 1, { signal });
        } finally {
          await study.tell(trial.number, { state: "completed", value: 1 });
        }
      },
    },
    {
      name: "study.optimize",
      times: 19,
      endless: true,
      run: (signal) =>
        study.optimize(
          (trial) =>
            new Promise((_, reject) => trial.signal.addEventListener("abort", () => reject(trial.signal.reason))),
          { trials: 1_000_000, signal },
        ),
    },
    { name: "study.trials", times: 8, run: (signal) => study.trials({ signal }) },
    { name: "study.enqueue", times: 8, run: (signal) => study.enqueue({ rate: 0.1 }, { signal }) },
    {
      name: "openStudy",
      times: 8,
      run: (signal, number) =>
        closing(
          openStudy({
            name: `study-${number}`,
            space: study.space,
            direction: "minimize",
            database,
            leaseMs: 60_000,
            signal,
          }),
        ),
    },
    {
      name: "registry.startRun",
      times: 16,
      run: async (signal) => {
        const run = await registry.startRun({ experiment: "abort", signal });
        try {
          run.logParams({ rate: 0.1 });
          await run.logArtifact("weights.bin", Buffer.alloc(5_000, run.id), { signal });
        } finally {
          await run.end("finished");
        }
      },
    },
    { name: "registry.register", times: 12, run: (signal) => registry.register("late", model.directory, { signal }) },
    {
      name: "registry.approve",
      times: 8,
      run: async (signal, number) => {
        const { files, signature } = writeDenseModel([{ kernel: [number], bias: [0], activation: "linear" }]);
        const packed = await packModel(join(folder, "versions", `${number}`), {
          name: "late",
          format: "dense",
          files,
          signature,
        });
        const { version } = await registry.register("late", packed.directory);
        await registry.approve("late", version, { status: "approved", by: "ann" }, { signal });
      },
    },
    {
      name: "registry.setAlias",
      times: 8,
      run: (signal, number) => registry.setAlias("late", `alias-${number % 3}`, 1, { signal }),
    },
    { name: "registry.resolve", times: 12, run: (signal) => registry.resolve("late@champion", { signal }) },
    {
      name: "registry.watch",
      times: 19,
      endless: true,
      run: (signal) => walk(registry.watch("late@champion", { signal })),
    },
    { name: "registry.versions", times: 8, run: (signal) => registry.versions("late", { signal }) },
    { name: "registry.runs", times: 8, run: (signal) => registry.runs({ signal }) },
    {
      name: "registry.lineage",
      times: 8,
      run: (signal) => registry.lineage({ kind: "model", id: model.digest }, { direction: "ancestors", signal }),
    },
    {
      name: "openRegistry",
      times: 5,
      run: (signal) => closing(openRegistry({ database, artifacts, directory: join(folder, "staged"), signal })),
    },
  ];
}

/** Packages, predictions, monitoring, tensors. */
export function servingOperations(mill: Mill): readonly Operation[] {
  const { server, registry, model, monitor, tfjs, network, folder, output } = mill;
  const dense = writeDenseModel([
    { kernel: new Float32Array(200_000), bias: new Float32Array(2), activation: "linear" },
  ]);
  const endpoints = { late: { variants: { main: { model: "late/1", weight: 1 } } } };
  const plan = { model: "late/1", traffic: { type: "all-at-once" } } as const;
  return [
    {
      name: "packModel",
      times: 16,
      run: (signal, number) =>
        packModel(join(output, `package-${number}`), { name: "late", format: "dense", ...dense, signal }),
    },
    { name: "verifyModel", times: 12, run: (signal) => verifyModel(model.directory, { signal }) },
    { name: "filesIn", times: 5, run: (signal) => filesIn(folder, { signal }) },
    { name: "loadModel", times: 12, run: (signal) => closing(loadModel(model, [denseRuntime()], { signal })) },
    { name: "server.predict", times: 31, run: (signal) => server.predict("late", { instances: [[1, 2]], signal }) },
    { name: "server.deploy", times: 6, run: (signal) => server.deploy("late", plan, { signal }).catch(isBusy) },
    { name: "server.status", times: 5, run: (signal) => server.status("late", { signal }) },
    {
      name: "openModelServer",
      times: 8,
      run: (signal) => closing(openModelServer({ source: registry, runtimes: [denseRuntime()], endpoints, signal })),
    },
    { name: "monitor.evaluate", times: 8, run: (signal) => monitor.evaluate(undefined, { signal }) },
    { name: "monitor.flush", times: 8, run: (signal) => monitor.flush({ signal }) },
    { name: "monitor.alerts", times: 5, run: (signal) => monitor.alerts("endpoint/late", { signal }) },
    {
      name: "monitor.changes",
      times: 16,
      endless: true,
      run: (signal) => walk(monitor.changes("endpoint/late", { signal })),
    },
    {
      name: "openNdjsonCapture",
      times: 8,
      run: async (signal) => {
        await using capture = await openNdjsonCapture({ directory: join(folder, "rows"), signal });
        await capture.write([{ distance: 1 }, { distance: 2 }], { signal });
      },
    },
    {
      name: "readNdjsonCapture",
      times: 8,
      run: (signal) => walk(readNdjsonCapture(join(folder, "rows"), { signal })),
    },
    { name: "tfjs.predict", times: 16, run: async (signal) => network.predict(row, { signal }) },
    { name: "tfjs.load", times: 8, run: (signal) => loadLayersModel(tfjs, join(folder, "layers"), { signal }) },
    {
      name: "tfjs.save",
      times: 8,
      run: async (signal, number) => {
        const copy = await loadLayersModel(tfjs, join(folder, "layers"));
        await saveLayersModel(copy, join(output, `layers-${number}`), { signal });
      },
    },
    { name: "openTfjs", times: 4, withinMs: 100, run: (signal) => openTfjs({ device: "js", signal }) },
    {
      name: "runtime.load",
      times: 8,
      run: async (signal) => {
        const { directory, manifest } = await verifyModel(join(folder, "packed-layers"), { signal });
        const loaded = await tfjsRuntime(tfjs).load(directory, manifest, { signal });
        await loaded.dispose();
      },
    },
  ];
}

/** Several deployments were asked for at once: that one is refused is no failure of its abort. */
function isBusy(error: unknown): void {
  if ((error as { code?: string }).code !== "PORT_DEPLOYMENT_RUNNING") throw error;
}
