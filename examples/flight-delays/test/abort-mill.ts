import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Batch, Dataset, LoadedModel, ResolvedModel, Tensors } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import {
  type FeatureStore,
  type FeatureView,
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  mean,
  openFeatureStore,
} from "@millwright/feature-store";
import { openLogOnlineStore } from "@millwright/feature-store/drivers/log";
import { type Jobs, openJobs } from "@millwright/jobs";
import { denseRuntime, packModel, writeDenseModel } from "@millwright/model";
import { type Monitor, openMonitor } from "@millwright/monitor";
import { openNdjsonCapture } from "@millwright/monitor/drivers/ndjson";
import { type Registry, openRegistry } from "@millwright/registry";
import { type ModelServer, openModelServer } from "@millwright/serving";
import {
  type Database,
  openDirectoryArtifactStore,
  openSqlite,
  openEventLog,
  openLeaseStore,
  openRecordStore,
} from "@millwright/storage";
import { type Tfjs, openTfjs, saveLayersModel, tfjsRuntime } from "@millwright/tfjs";
import { type Trainer, createTrainer } from "@millwright/trainer";
import { type Study, float, openStudy } from "@millwright/tuner";

const space = { rate: float(0.001, 1) };

/** One of everything, in one folder. */
export interface Mill extends AsyncDisposable {
  readonly folder: string;
  /** Where operations write what is to be there whole or not at all. */
  readonly output: string;
  readonly database: Database;
  readonly records: ReturnType<typeof openRecordStore>;
  readonly events: ReturnType<typeof openEventLog>;
  readonly leases: ReturnType<typeof openLeaseStore>;
  readonly artifacts: Awaited<ReturnType<typeof openDirectoryArtifactStore>>;
  readonly jobs: Jobs;
  readonly duckdb: DuckDb;
  readonly stored: Dataset;
  readonly views: { readonly delays: FeatureView };
  readonly features: FeatureStore;
  readonly trainer: Trainer;
  readonly study: Study<typeof space>;
  readonly registry: Registry;
  readonly model: ResolvedModel;
  readonly monitor: Monitor;
  readonly server: ModelServer;
  readonly tfjs: Tfjs;
  readonly network: LoadedModel;
}

/** Rows of flights that landed, one a minute from midnight on. */
export function landed(rows: number, day = 1): Batch {
  const numbers = Array.from({ length: rows }, (_, row) => row);
  return batchOf({
    origin: column(
      "utf8",
      numbers.map((row) => ["JFK", "LAX", "ORD"][row % 3] ?? "JFK"),
    ),
    landed: column(
      "timestamp",
      numbers.map((row) => new Date(Date.UTC(2024, 0, day, 0, row))),
    ),
    delay: column(
      "int32",
      numbers.map((row) => (row * 37) % 90),
    ),
  });
}

export const row: Tensors = { features: { dtype: "float32", shape: [1, 2], data: Float32Array.of(0.5, 2) } };

async function openStores(
  folder: string,
): Promise<Pick<Mill, "database" | "records" | "events" | "leases" | "artifacts">> {
  const database = await openSqlite(join(folder, "mill.db"));
  return {
    database,
    records: openRecordStore(database),
    events: openEventLog(database, { pollMs: 5 }),
    leases: openLeaseStore(database),
    artifacts: await openDirectoryArtifactStore(join(folder, "artifacts")),
  };
}

async function openFeatures(
  folder: string,
  duckdb: DuckDb,
): Promise<Pick<Mill, "features" | "views"> & AsyncDisposable> {
  const airport = defineEntity({ name: "airport", keys: { origin: "utf8" } });
  const delays = defineFeatureView({
    name: "delays",
    entity: airport,
    eventTime: "landed",
    inputs: { delay: "int32" },
    aggregates: { mean_3h: mean("delay", hours(3)), flights_7d: count(days(7)) },
  });
  const services = [defineFeatureService({ name: "late", views: [delays] })];
  const online = await openLogOnlineStore(join(folder, "online"), { flush: "system" });
  const features = await openFeatureStore({ history: join(folder, "features"), services, online, duckdb });
  await features.ingest(delays, landedDataset(2_000));
  return {
    features,
    views: { delays },
    async [Symbol.asyncDispose]() {
      await features[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
    },
  };
}

const landedDataset = async function* (rows: number): AsyncGenerator<Batch> {
  yield landed(rows);
};

async function openNetwork(folder: string): Promise<Pick<Mill, "tfjs" | "network">> {
  const tfjs = await openTfjs({ device: "js", selfTest: false });
  const { tf } = tfjs;
  const network = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
  await saveLayersModel(network, join(folder, "layers"));
  const packed = await packModel(join(folder, "packed-layers"), {
    name: "layers",
    format: "tfjs-layers",
    files: {
      "model.json": { path: join(folder, "layers", "model.json") },
      "weights.bin": { path: join(folder, "layers", "weights.bin") },
    },
    signature: {
      inputs: [{ name: "features", dtype: "float32", shape: [-1, 2] }],
      outputs: [{ name: "prediction", dtype: "float32", shape: [-1, 1] }],
    },
  });
  return { tfjs, network: await tfjsRuntime(tfjs).load(packed.directory, packed.manifest) };
}

/** So many captured rows that reading them takes more than one look at the file. */
async function writeRows(directory: string): Promise<void> {
  await using capture = await openNdjsonCapture({ directory });
  await capture.write(Array.from({ length: 50_000 }, (_, number) => ({ number })));
}

/** Opens everything. What it holds is the baseline that aborted operations must come back to. */
export async function openMill(folder: string): Promise<Mill> {
  const output = join(folder, "output");
  await mkdir(output);
  const stores = await openStores(folder);
  const { database, artifacts, events } = stores;
  const jobs = await openJobs({ directory: join(folder, "jobs"), maxCpus: 4, gpus: ["0"], retryDelayMs: 10 });
  const duckdb = await openDuckDb({ spillDirectory: join(folder, "spill"), threads: 2 });
  await duckdb.writeParquet(landed(20_000), join(folder, "landed.parquet"));
  const features = await openFeatures(folder, duckdb);
  const study = await openStudy({ name: "abort", space, direction: "minimize", database });
  const registry = await openRegistry({ database, artifacts, directory: join(folder, "staged"), pollMs: 5 });
  const dense = writeDenseModel([{ kernel: [0.5, -0.25], bias: [0.1], activation: "sigmoid" }]);
  const model = await packModel(join(folder, "dense"), { name: "late", format: "dense", ...dense });
  await registry.register("late", model.directory);
  await registry.setAlias("late", "champion", 1);
  const capture = await openNdjsonCapture({ directory: join(folder, "captured") });
  await writeRows(join(folder, "rows"));
  const monitor = openMonitor({ capture, events });
  const endpoints = { late: { variants: { main: { model: "late@champion", weight: 1 } } } };
  const server = await openModelServer({ source: registry, runtimes: [denseRuntime()], endpoints, database });
  const { tfjs, network } = await openNetwork(folder);
  return {
    folder,
    output,
    ...stores,
    jobs,
    duckdb,
    stored: await duckdb.scan(join(folder, "landed.parquet")),
    features: features.features,
    views: features.views,
    trainer: createTrainer({ jobs, directory: join(folder, "runs") }),
    study,
    registry,
    model,
    monitor,
    server,
    tfjs,
    network,
    async [Symbol.asyncDispose]() {
      await network.dispose();
      for (const opened of [server, monitor, capture, registry, study, features, jobs, duckdb, database]) {
        await opened[Symbol.asyncDispose]();
      }
    },
  };
}
