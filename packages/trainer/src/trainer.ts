import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type Clock,
  createIdSource,
  type DatasetRef,
  type EntityReference,
  type IdSource,
  type JobLauncher,
  type JsonValue,
  type RunHandle,
  type RunId,
  systemClock,
} from "@millwright/contracts";
import { tryRun } from "./dry-run.ts";
import type { DryRunReport } from "./dry-run-report.ts";
import type { DeterminismReport } from "./determinism/determinism-level.ts";
import { verifyDeterminism } from "./determinism/verify-run.ts";
import { inputInvalid } from "./errors.ts";
import { guardedRetries } from "./memory/memory-guard.ts";
import { createProgressLine, type ProgressTarget } from "./progress-line.ts";
import { reproduceRun, type ReproduceOptions, type ReproduceReport } from "./reproduce/reproduce-run.ts";
import { requestOf } from "./run-request.ts";
import { openSpending, type Spending } from "./run-spending.ts";
import { checkFeatures, checkLabelOf, checkOptions, type StartOptions, type TrainingData } from "./start-options.ts";
import { followRun, type TrainingRun } from "./training-run.ts";

export interface TrainerOptions {
  /** Runs the processes: `openJobs` of `@millwright/jobs`. */
  readonly jobs: JobLauncher;
  /** Where runs keep their checkpoints and models, one folder each. */
  readonly directory: string;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
}

export interface Trainer {
  /**
   * Trains the module's model on the data, in a process of its own.
   * @param module File URL of a compiled module whose default export is `defineTraining(…)`.
   * Throws `TRAINER_INPUT_INVALID`, `TRAINER_LABEL_UNKNOWN`, `TRAINER_FEATURES_MISMATCH`, before a process starts; all else comes from the run's `result`.
   */
  start(module: URL | string, options: StartOptions): Promise<TrainingRun>;
  /**
   * Tries what `start` with these options would do, in a process of its own and a temporary folder: reads the data, takes a few steps, validates,
   * writes a checkpoint, goes on from it with a model built anew and compares, and writes a package. Trial, tracker, id, `resumeFrom` and budget are
   * left alone. Throws what `start` and a run's `result` throw, and `TRAINER_RESUME_INEXACT` where a run that went on from a checkpoint would end with
   * other weights.
   */
  dryRun(module: URL | string, options: StartOptions): Promise<DryRunReport>;
  /**
   * Trains twice with these options, one run after the other, and compares them as `determinism` declares (by default `"bitwise"`). Trial, tracker, id, `resumeFrom`
   * and budget are left alone, and nothing of the two is kept. Throws what `start` and a run's `result` throw, and `TRAINER_DETERMINISM_BROKEN` where the two are not
   * as alike as declared.
   */
  verify(module: URL | string, options: StartOptions): Promise<DeterminismReport>;
  /**
   * Does a run again, from the record that lies in its folder, and compares: on a CPU the same code, versions and data give a package of the same digest. Where
   * it has another, the report lists what is not as it was. Throws `TRAINER_RECORD_MISSING`, and what a run's `result` throws.
   * @param run Its id, or its folder.
   */
  reproduce(run: string, options?: ReproduceOptions): Promise<ReproduceReport>;
}

const runModule = new URL(
  import.meta.url.endsWith(".ts") ? "../dist/training-job.js" : "./training-job.js",
  import.meta.url,
).href;

/** Makes a trainer. It does nothing until a run is started. */
export function createTrainer({
  jobs,
  directory,
  clock = systemClock,
  ids = createIdSource(clock),
}: TrainerOptions): Trainer {
  const root = resolve(directory);
  return {
    async start(module, options) {
      const checked = await check(module, options);
      const spending = await openSpending(options.budget, clock);
      try {
        return await launchRun(checked, options, { jobs, root, clock, ids, spending });
      } catch (error) {
        await spending?.end();
        throw error;
      }
    },
    async dryRun(module, options) {
      const { url, train, validation } = await check(module, options);
      return tryRun(url, options, { jobs, train, validation, ids, clock, runModule });
    },
    async verify(module, options) {
      const checked = await check(module, options);
      return verifyDeterminism(options, (plain, folder) =>
        launchRun(checked, plain, { jobs, root: folder, clock, ids, spending: undefined }),
      );
    },
    reproduce: (run, options = {}) => reproduceRun(run, options, { jobs, root, ids, runModule }),
  };
}

interface LaunchSetting {
  readonly jobs: JobLauncher;
  /** The folder of all runs. */
  readonly root: string;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly spending: Spending | undefined;
}

/** Tells the tracker, starts the process, and follows it. */
async function launchRun(
  { url, train, validation }: CheckedStart,
  options: StartOptions,
  { jobs, root, clock, ids, spending }: LaunchSetting,
): Promise<TrainingRun> {
  const id = options.id ?? ids.next();
  const from = originsOf(train, validation);
  const tracked = await track(options, id, join(root, id), from);
  const request = requestOf(url, options, {
    id,
    train,
    validation,
    tracked,
    directory: join(root, id),
    nowMs: clock.nowMs(),
  });
  const job = await jobs.launch({
    id,
    run: { module: runModule, input: request as unknown as JsonValue },
    retries:
      request.memoryGuard == null ? (options.retries ?? 2) : guardedRetries(options.retries ?? 2, request.batchSize),
    spot: options.spot,
    limits: options.limits,
    resources: { cpus: request.workers?.count, ...options.resources },
    environment: options.environment,
    causedBy: tracked?.eventId ?? options.trial?.eventId,
  });
  const target = progressOf(options.progress);
  const line = target === undefined ? undefined : createProgressLine(request.name, target);
  const signals = [options.signal, options.trial?.signal].filter((signal) => signal !== undefined);
  const { trial } = options;
  return followRun({
    id,
    directory: request.directory,
    job,
    from,
    clock,
    ids,
    line,
    trial,
    tracked,
    signals,
    spending,
  });
}

interface CheckedStart {
  readonly url: string;
  readonly train: DatasetRef;
  readonly validation: DatasetRef | undefined;
}

/** Refuses what can be refused before there is a process. */
async function check(module: URL | string, options: StartOptions): Promise<CheckedStart> {
  // Where the options are refused first, nobody awaits these.
  void Promise.allSettled([options.data.train, options.data.validation]);
  options.signal?.throwIfAborted();
  checkOptions(options);
  const url = String(module);
  if (!url.startsWith("file:")) throw inputInvalid("module", url, "the file URL of a compiled module");
  const [train, validation] = await Promise.all([refOf(options.data.train), maybeRefOf(options.data.validation)]);
  for (const ref of validation === undefined ? [train] : [train, validation]) checkLabelOf(ref, options.label);
  checkFeatures(options, train);
  return { url, train, validation };
}

async function refOf(data: TrainingData): Promise<DatasetRef> {
  const given = await data;
  return "ref" in given ? given.ref() : given;
}

const maybeRefOf = async (data: TrainingData | undefined): Promise<DatasetRef | undefined> =>
  data === undefined ? undefined : refOf(data);

function progressOf(progress: StartOptions["progress"]): ProgressTarget | undefined {
  if (progress === false) return undefined;
  if (progress !== undefined) return progress;
  return process.stderr.isTTY ? process.stderr : undefined;
}

const originsOf = (train: DatasetRef, validation: DatasetRef | undefined): readonly EntityReference[] => [
  { kind: "dataset", id: train.digest, name: "train" },
  ...(validation === undefined ? [] : [{ kind: "dataset" as const, id: validation.digest, name: "validation" }]),
];

async function track(
  options: StartOptions,
  id: string,
  directory: string,
  from: readonly EntityReference[],
): Promise<RunHandle | undefined> {
  const { tracker, trial, name = "model", experiment = name, params = {}, epochs, batchSize, seed } = options;
  if (tracker === undefined) return undefined;
  const note = join(directory, "tracked-run.json");
  const known = await readTrackedRun(note);
  const resumed = known === undefined ? undefined : await tracker.resumeRun?.(known);
  if (resumed !== undefined) return resumed;
  const tags = trial === undefined ? undefined : { "millwright.trial": trial.id };
  const handle = await tracker.startRun({ experiment, name: id, from, tags, causedBy: trial?.eventId });
  await mkdir(directory, { recursive: true });
  await writeFile(`${note}.draft`, JSON.stringify({ formatVersion: 1, runId: handle.id }));
  await rename(`${note}.draft`, note);
  handle.logParams({ ...params, epochs: epochs ?? 10, batchSize: batchSize ?? 1_024, seed: seed ?? 1 });
  return handle;
}

/** The tracked run that an earlier start of the same id began. */
async function readTrackedRun(path: string): Promise<RunId | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as { readonly runId: RunId }).runId;
}
