import { readdir, readlink, rm, stat, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type Digest,
  digestOfJson,
  isFinalJobState,
  type JobEvent,
  type JobHistoryEntry,
  type JobLauncher,
  type JobResult,
  type JobSpec,
  type JsonValue,
  systemClock,
} from "@millwright/contracts";
import { openPipes } from "./channels/pipes.ts";
import { stageChannel } from "./channels/staging.ts";
import {
  codeDigest,
  type DirectoryJobOptions,
  endedBefore,
  follow,
  type Followed,
  keepFiles,
  lineageOf,
  stageOnce,
} from "./directory-job.ts";
import { createMask } from "./environment.ts";
import { directoryTaken, linkTaken, writeFailure } from "./errors.ts";
import { filesBelow, type JobFiles, makeEmpty, readJson, stageInput, writeJson } from "./job-files.ts";
import type { MetricSeries } from "./metric-series.ts";
import { cutReason, readFailure } from "./outcome.ts";
import { type CheckpointSyncReport, restoreCheckpoints, startCheckpointSync } from "./supervision/checkpoint-sync.ts";
import { jobTimes, type JobTimes } from "./supervision/job-times.ts";
import { writeArchive } from "./tar.ts";
import {
  configurationFiles,
  scriptArguments,
  trainingEnvironment,
  type TrainingFolders,
  trainingFolders,
  type TrainingSetting,
} from "./training-container.ts";
import {
  checkTraining,
  hostShare,
  identityOf,
  scriptName,
  settingOf,
  type TrainingContext,
  type TrainingSpec,
} from "./training-spec.ts";

/** How a training job ended; kept as `training.json` in its directory, unless it was interrupted and may go on. */
export interface TrainingResult extends JobResult {
  readonly formatVersion: 1;
  readonly id: string;
  /** What was run: the digest of a script with its folder, of a module's file, or of a command's words. */
  readonly code: Digest;
  readonly channels: Readonly<Record<string, JobFiles>>;
  /** What is in `model/`. Of a job that did not complete, what it had written by then. */
  readonly model: JobFiles;
  /** What is in `output/data/`. */
  readonly outputData: JobFiles;
  /** Where the archives are, if they were asked for. */
  readonly archives?: { readonly model: string; readonly outputData?: string | undefined } | undefined;
  /** What the job said of its metrics: by its module, and in its lines by `metrics` of the spec. */
  readonly metrics: MetricSeries;
  /** How its time was spent, in all attempts: SageMaker's training time, billable time and savings among it. */
  readonly times: JobTimes;
  /** What was copied of its checkpoints by this call, if `checkpointSync` asks for it. */
  readonly checkpointSync?: CheckpointSyncReport | undefined;
  readonly endedAtMs: number;
}

export type TrainingOptions = DirectoryJobOptions;

interface Staged {
  readonly channels: Readonly<Record<string, JobFiles>>;
  readonly code?: Digest | undefined;
}

/**
 * Lays the directory out as SageMaker lays out `/opt/ml`, runs the job in it with the variables that sagemaker-training sets, and digests what it left in
 * `model/` and `output/data/`. A job that fails is a result: its `failureReason` is the first 1,024 characters of `output/failure`. Every attempt finds
 * `checkpoints/` as the one before left it. Run again with the same spec, a job that has ended is not run again, and one that goes on is waited for.
 * On abort the job is stopped, and the call rejects with `signal.reason`.
 *
 * Throws `JOBS_SPEC_INVALID`, `JOBS_INPUT_MISSING`, `JOBS_INPUT_MODE_UNSUPPORTED`, `JOBS_MANIFEST_INVALID`, `JOBS_DIRECTORY_TAKEN`, `JOBS_LINK_TAKEN`,
 * `JOBS_WRITE_FAILED`, and what the launcher and the stores throw.
 */
export async function runTraining(
  launcher: JobLauncher,
  spec: TrainingSpec,
  options: TrainingOptions = {},
): Promise<TrainingResult> {
  const { signal, clock = systemClock } = options;
  signal?.throwIfAborted();
  checkTraining(spec, options.artifacts);
  const root = resolve(spec.directory);
  const identity = identityOf(spec);
  const ended = await endedBefore(root, spec.id, identity, "training.json");
  if (ended !== undefined) return ended as TrainingResult;
  const setting = settingOf(spec, trainingFolders(resolve(spec.linkedAs ?? root)));
  const staged = await stageOnce(root, identity, () => stage(trainingFolders(root), spec, setting, options));
  const unlink = await link(spec.linkedAs, root);
  let followed: FollowedTraining;
  try {
    followed = await runWithPipes(launcher, spec, setting, root, options);
  } finally {
    await unlink();
  }
  const { result: verdict, metrics, times, checkpointSync } = followed;
  const made = await collect(root, spec, verdict, signal);
  const code = staged.code ?? (await codeDigest(spec.run as JobSpec["run"]));
  const { channels } = staged;
  const result: TrainingResult = {
    formatVersion: 1,
    id: spec.id,
    ...verdict,
    code,
    channels,
    ...made,
    metrics,
    times,
    ...(checkpointSync === undefined ? {} : { checkpointSync }),
    endedAtMs: clock.nowMs(),
  };
  // A job that was interrupted goes on under the next call.
  if (!isFinalJobState(verdict.state)) return result;
  if (verdict.state === "completed") {
    await keepFiles(trainingFolders(root).model, made.model, options);
    await keepFiles(trainingFolders(root).outputData, made.outputData, options);
  }
  const data = lineageOf(result, channels, { model: made.model, "output/data": made.outputData });
  await options.events?.append([{ source: "millwright/jobs", type: "job.processed", subject: spec.id, data }]);
  await writeJson(join(root, "training.json"), { spec: digestOfJson(identity), result });
  return result;
}

const ownFolders: readonly string[] = ["input", "model", "output", "checkpoints", "code"];

/** Marks the directory as a training job's, whose folders may be emptied. Throws `JOBS_DIRECTORY_TAKEN` where they hold what no job of ours put there. */
async function claim(root: string, id: string): Promise<void> {
  const mark = join(root, "begun.json");
  if ((await readJson(mark)) !== undefined) return;
  for (const folder of ownFolders) {
    const found = await readdir(join(root, folder)).catch(() => []);
    if (found.length > 0) throw directoryTaken(root, id);
  }
  await writeJson(mark, { id });
}

/** Puts everything in its folder that is there before the job. */
async function stage(
  folders: TrainingFolders,
  spec: TrainingSpec,
  setting: TrainingSetting,
  { artifacts, signal }: TrainingOptions,
): Promise<Staged> {
  const { run: program, channels = {} } = spec;
  await claim(folders.root, spec.id);
  for (const folder of ownFolders) await makeEmpty(join(folders.root, folder));
  await makeEmpty(folders.outputData);
  const staged: Record<string, JobFiles> = {};
  for (const [name, channel] of Object.entries(channels)) {
    const folder = join(folders.data, name);
    staged[name] = await stageChannel(name, channel, folder, { artifacts, signal, share: hostShare(setting) });
  }
  for (const [name, value] of Object.entries(configurationFiles(setting)))
    await writeJson(join(folders.config, name), value);
  if (!("script" in program)) return { channels: staged };
  const source = { path: program.sourceDirectory ?? program.script };
  await stageInput("script", source, folders.code, { artifacts, signal });
  return { channels: staged, code: (await filesBelow(folders.code)).digest };
}

/** Makes the link of the fixed path. @returns what takes it away again. Throws `JOBS_LINK_TAKEN`, `JOBS_WRITE_FAILED`. */
async function link(path: string | undefined, root: string): Promise<() => Promise<void>> {
  if (path === undefined) return async () => {};
  const isOurs = async (): Promise<boolean> => {
    const target = await readlink(path).catch(() => undefined);
    return target !== undefined && resolve(target) === root;
  };
  try {
    if (!(await isOurs())) await symlink(root, path, "junction");
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EEXIST" ? linkTaken(path, root) : writeFailure(path, error);
  }
  return async () => {
    if (await isOurs()) await rm(path, { force: true });
  };
}

interface FollowedTraining extends Followed {
  readonly times: JobTimes;
  readonly checkpointSync?: CheckpointSyncReport | undefined;
}

/** Runs the job with the channels that come through FIFOs. A job whose channel broke has failed, whatever it made of what came. */
async function runWithPipes(
  launcher: JobLauncher,
  spec: TrainingSpec,
  setting: TrainingSetting,
  root: string,
  options: TrainingOptions,
): Promise<FollowedTraining> {
  const broken = new AbortController();
  const pipes = await openPipes({
    channels: spec.channels ?? {},
    folder: trainingFolders(root).data,
    stockFolder: join(root, "input", ".fifos"),
    share: hostShare(setting),
    artifacts: options.artifacts,
    onFailure: (error) => broken.abort(error),
  });
  const onEvent = (event: JobEvent): void => {
    if (event.kind === "state" && event.state === "interrupted") pipes.restart();
    options.onEvent?.(event);
  };
  try {
    const followed = await run(launcher, spec, setting, root, { ...options, onEvent, broken: broken.signal });
    if (!broken.signal.aborted) return followed;
    const failureReason = cutReason((broken.signal.reason as Error).message);
    const { value: _, ...result } = followed.result;
    return {
      ...followed,
      result: { ...result, state: "failed", failureReason, failureCategory: "data", failureCause: "error" },
    };
  } finally {
    await pipes.close();
  }
}

/** Runs the job to its end, and takes its failure from where SageMaker's scripts write it. */
async function run(
  launcher: JobLauncher,
  spec: TrainingSpec,
  setting: TrainingSetting,
  root: string,
  { signal, onEvent, broken }: TrainingOptions & { readonly broken: AbortSignal },
): Promise<FollowedTraining> {
  const { checkpoints } = trainingFolders(root);
  const { checkpointSync: wanted, spot } = spec;
  if (wanted !== undefined) await restoreCheckpoints(checkpoints, resolve(wanted.directory));
  const job = await launcher.launch(jobOf(spec, setting), { signal });
  const sync = wanted && startCheckpointSync(checkpoints, { ...wanted, directory: resolve(wanted.directory) });
  const stop = (): void => void job.stop((broken.reason as Error).message).catch(() => {});
  if (broken.aborted) stop();
  else broken.addEventListener("abort", stop, { once: true });
  let startedAtMs = 0;
  const states: JobHistoryEntry[] = [];
  const watch = (event: JobEvent): void => {
    if (event.kind === "state") {
      const { state, timeMs, cause } = event;
      states.push({ state, timeMs, cause });
      if (state === "starting") startedAtMs = timeMs;
      if (state === "interrupted") void sync?.now();
    }
    onEvent?.(event);
  };
  let ended: Followed;
  let checkpointSync: CheckpointSyncReport | undefined;
  try {
    ended = await follow(job, { signal, onEvent: watch });
  } finally {
    checkpointSync = await sync?.end();
  }
  const times = jobTimes(states, { priceRatio: spot?.priceRatio });
  const followed = { ...ended, times, checkpointSync };
  const { result } = followed;
  if (result.state !== "failed" || (result.exitCode ?? 0) === 0) return followed;
  const path = join(root, "output", "failure");
  // What an earlier attempt wrote is not why this one failed. File systems keep times in steps of some milliseconds.
  const writtenAtMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? -1;
  const written = writtenAtMs < startedAtMs - 20 ? undefined : await readFailure(path);
  if (written === undefined) return followed;
  const failureReason = cutReason(createMask(spec.environment ?? {})(written));
  return { ...followed, result: { ...result, failureReason } };
}

function jobOf(spec: TrainingSpec, setting: TrainingSetting): JobSpec {
  const { id, run: program, environment, limits, resources, retries, spot, metrics } = spec;
  const { folders, channels } = setting;
  const told = {
    TRAINING_JOB_ARN: `arn:aws:sagemaker:local:000000000000:training-job/${id}`,
    // A script's lines are to be seen when it writes them.
    PYTHONUNBUFFERED: "1",
    ...environment,
    ...trainingEnvironment(setting),
  };
  const shared = { id, environment: told, limits, resources, retries, spot, metrics };
  if ("module" in program) {
    const { model, outputData, checkpoints, data } = folders;
    const context: TrainingContext = {
      channels: Object.fromEntries(Object.keys(channels).map((name) => [name, join(data, name)])),
      model,
      outputData,
      checkpoints,
      hyperparameters: setting.hyperparameters,
    };
    return { ...shared, run: { module: program.module, input: context as unknown as JsonValue } };
  }
  if ("command" in program) return { ...shared, run: program, workingDirectory: folders.root };
  const [interpreter, ...words] = program.interpreter ?? ["python3"];
  const command = [interpreter, ...words, scriptName(program), ...scriptArguments(setting)] as const;
  return { ...shared, run: { command }, workingDirectory: folders.code };
}

async function collect(
  root: string,
  { archive = false }: TrainingSpec,
  { state }: JobResult,
  signal: AbortSignal | undefined,
): Promise<Pick<TrainingResult, "model" | "outputData" | "archives">> {
  const folders = trainingFolders(root);
  const model = await filesBelow(folders.model);
  const outputData = await filesBelow(folders.outputData);
  if (!archive || state !== "completed") return { model, outputData };
  const target = { model: join(root, "model.tar.gz"), outputData: join(root, "output.tar.gz") };
  await writeArchive(target.model, folders.model, model.files, signal);
  if (outputData.files.length === 0) return { model, outputData, archives: { model: target.model } };
  await writeArchive(target.outputData, folders.outputData, outputData.files, signal);
  return { model, outputData, archives: target };
}
