import { basename } from "node:path";
import type { JobSpec, JsonValue } from "@millwright/contracts";
import type { ChannelShare } from "./channels/shares.ts";
import { checkChannels, type TrainingChannel } from "./channels/training-channel.ts";
import type { DirectoryJobOptions } from "./directory-job.ts";
import { visibleGpus } from "./devices/gpu-request.ts";
import { specInvalid } from "./errors.ts";
import type { CheckpointSyncOptions } from "./supervision/checkpoint-sync.ts";
import type { ChannelConfiguration, TrainingFolders, TrainingSetting } from "./training-container.ts";

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
  "id" | "environment" | "limits" | "resources" | "retries" | "spot" | "metrics"
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
  /** Where `checkpoints/` is copied to while the job runs, and filled from where it is empty when the job begins. Default: nowhere. */
  readonly checkpointSync?: CheckpointSyncOptions | undefined;
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

/** Throws `JOBS_SPEC_INVALID`. */
export function checkTraining(spec: TrainingSpec, artifacts: DirectoryJobOptions["artifacts"]): void {
  const { run: program, directory, channels = {}, hosts = ["algo-1"], hyperparameters = {}, linkedAs } = spec;
  if (typeof directory !== "string" || directory === "") throw specInvalid("directory", directory, "a folder");
  if (linkedAs === "") throw specInvalid("linkedAs", linkedAs, "an absolute path");
  checkChannels(channels, artifacts);
  const { directory: kept = "checkpoints", everyMs = 1 } = spec.checkpointSync ?? {};
  if (typeof kept !== "string" || kept === "") throw specInvalid("checkpointSync.directory", kept, "a folder");
  if (!(everyMs >= 1 && everyMs < 2 ** 31))
    throw specInvalid("checkpointSync.everyMs", everyMs, "a number from 1, below 2^31");
  if (hosts.length === 0 || new Set(hosts).size !== hosts.length)
    throw specInvalid("hosts", hosts, "at least one name, and no name twice");
  if (spec.currentHost !== undefined && !hosts.includes(spec.currentHost))
    throw specInvalid("currentHost", spec.currentHost, `one of the hosts: ${hosts.join(", ")}`);
  for (const [name, value] of Object.entries(hyperparameters))
    if (!/^[^\s=\0][^=\0]{0,255}$/.test(name) || JSON.stringify(value) === undefined)
      throw specInvalid(`hyperparameters.${name}`, value, "JSON, under a name of 1 to 256 characters without `=`");
  if (!("script" in program)) return;
  if (typeof program.script !== "string" || program.script === "")
    throw specInvalid("run.script", program.script, "the path of a file");
  if (program.interpreter?.length === 0) throw specInvalid("run.interpreter", [], "a program and its arguments");
  if (program.sourceDirectory !== undefined && /^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)/.test(program.script))
    throw specInvalid("run.script", program.script, "a path in `sourceDirectory`");
}

/** What makes two specs the same work; limits and secrets may be other ones the next time. */
export const identityOf = (spec: TrainingSpec): object => ({
  id: spec.id,
  run: spec.run,
  channels: spec.channels ?? {},
  hyperparameters: spec.hyperparameters ?? {},
  hosts: spec.hosts ?? [],
  currentHost: spec.currentHost ?? null,
  instanceType: spec.instanceType ?? null,
  linkedAs: spec.linkedAs ?? null,
});

/** Where the script is below `code/`. */
export const scriptName = ({
  script,
  sourceDirectory,
}: Extract<TrainingProgram, { readonly script: string }>): string =>
  sourceDirectory === undefined ? basename(script) : script;

/** What the container is told, with everything that the spec leaves out. */
export function settingOf(spec: TrainingSpec, folders: TrainingFolders): TrainingSetting {
  const { run: program, channels = {}, hosts = ["algo-1"], resources } = spec;
  const configured = Object.entries(channels).map(([name, channel]) => [
    name,
    {
      ...(channel.contentType === undefined ? {} : { ContentType: channel.contentType }),
      TrainingInputMode: channel.inputMode ?? "File",
      S3DistributionType: channel.distribution ?? "FullyReplicated",
      RecordWrapperType: channel.recordWrapper ?? "None",
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
    gpus: visibleGpus(resources),
  };
}

/** Which of the hosts this one is. */
export const hostShare = ({ hosts, currentHost }: TrainingSetting): ChannelShare => ({
  index: hosts.indexOf(currentHost),
  count: hosts.length,
});
