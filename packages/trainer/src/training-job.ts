// The module that a run's process runs.
import type { JsonValue } from "@millwright/contracts";
import type { WorkerContext } from "@millwright/jobs/worker";
import { openTfjs, type Tfjs } from "@millwright/tfjs";
import { buildModel, checkParams, importDefinition, trainingWays } from "./build-model.ts";
import type { TrainingDefinition } from "./define-training.ts";
import { runDry } from "./dry-run-job.ts";
import { tellError } from "./errors.ts";
import { finishRun } from "./finish-run.ts";
import type { LoopOptions } from "./loop-options.ts";
import { CheckpointWriter } from "./checkpoint-writer.ts";
import { checkpointOf, saveCheckpoint, saveSnapshot } from "./run-checkpoints.ts";
import { prepareData } from "./run-data.ts";
import type { RunSummary, TrainingRequest } from "./run-messages.ts";
import { progressSender, send, trainerLine } from "./run-senders.ts";
import { memoryFailure } from "./memory/out-of-memory.ts";
import { guardMemory } from "./memory/run-memory.ts";
import { divideGpus, openRunWorkers } from "./parallel/run-workers.ts";
import { usePrecision } from "./precision/mixed-precision.ts";
import { loopOptionsOf, type Session } from "./run-session.ts";
import { startWatching } from "./run-watching.ts";
import { startProfiling } from "./run-profiling.ts";
import { factsOf, type RunRecord, writeRecord } from "./reproduce/run-record.ts";
import { TrainingLoop } from "./training-loop.ts";

// oxlint-disable-next-line no-default-export -- what the module of a job exports
export default async function train(context: WorkerContext): Promise<JsonValue> {
  const request = context.input as unknown as TrainingRequest;
  let opened: Tfjs | undefined;
  try {
    const definition = await importDefinition(request.module);
    const params = await checkParams(definition, request.params);
    const task = definition.task ?? "binary";
    const { native, webgpu } = definition;
    const gpus = divideGpus(request, definition);
    const tfjs = await openTfjs({ device: request.device, native, webgpu, signal: context.signal });
    opened = tfjs;
    await using prepared = await prepareData(request, task, context.signal);
    const facts = await factsOf(request, tfjs);
    const build = async (): Promise<Session> => {
      const { names } = prepared;
      const { seed } = request;
      const ready = await buildModel(tfjs.tf, definition, { params, names, seed });
      const building = { tf: tfjs.tf, params, inputs: names.length, names, seed };
      const ways = trainingWays(request.module, definition, building);
      const { precision } = ways.optimization;
      if (precision !== undefined) usePrecision(tfjs.tf, ready.model, precision);
      return { request, context, task, tfjs, ready, prepared, facts, ...ways };
    };
    const session = await build();
    const { dryRun: dry } = request;
    const done =
      dry === undefined
        ? runSession(await guardMemory(session), definition, gpus)
        : runDry(session, definition, { dry, rebuild: build });
    return (await done) as unknown as JsonValue;
  } catch (thrown) {
    // Whatever is thrown once the device has failed comes of that.
    const error = memoryFailure(opened?.failure ?? thrown, opened);
    const told = tellError(error);
    if (told !== undefined && !context.signal.aborted) send(context, { kind: "error", error: told });
    throw error;
  }
}

async function runSession(
  { session: given, report: memory }: Awaited<ReturnType<typeof guardMemory>>,
  definition: TrainingDefinition,
  gpus: readonly string[],
): Promise<RunSummary> {
  await using watching = startWatching(given);
  const { session } = watching;
  const { request, context } = session;
  await using workers = await openRunWorkers(session, definition, {
    gpus,
    onChange: (change) => send(context, { kind: "worker", ...change }),
  });
  await using writer = new CheckpointWriter();
  const line = trainerLine(session);
  const loop = new TrainingLoop({
    ...loopOptionsOf(session, workers),
    save: request.checkpoints === null ? undefined : saver(session, writer),
    saveBeside: request.checkpoints?.beside !== false,
    saveBeforeTelling: request.awaitVerdict,
    watch: watching.watch,
    snapshot: snapshotTaker(session),
    onRule: (fired) => send(context, { kind: "rule", ...fired }),
    onStep: progressSender(session),
    ...line,
    onEpoch: (...epoch) => watching.waiting(() => line.onEpoch(...epoch)),
  });
  const record: RunRecord = { formatVersion: 1, request, facts: session.facts };
  await writeRecord(record);
  const found = await checkpointOf(request);
  if (found !== undefined) await loop.restore(found, found.path, found.own);
  tellStart(session, loop);
  const profiling = request.profile === null ? undefined : startProfiling(session);
  try {
    const result = await loop.run();
    const profile = await profiling?.end(result.profiler);
    const report = workers?.report();
    const summary = await finishRun(session, result, definition);
    const { outcome, step, weightsDigest, digest } = summary;
    await writeRecord({ ...record, result: { outcome, step, weightsDigest, digest } });
    return {
      ...summary,
      ...(profile === undefined ? {} : { profile }),
      ...(report === undefined ? {} : { workers: report }),
      ...(memory === undefined ? {} : { memory }),
      ...(request.determinism == null ? {} : { determinism: request.determinism }),
    };
  } finally {
    profiling?.stop();
  }
}

/** Tells where the run begins, and the epochs that are over. */
function tellStart({ context, tfjs, prepared, ready }: Session, loop: TrainingLoop): void {
  send(context, {
    kind: "started",
    pid: process.pid,
    device: tfjs.device,
    trainRows: prepared.train.rows,
    input: prepared.input,
    validationRows: prepared.validation?.rows ?? 0,
    inputs: prepared.names.length,
    weights: ready.model.countParams(),
    epoch: loop.position.epoch,
    step: loop.position.step,
  });
  // A kill may have come between a checkpoint and the news of it.
  for (const report of loop.reports)
    send(context, { kind: "epoch", ...report, value: null, checkpoint: null, again: true });
}

function saver({ request, context }: Session, writer: CheckpointWriter): NonNullable<LoopOptions["save"]> {
  const { directory, checkpoints } = request;
  return async (step, checkpoint, kept) => {
    const { folder, path } =
      checkpoints?.beside === false
        ? await saveCheckpoint(directory, step, checkpoint, kept)
        : await writer.write({ directory, step, checkpoint, kept });
    send(context, { kind: "checkpoint", step, path });
    return folder;
  };
}

function snapshotTaker({ request }: Session): NonNullable<LoopOptions["snapshot"]> {
  return (rule, { observation, checkpoint }) => saveSnapshot(request.directory, rule, { observation, checkpoint });
}
