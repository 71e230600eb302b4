import { readlink, rm, stat, symlink } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import {
  type Digest,
  digestOfJson,
  isFinalJobState,
  type JobEvent,
  type JobLauncher,
  type JobResult,
  type JobSpec,
  type JsonValue,
  systemClock,
} from "@millwright/contracts";
import {
  checkInputs,
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
import { linkTaken, specInvalid, writeFailure } from "./errors.ts";
import { filesBelow, type JobFiles, type JobInput, keepShard, makeEmpty, stageInput, writeJson } from "./job-files.ts";
import type { MetricSeries } from "./metric-series.ts";
import { cutReason, readFailure } from "./outcome.ts";
import { writeArchive } from "./tar.ts";
import {
  type ChannelConfiguration,
  configurationFiles,
  scriptArguments,
  trainingEnvironment,
  type TrainingFolders,
  trainingFolders,
  type TrainingSetting,
} from "./training-container.ts";

/** Data of a training job, copied to `input/data/<channel>`: SageMaker's File mode. */
export type TrainingChannel = JobInput & {
  /** What the files hold, for `inputdataconfig.json`. Default: not said. */
  readonly contentType?: string | undefined;
  /** Whether each host is given every file, or its share: of the files in the order of their paths, every `hosts.length`-th. Default: `FullyReplicated`. */
  readonly distribution?: "FullyReplicated" | "ShardedByS3Key" | undefined;
};

/** What a training job runs. */
export type TrainingProgram =
  /** SageMaker's script mode: a file, or one in a folder, is copied to `code/` and called there with `--name value` for each hyperparameter. */
  | {
      readonly script: string;
      /** The folder that `script` is a path in, copied whole. Default: the script alone is copied. */
      readonly sourceDirectory?: string | undefined;
      /** Default: `["python3"]`. */
      readonly interpreter?: readonly [string, ...string[]] | undefined;
    }
  /** What a container's image would run, as it is: it finds everything in the folders and variables. */
  | { readonly command: readonly [string, ...string[]] }
  /** A module of the worker protocol, whose input is `TrainingContext`. */
  | { readonly module: string };

/** A training job under SageMaker's container contract. */
export interface TrainingSpec extends Pick<
  JobSpec,
  "id" | "environment" | "limits" | "resources" | "retries" | "metrics"
> {
  readonly run: TrainingProgram;
  /** A folder for this job alone: what is `/opt/ml` in SageMaker's container, and `training.json`. */
  readonly directory: string;
  /**
   * A path that is a link to the directory for as long as the job runs, and that the job is told in the directory's place: `/opt/ml` for a script that
   * has it written in. This process must be allowed to make it, and one job at a time can have it. Default: none.
   */
  readonly linkedAs?: string | undefined;
  /** Names and values; what is no text is handed on as its JSON. Default: none. */
  readonly hyperparameters?: Readonly<Record<string, JsonValue>> | undefined;
  readonly channels?: Readonly<Record<string, TrainingChannel>> | undefined;
  /** All hosts of the training, of which each is a job of its own with a directory of its own. Default: `["algo-1"]`. */
  readonly hosts?: readonly [string, ...string[]] | undefined;
  /** The host that this job is. Default: the first. */
  readonly currentHost?: string | undefined;
  /** For `resourceconfig.json`. Default: `local`. */
  readonly instanceType?: string | undefined;
  /** Writes `model.tar.gz` and, where there are any other outputs, `output.tar.gz` into the directory when the job completed. Default: false. */
  readonly archive?: boolean | undefined;
}

/** What a module that runs as a training job is given as its input; folders are absolute. */
export interface TrainingContext {
  readonly channels: Readonly<Record<string, string>>;
  readonly model: string;
  readonly outputData: string;
  readonly checkpoints: string;
  readonly hyperparameters: Readonly<Record<string, JsonValue>>;
}

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
 * Throws `JOBS_SPEC_INVALID`, `JOBS_INPUT_MISSING`, `JOBS_DIRECTORY_TAKEN`, `JOBS_LINK_TAKEN`, `JOBS_WRITE_FAILED`, and what the launcher and the stores
 * throw.
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
  let followed: Followed;
  try {
    followed = await run(launcher, spec, setting, root, options);
  } finally {
    await unlink();
  }
  const { result: verdict, metrics } = followed;
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

function checkTraining(spec: TrainingSpec, artifacts: TrainingOptions["artifacts"]): void {
  const { run: program, directory, channels = {}, hosts = ["algo-1"], hyperparameters = {}, linkedAs } = spec;
  if (typeof directory !== "string" || directory === "") throw specInvalid("directory", directory, "a folder");
  if (linkedAs === "") throw specInvalid("linkedAs", linkedAs, "an absolute path");
  checkInputs("channels", channels, artifacts);
  if (hosts.length === 0 || new Set(hosts).size !== hosts.length)
    throw specInvalid("hosts", hosts, "at least one name, and no name twice");
  if (spec.currentHost !== undefined && !hosts.includes(spec.currentHost))
    throw specInvalid("currentHost", spec.currentHost, `one of the hosts: ${hosts.join(", ")}`);
  for (const [name, value] of Object.entries(hyperparameters))
    if (!/^[^\s=\0][^\0]{0,255}$/.test(name) || JSON.stringify(value) === undefined)
      throw specInvalid(`hyperparameters.${name}`, value, "JSON, under a name of 1 to 256 characters");
  if (!("script" in program)) return;
  if (typeof program.script !== "string" || program.script === "")
    throw specInvalid("run.script", program.script, "the path of a file");
  if (program.interpreter?.length === 0) throw specInvalid("run.interpreter", [], "a program and its arguments");
  if (program.sourceDirectory !== undefined && /^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)/.test(program.script))
    throw specInvalid("run.script", program.script, "a path in `sourceDirectory`");
}

/** What makes two specs the same work; limits and secrets may be other ones the next time. */
const identityOf = (spec: TrainingSpec): object => ({
  id: spec.id,
  run: spec.run,
  channels: spec.channels ?? {},
  hyperparameters: spec.hyperparameters ?? {},
  hosts: spec.hosts ?? [],
  currentHost: spec.currentHost ?? null,
  instanceType: spec.instanceType ?? null,
  linkedAs: spec.linkedAs ?? null,
});

const scriptName = ({ script, sourceDirectory }: Extract<TrainingProgram, { readonly script: string }>): string =>
  sourceDirectory === undefined ? basename(script) : script;

function settingOf(spec: TrainingSpec, folders: TrainingFolders): TrainingSetting {
  const { run: program, channels = {}, hosts = ["algo-1"], resources } = spec;
  const configured = Object.entries(channels).map(([name, { contentType, distribution }]) => [
    name,
    {
      ...(contentType === undefined ? {} : { ContentType: contentType }),
      TrainingInputMode: "File",
      S3DistributionType: distribution ?? "FullyReplicated",
      RecordWrapperType: "None",
    },
  ]);
  return {
    jobName: spec.id,
    folders,
    channels: Object.fromEntries(configured) as Readonly<Record<string, ChannelConfiguration>>,
    hyperparameters: spec.hyperparameters ?? {},
    script: "script" in program ? scriptName(program) : undefined,
    hosts,
    currentHost: spec.currentHost ?? hosts[0],
    instanceType: spec.instanceType ?? "local",
    cpus: Math.ceil(resources?.cpus ?? 1),
    gpus: resources?.gpus ?? 0,
  };
}

/** Puts everything in its folder that is there before the job. */
async function stage(
  folders: TrainingFolders,
  spec: TrainingSpec,
  setting: TrainingSetting,
  { artifacts, signal }: TrainingOptions,
): Promise<Staged> {
  const { run: program, channels = {} } = spec;
  for (const folder of ["input", "model", "output", "checkpoints", "code"]) await makeEmpty(join(folders.root, folder));
  await makeEmpty(folders.outputData);
  const staged: Record<string, JobFiles> = {};
  for (const [name, channel] of Object.entries(channels)) {
    const folder = join(folders.data, name);
    await stageInput(name, channel, folder, { artifacts, signal });
    if (channel.distribution === "ShardedByS3Key")
      await keepShard(folder, setting.hosts.indexOf(setting.currentHost), setting.hosts.length);
    staged[name] = await filesBelow(folder);
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

/** Runs the job to its end, and takes its failure from where SageMaker's scripts write it. */
async function run(
  launcher: JobLauncher,
  spec: TrainingSpec,
  setting: TrainingSetting,
  root: string,
  { signal, onEvent }: TrainingOptions,
): Promise<Followed> {
  const job = await launcher.launch(jobOf(spec, setting), { signal });
  let startedAtMs = 0;
  const watch = (event: JobEvent): void => {
    if (event.kind === "state" && event.state === "starting") startedAtMs = event.timeMs;
    onEvent?.(event);
  };
  const followed = await follow(job, { signal, onEvent: watch });
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
  const { id, run: program, environment, limits, resources, retries, metrics } = spec;
  const { folders, channels } = setting;
  const told = {
    TRAINING_JOB_ARN: `arn:aws:sagemaker:local:000000000000:training-job/${id}`,
    // A script's lines are to be seen when it writes them.
    PYTHONUNBUFFERED: "1",
    ...environment,
    ...trainingEnvironment(setting),
  };
  const shared = { id, environment: told, limits, resources, retries, metrics };
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
