// The module that a run's process runs.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Dataset,
  type DatasetRef,
  digestOf,
  digestOfJson,
  type JsonValue,
  systemClock,
} from "@millwright/contracts";
import {
  batchOf,
  compileTransforms,
  createProfiler,
  type FittedTransforms,
  type Profile,
  profileOf,
} from "@millwright/data";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import { runWorker, type WorkerContext } from "@millwright/jobs/worker";
import { openTfjs, type Tfjs } from "@millwright/tfjs";
import { buildModel, checkParams, importDefinition, type ReadyModel } from "./build-model.ts";
import { type ReadCheckpoint, readLatestCheckpoint, writeCheckpoint } from "./checkpoint-file.ts";
import type { TrainingDefinition, TrainingTask } from "./define-training.ts";
import { dataEmpty, tellError } from "./errors.ts";
import { checkLabel, loadMatrix } from "./load-matrix.ts";
import type { Metrics } from "./metrics.ts";
import type { Matrix } from "./minibatches.ts";
import { digestWeights } from "./model-state.ts";
import { packTrained } from "./pack-trained.ts";
import { predictMatrix } from "./predict-matrix.ts";
import { transformsOf } from "./run-transforms.ts";
import type { EpochReport, RunMessage, RunSummary, TrainingRequest, Verdict } from "./run-messages.ts";
import { type LoopResult, metricsOf, TrainingLoop } from "./training-loop.ts";

interface Prepared {
  /** Fitted to all training rows: for validation and serving. */
  readonly transforms: FittedTransforms;
  /** Whether training rows were encoded without their own labels. */
  readonly outOfFold: boolean;
  readonly names: readonly string[];
  readonly train: Matrix;
  readonly validation: Matrix | undefined;
  readonly features: Profile;
}

interface Session {
  readonly request: TrainingRequest;
  readonly context: WorkerContext;
  readonly task: TrainingTask;
  readonly tfjs: Tfjs;
  readonly ready: ReadyModel;
  readonly prepared: Prepared;
}

const send = (context: WorkerContext, message: RunMessage): void => context.send(message as unknown as JsonValue);

async function train(context: WorkerContext): Promise<JsonValue> {
  const request = context.input as unknown as TrainingRequest;
  try {
    const definition = await importDefinition(request.module);
    const params = await checkParams(definition, request.params);
    const task = definition.task ?? "binary";
    const tfjs = await openTfjs({ device: request.device, native: definition.native });
    const prepared = await prepare(request, task, context);
    const ready = await buildModel(tfjs.tf, definition, { params, names: prepared.names, seed: request.seed });
    return (await runSession({ request, context, task, tfjs, ready, prepared }, definition)) as unknown as JsonValue;
  } catch (error) {
    const told = tellError(error);
    if (told !== undefined && !context.signal.aborted) send(context, { kind: "error", error: told });
    throw error;
  }
}

async function prepare(request: TrainingRequest, task: TrainingTask, context: WorkerContext): Promise<Prepared> {
  const { signal } = context;
  await using duckdb = await openDuckDb();
  const trainSet = await openSet(duckdb, request.train, request, "training");
  const validationSet =
    request.validation === null ? undefined : await openSet(duckdb, request.validation, request, "validation");
  const { fitted: transforms, trainBatch } = await transformsOf(request, trainSet, signal);
  const compiled = compileTransforms(transforms);
  const columns = trainSet.schema.filter(({ name }) => compiled.columns.includes(name));
  const profiler = createProfiler(columns);
  const common = { label: request.label, task, maxRows: request.maxRows ?? undefined, signal };
  const train = await loadMatrix(trainSet, compiled, {
    ...common,
    role: "training",
    transform: trainBatch,
    onBatch: (batch) => profiler.update(batch),
  });
  const validation =
    validationSet === undefined
      ? undefined
      : await loadMatrix(validationSet, compiled, { ...common, role: "validation" });
  return {
    transforms,
    outOfFold: trainBatch !== undefined,
    names: compiled.names,
    train,
    validation,
    features: profiler.profile(),
  };
}

async function openSet(
  duckdb: DuckDb,
  ref: DatasetRef,
  { label, verifyData }: TrainingRequest,
  role: "training" | "validation",
): Promise<Dataset> {
  checkLabel(ref.schema, label);
  if (ref.rows === 0) throw dataEmpty(role); // before transforms are fitted on nothing
  const dataset = duckdb.openRef(ref);
  if (verifyData) await dataset.digest();
  return dataset;
}

async function runSession(session: Session, definition: TrainingDefinition): Promise<RunSummary> {
  const { request, context, tfjs, prepared, ready } = session;
  const loop = new TrainingLoop({
    tf: tfjs.tf,
    ready,
    task: session.task,
    train: prepared.train,
    validation: prepared.validation,
    epochs: request.epochs,
    batchSize: request.batchSize,
    seed: request.seed,
    signal: context.signal,
    stopping: stoppingOf(session),
    fingerprint: fingerprintOf(session),
    checkpointSteps: request.checkpoints?.everySteps ?? undefined,
    lossEverySteps: tfjs.device === "gpu" ? 20 : 1,
    save: request.checkpoints === null ? undefined : saver(session),
    onStep: progressSender(session),
    onEpoch: epochSender(session),
  });
  const found = await checkpointOf(request);
  if (found !== undefined) await loop.restore(found, found.path);
  send(context, {
    kind: "started",
    pid: process.pid,
    device: tfjs.device,
    trainRows: prepared.train.rows,
    validationRows: prepared.validation?.rows ?? 0,
    inputs: prepared.names.length,
    weights: ready.model.countParams(),
    epoch: loop.position.epoch,
    step: loop.position.step,
  });
  // A kill may have come between a checkpoint and the news of it.
  for (const report of loop.reports)
    send(context, { kind: "epoch", ...report, value: null, checkpoint: null, again: true });
  return finish(session, await loop.run(), definition);
}

const checkpointsIn = (directory: string): string => join(directory, "checkpoints");

/** The run's own newest checkpoint, else that of the run it goes on from. */
async function checkpointOf({ directory, resumeFrom }: TrainingRequest): Promise<ReadCheckpoint | undefined> {
  const own = await readLatestCheckpoint(checkpointsIn(directory));
  return own ?? (resumeFrom === null ? undefined : readLatestCheckpoint(resumeFrom));
}

function saver({
  request,
  context,
}: Session): (step: number, checkpoint: Parameters<typeof writeCheckpoint>[2]) => Promise<string> {
  const directory = checkpointsIn(request.directory);
  return async (step, checkpoint) => {
    const path = await writeCheckpoint(directory, step, checkpoint);
    send(context, { kind: "checkpoint", step, path });
    return directory;
  };
}

const objectiveOf = (task: TrainingTask): string => (task === "binary" ? "logLoss" : "mse");

function stoppingOf({ request, task, prepared }: Session): ConstructorParameters<typeof TrainingLoop>[0]["stopping"] {
  if (request.stopping === null) return undefined;
  const objective = prepared.validation === undefined ? "trainLoss" : objectiveOf(task);
  return { ...request.stopping, metric: request.stopping.metric ?? objective };
}

/** Everything that decides a step's bits, as text. */
function fingerprintOf({ request, tfjs, prepared, ready }: Session): Readonly<Record<string, string>> {
  return {
    seed: String(request.seed),
    params: JSON.stringify(request.params),
    backend: tfjs.backend,
    tfjs: tfjs.environment["tfjs"] ?? "unknown",
    batchSize: String(request.batchSize),
    rows: String(prepared.train.rows),
    data: request.train.digest,
    transforms: `${digestOfJson(prepared.transforms)}${prepared.outOfFold ? ", out of fold" : ""}`,
    optimizer: ready.optimizer.getClassName(),
  };
}

function progressSender({
  request,
  context,
  prepared,
}: Session): ConstructorParameters<typeof TrainingLoop>[0]["onStep"] {
  const batches = Math.ceil(prepared.train.rows / request.batchSize);
  const steps = batches * request.epochs;
  let sentMs = -Infinity;
  return (step, epoch, loss, rowsPerSecond) => {
    const nowMs = systemClock.monotonicMs();
    if (nowMs - sentMs < request.progressEveryMs) return;
    sentMs = nowMs;
    const secondsLeft = rowsPerSecond === 0 ? 0 : ((steps - step) / batches) * (prepared.train.rows / rowsPerSecond);
    send(context, {
      kind: "progress",
      epoch,
      epochs: request.epochs,
      step,
      steps,
      loss: loss ?? null,
      rowsPerSecond,
      secondsLeft,
    });
  };
}

function epochSender({ request, context, task }: Session): ConstructorParameters<typeof TrainingLoop>[0]["onEpoch"] {
  const verdicts = new Map<number, Verdict["verdict"]>();
  let wake: (() => void) | undefined;
  context.onMessage((body) => {
    const { epoch, verdict } = body as unknown as Verdict;
    verdicts.set(epoch, verdict);
    wake?.();
  });
  context.signal.addEventListener("abort", () => wake?.(), { once: true });
  return async (report: EpochReport, checkpoint) => {
    const value = report.metrics[objectiveOf(task)] ?? report.trainLoss;
    send(context, { kind: "epoch", ...report, value, checkpoint: checkpoint ?? null, again: false });
    while (request.awaitVerdict && !verdicts.has(report.epoch)) {
      context.signal.throwIfAborted();
      await new Promise<void>((resolve) => (wake = resolve));
    }
    return verdicts.get(report.epoch) ?? "continue";
  };
}

async function finish(session: Session, result: LoopResult, definition: TrainingDefinition): Promise<RunSummary> {
  const { tfjs, ready, task, prepared, context } = session;
  const weightsDigest = await digestWeights(ready.model);
  const told = { ...result, weightsDigest };
  const sample = prepared.validation ?? prepared.train;
  const predictions = await predictMatrix(tfjs.tf, ready.model, sample);
  const metrics = metricsOf(task, sample, predictions);
  if (result.outcome === "paused") return { ...told, metrics };
  context.phase("uploading");
  const packed = await packTrained({
    tf: tfjs.tf,
    model: ready.model,
    request: session.request,
    transforms: prepared.transforms,
    sample,
    profile: profileWith(prepared.features, predictions),
    provenance: await provenanceOf(session, metrics, definition),
  });
  const { digest, directory: modelDirectory, manifest } = packed;
  return { ...told, metrics, digest, modelDirectory, format: manifest.format };
}

/** The profile of the features as they were learned from, and of what the model says of the validation rows. */
function profileWith(features: Profile, predictions: Float32Array): Profile {
  const said = profileOf(batchOf({ prediction: predictions }));
  return { rows: features.rows, columns: { ...features.columns, ...said.columns } };
}

async function provenanceOf(
  session: Session,
  metrics: Metrics,
  definition: TrainingDefinition,
): Promise<Parameters<typeof packTrained>[0]["provenance"]> {
  const { request, tfjs, prepared } = session;
  const code = await readFile(fileURLToPath(request.module));
  const finite = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  return {
    datasets: {
      train: request.train.digest,
      ...(request.validation === null ? {} : { validation: request.validation.digest }),
    },
    code: digestOf(code),
    environment: {
      ...tfjs.environment,
      platform: `${process.platform}-${process.arch}`,
      device: tfjs.device,
      backend: tfjs.backend,
      task: definition.task ?? "binary",
    },
    seed: request.seed,
    hyperparameters: {
      ...request.params,
      epochs: request.epochs,
      batchSize: request.batchSize,
      trainRows: prepared.train.rows,
    },
    metrics: Object.fromEntries(finite),
    runId: request.trackedRunId ?? request.runId,
  };
}

await runWorker(train);
