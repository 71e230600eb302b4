// What a run's process does where it only tries.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@millwright/contracts";
import { filesIn } from "@millwright/model";
import { readLatestCheckpoint } from "./checkpoint-file.ts";
import type { TrainingDefinition } from "./define-training.ts";
import { type DryRunReport, type DryRunRequest, drySteps } from "./dry-run-report.ts";
import { resumeInexact } from "./errors.ts";
import { finishRun } from "./finish-run.ts";
import type { InputRequest } from "./input/input-plan.ts";
import type { LoopOptions, LoopResult } from "./loop-options.ts";
import { digestWeights } from "./model-state.ts";
import { predictRows } from "./predict-matrix.ts";
import { checkpointsIn, saveCheckpoint } from "./run-checkpoints.ts";
import { openRunWorkers } from "./parallel/run-workers.ts";
import { loopOptionsOf, type Session } from "./run-session.ts";
import { costOf } from "./run-spending.ts";
import { TrainingLoop } from "./training-loop.ts";

/** What was seen of a few steps. */
interface Tried {
  /** Of the weights in the end. */
  readonly digest: string;
  /** Each, with what callbacks do around it, without checkpoints. */
  readonly stepsMs: readonly number[];
  readonly savesMs: readonly number[];
  readonly result: LoopResult;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Checkpoints of each step have a folder of their own: none is deleted for being old. */
const folderOf = ({ request }: Session, step: number): string => join(request.directory, `step-${step}`);

async function tryLoop(session: Session, definition: TrainingDefinition, from?: string): Promise<Tried> {
  const stepsMs: number[] = [];
  const savesMs: number[] = [];
  let sinceMs = 0;
  let lastEpoch = 1;
  const save: LoopOptions["save"] = async (step, checkpoint, kept) => {
    const beganMs = systemClock.monotonicMs();
    const { folder } = await saveCheckpoint(folderOf(session, step), step, checkpoint, kept);
    const tookMs = systemClock.monotonicMs() - beganMs;
    savesMs.push(tookMs);
    sinceMs += tookMs;
    return folder;
  };
  await using workers = await openRunWorkers(session, definition, { alone: true });
  const loop = new TrainingLoop({
    ...loopOptionsOf(session, workers),
    epochs: drySteps + 1,
    stopping: undefined, // what is compared are the weights of the last step
    stopWhen: { steps: drySteps },
    checkpointSteps: 1,
    checkpointMs: undefined,
    save: session.request.checkpoints === null ? undefined : save,
    onStep(_step, epoch) {
      const nowMs = systemClock.monotonicMs();
      if (epoch === lastEpoch) stepsMs.push(nowMs - sinceMs); // else a validation came between
      lastEpoch = epoch;
      sinceMs = nowMs;
    },
    onEpoch: () => Promise.resolve("continue"),
  });
  const found = from === undefined ? undefined : await readLatestCheckpoint(from);
  if (found !== undefined) await loop.restore(found, found.path);
  lastEpoch = loop.position.epoch + 1;
  sinceMs = systemClock.monotonicMs();
  const result = await loop.run();
  return { digest: await digestWeights(session.ready.model), stepsMs, savesMs, result };
}

async function timed<Value>(work: () => Promise<Value>): Promise<readonly [value: Value, timeMs: number]> {
  const beganMs = systemClock.monotonicMs();
  const value = await work();
  return [value, systemClock.monotonicMs() - beganMs];
}

async function sizeOf(directory: string): Promise<number> {
  const paths = Object.keys(await filesIn(directory)).map((name) => join(directory, name));
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Tries every part of a run on a few batches. Throws what the parts throw, and `TRAINER_RESUME_INEXACT`.
 * @param rebuild The session with a model, an optimizer and callbacks made anew.
 */
export async function runDry(
  session: Session,
  definition: TrainingDefinition,
  { dry, rebuild }: { readonly dry: DryRunRequest; readonly rebuild: () => Promise<Session> },
): Promise<DryRunReport> {
  const start = process.uptime() * 1_000;
  const tried = await tryLoop(session, definition);
  const saves = tried.savesMs.length > 0;
  const [again, resumeMs] = await timed(async () =>
    saves ? tryLoop(await rebuild(), definition, checkpointsIn(folderOf(session, 1))) : undefined,
  );
  if (again !== undefined && again.digest !== tried.digest) throw resumeInexact(drySteps);
  const { validation } = session.prepared;
  const [, validationMs] = await timed(async () =>
    validation === undefined ? undefined : predictRows(session.tfjs.tf, session.ready.model, validation),
  );
  const [{ modelDirectory }, packageMs] = await timed(() => finishRun(session, tried.result, definition));
  const [train = 0, ...others] = tried.stepsMs;
  const phasesMs: DryRunReport["phasesMs"] = {
    start,
    train,
    validation: validation === undefined ? null : validationMs,
    checkpoint: saves ? median(tried.savesMs) : null,
    resume: saves ? resumeMs : null,
    package: packageMs,
  };
  const stepMs = others.length === 0 ? train : median(others);
  const checkpointBytes = saves ? await sizeOf(checkpointsIn(folderOf(session, drySteps))) : null;
  const packageBytes = modelDirectory === undefined ? 0 : await sizeOf(modelDirectory);
  return { phasesMs, estimate: estimateOf(session, dry, { phasesMs, stepMs, checkpointBytes, packageBytes }) };
}

interface Measured {
  readonly phasesMs: DryRunReport["phasesMs"];
  readonly stepMs: number;
  readonly checkpointBytes: number | null;
  readonly packageBytes: number;
}

/** What rows take in memory that were not read: all of them where they are kept, else what a stream may hold. */
const rowBytesOf = ({ mode, memoryBytes }: InputRequest, rows: number, width: number): number =>
  Math.min(4 * rows * (width + 1), mode === "matrix" ? Infinity : memoryBytes);

/** From what a few batches took to what all take: everything is in proportion to steps, rows or checkpoints. */
function estimateOf(
  { request, prepared, ready }: Session,
  dry: DryRunRequest,
  { phasesMs, stepMs, checkpointBytes, packageBytes }: Measured,
): DryRunReport["estimate"] {
  const { train, validation, features } = prepared;
  const most = dry.rows ?? Infinity;
  const trainRows = Math.min(most, features.rows);
  const dryRows = validation?.rows ?? 0;
  const validationRows = validation === undefined ? 0 : Math.min(most, request.validation?.rows ?? dryRows);
  const perEpoch = Math.ceil(trainRows / request.batchSize);
  const steps = Math.min(request.stopWhen?.steps ?? Infinity, perEpoch * request.epochs);
  const epochs = Math.ceil(steps / perEpoch);
  const checkpoints = epochs + Math.floor(steps / (request.checkpoints?.everySteps ?? Infinity));
  const validationMs = dryRows === 0 ? 0 : ((phasesMs.validation ?? 0) * validationRows) / dryRows;
  const wholeMs = steps * stepMs + epochs * validationMs + checkpoints * (phasesMs.checkpoint ?? 0);
  const trainingMs = Math.min(request.stopWhen?.timeMs ?? Infinity, wholeMs);
  const timeMs = phasesMs.start + Math.max(0, phasesMs.train - stepMs) + trainingMs + phasesMs.package;
  const missingRows = trainRows - train.rows + validationRows - dryRows;
  // The best epoch's weights lie in memory and in checkpoints besides.
  const bestBytes = request.stopping?.restoreBest === true ? 4 * ready.model.countParams() : 0;
  return {
    steps,
    timeMs,
    trainingMs,
    memoryBytes:
      process.resourceUsage().maxRSS * 1_024 + rowBytesOf(request.input, missingRows, train.width) + bestBytes,
    checkpointBytes: checkpointBytes === null ? null : checkpointBytes + bestBytes,
    packageBytes,
    cost: costOf(timeMs, dry.perHour ?? undefined),
  };
}
