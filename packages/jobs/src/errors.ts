import { MillwrightError } from "@millwright/contracts";

export type JobsErrorCode =
  | "JOBS_CACHE_FULL"
  | "JOBS_CLUSTER_REFUSED"
  | "JOBS_CLUSTER_UNREACHABLE"
  | "JOBS_DIRECTORY_IN_USE"
  | "JOBS_CHANNEL_BROKEN"
  | "JOBS_EVENTS_ALREADY_WRITTEN"
  | "JOBS_EXECUTOR_UNABLE"
  | "JOBS_FETCH_CHANGED"
  | "JOBS_FETCH_CORRUPT"
  | "JOBS_FETCH_FAILED"
  | "JOBS_FETCH_REFUSED"
  | "JOBS_GPU_UNKNOWN"
  | "JOBS_MODULE_UNUSABLE"
  | "JOBS_NOT_A_WORKER"
  | "JOBS_DIRECTORY_TAKEN"
  | "JOBS_INPUT_MISSING"
  | "JOBS_INPUT_MODE_UNSUPPORTED"
  | "JOBS_MANIFEST_INVALID"
  | "JOBS_INTERRUPTED"
  | "JOBS_LINK_TAKEN"
  | "JOBS_PROTOCOL_INVALID"
  | "JOBS_RECORD_CORRUPT"
  | "JOBS_RESOURCES_IMPOSSIBLE"
  | "JOBS_SPEC_INVALID"
  | "JOBS_WRITE_FAILED";

export class JobsError extends MillwrightError<JobsErrorCode> {
  override readonly name = "JobsError";
}

export const clusterRefused = (cluster: string, status: number | string, text: string): JobsError =>
  new JobsError(
    "JOBS_CLUSTER_REFUSED",
    `${cluster} refuses (${status}): ${text === "" ? "it does not say why" : text}`,
    {
      category: /quota/i.test(text) ? "quota" : "user",
      remedy: "Read what the cluster says: give the launcher the rights, the names and the limits that it asks for.",
    },
  );

export const clusterUnreachable = (cluster: string, problem: string, cause?: unknown): JobsError =>
  new JobsError("JOBS_CLUSTER_UNREACHABLE", `${cluster} does not answer: ${problem}.`, {
    category: "transient",
    remedy: "Look whether it runs and whether its address is right; jobs that were submitted go on without us.",
    retryable: true,
    cause,
  });

export const executorUnable = (executor: string, what: string, remedy: string): JobsError =>
  new JobsError("JOBS_EXECUTOR_UNABLE", `${executor} cannot run ${what}.`, { category: "user", remedy });
export const cacheFull = (directory: string, bytes: number, maxBytes: number, takenBytes: number): JobsError =>
  new JobsError(
    "JOBS_CACHE_FULL",
    `${bytes} bytes do not fit in the cache "${directory}": it may have ${maxBytes}, and files in use take ${takenBytes}.`,
    { category: "capacity", remedy: "Give it more room, or dispose files that are no longer read.", retryable: true },
  );

export const fetchChanged = (url: string): JobsError =>
  new JobsError("JOBS_FETCH_CHANGED", `What is at ${url} changed while it was fetched, again and again.`, {
    category: "transient",
    remedy: "Wait until it is written, or fetch an address whose content stays.",
    retryable: true,
  });

export const fetchCorrupt = (url: string, wanted: string | undefined, found: string | undefined): JobsError =>
  new JobsError(
    "JOBS_FETCH_CORRUPT",
    `What is at ${url} has the digest ${found ?? "of no whole file"}, not ${wanted ?? "one"}.`,
    {
      category: "data",
      remedy: "Check the address and the digest: one of them is of another file.",
    },
  );

export const fetchFailed = (url: string, attempts: number, cause: unknown): JobsError =>
  new JobsError(
    "JOBS_FETCH_FAILED",
    `${url} could not be fetched: ${attempts} attempts in a row brought nothing, the last one because ${reasonOf(cause)}.`,
    { category: "transient", remedy: "Do it again later: what is here already is kept.", retryable: true, cause },
  );

/** One attempt that brought nothing, before the next one. */
export const fetchSetback = (problem: string): JobsError =>
  new JobsError("JOBS_FETCH_FAILED", problem, { category: "transient", remedy: "Try again.", retryable: true });

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause instanceof JobsError) return cause.message.replace(/ Try again\.$/, "");
  return cause.cause instanceof Error ? `${cause.message} (${cause.cause.message})` : cause.message;
}

export const fetchRefused = (url: string, status: number): JobsError =>
  new JobsError("JOBS_FETCH_REFUSED", `The server answered ${status} to ${url}.`, {
    category: "user",
    remedy: "Check the address, and the headers that say who asks.",
  });

export const directoryInUse = (directory: string, pid: number): JobsError =>
  new JobsError("JOBS_DIRECTORY_IN_USE", `The process ${pid} already runs the jobs of "${directory}".`, {
    category: "capacity",
    remedy: "Give each launcher a directory of its own, or dispose the other one first.",
    retryable: true,
  });

export const eventsAlreadyWritten = (directory: string): JobsError =>
  new JobsError("JOBS_EVENTS_ALREADY_WRITTEN", `The launcher of "${directory}" writes its events to a log already.`, {
    category: "user",
    remedy: "Give it one log: by the option events of openJobs, or by one call of writeEvents.",
  });

export const gpuUnknown = (name: string, known: readonly string[]): JobsError =>
  new JobsError("JOBS_GPU_UNKNOWN", `No device of this machine is "${name}".`, {
    category: "user",
    remedy: known.length === 0 ? "nvidia-smi tells of none." : `Those there are: ${known.join(", ")}.`,
  });

export const moduleUnusable = (module: string, problem: string, cause?: unknown): JobsError =>
  new JobsError("JOBS_MODULE_UNUSABLE", `The module ${module} cannot be run as a job: ${problem}.`, {
    category: "user",
    remedy: "Name a compiled module by its file URL, and let it export a function as its default or call runWorker.",
    cause,
  });

export const notAWorker = (): JobsError =>
  new JobsError("JOBS_NOT_A_WORKER", "This process was not started as a job's module.", {
    category: "user",
    remedy: "Call runWorker only in a module that a job runs; outside, call the function itself.",
  });

export const directoryTaken = (directory: string, id: string): JobsError =>
  new JobsError("JOBS_DIRECTORY_TAKEN", `"${directory}" holds other work than the spec of "${id}" asks for.`, {
    category: "user",
    remedy: "Give the job an id and a directory of its own, or the spec it was begun with.",
  });

export const inputMissing = (name: string, path: string, cause: unknown): JobsError =>
  new JobsError("JOBS_INPUT_MISSING", `The input "${name}" is not at "${path}".`, {
    category: "user",
    remedy: "Name a file or a folder that is there and that this process may read.",
    cause,
  });

export const interrupted = (reason: string): JobsError =>
  new JobsError("JOBS_INTERRUPTED", reason, {
    category: "transient",
    remedy: "Save what the next attempt goes on from, and end with this error.",
    retryable: true,
  });

export const inputModeUnsupported = (mode: string, problem: string, cause?: unknown): JobsError =>
  new JobsError("JOBS_INPUT_MODE_UNSUPPORTED", `A channel cannot be a ${mode} here: ${problem}.`, {
    category: "user",
    remedy: "Let the channel be a File.",
    cause,
  });

export const manifestInvalid = (path: string, problem: string, remedy = "Mend the manifest."): JobsError =>
  new JobsError("JOBS_MANIFEST_INVALID", `The manifest "${path}" cannot be used: ${problem}.`, {
    category: "data",
    remedy,
  });

export const channelBroken = (source: string, problem: string, cause?: unknown): JobsError =>
  cause instanceof JobsError
    ? cause
    : new JobsError("JOBS_CHANNEL_BROKEN", `"${source}" could not be sent to the job: ${problem}.`, {
        category: "data",
        remedy: "Leave the files of a channel alone while the job runs, then run it under a new id.",
        cause,
      });

export const linkTaken = (path: string, target: string): JobsError =>
  new JobsError("JOBS_LINK_TAKEN", `"${path}" is there already, and is no link to "${target}".`, {
    category: "capacity",
    remedy: "Wait until the job that has it is over, remove what is left there, or run the job without a fixed path.",
    retryable: true,
  });

export const protocolInvalid = (problem: string): JobsError =>
  new JobsError("JOBS_PROTOCOL_INVALID", `The job's process does not keep to the worker protocol: ${problem}.`, {
    category: "bug",
    remedy: "Install one version of the jobs package for both sides, and leave the channel's file descriptor alone.",
  });

export const recordCorrupt = (path: string, problem: string, cause?: unknown): JobsError =>
  new JobsError("JOBS_RECORD_CORRUPT", `The record "${path}" cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Put the folder of this job aside, and launch the job under a new id.",
    cause,
  });

export const resourcesImpossible = (what: string, asked: number, available: number): JobsError =>
  new JobsError("JOBS_RESOURCES_IMPOSSIBLE", `The job asks for ${asked} ${what} and the launcher has ${available}.`, {
    category: "user",
    remedy: "Ask for less, or open the launcher with more.",
  });

/** @param why Why the launcher has none, if it has none. */
export const gpusImpossible = (asked: string, has: readonly string[], why = "it was opened with none"): JobsError =>
  new JobsError(
    "JOBS_RESOURCES_IMPOSSIBLE",
    `The job asks for ${asked}, and the launcher has ${has.length === 0 ? `no GPU: ${why}` : has.join(", ")}.`,
    { category: "user", remedy: "Ask for less, or open the launcher with more." },
  );

export const specInvalid = (field: string, value: unknown, rule: string): JobsError =>
  new JobsError("JOBS_SPEC_INVALID", `"${field}" of the job is ${JSON.stringify(value) ?? String(value)}.`, {
    category: "user",
    remedy: `It must be ${rule}.`,
  });

export const changedMeanwhile = (path: string): JobsError =>
  new JobsError("JOBS_WRITE_FAILED", `"${path}" was changed while it was packed.`, {
    category: "user",
    remedy: "Leave the folders of a job alone until its result is there.",
  });

const remedies: Readonly<Record<string, readonly ["capacity" | "user", string]>> = {
  ENOSPC: ["capacity", "Make room on its disk, then do it again."],
  EDQUOT: ["capacity", "Make room within the quota, or raise it, then do it again."],
  EFBIG: ["capacity", "Raise the limit on file sizes, or use a file system that takes larger ones."],
  EROFS: ["user", "Name a folder on a file system that can be written to."],
  EACCES: ["user", "Let this process write there, or name another folder."],
  EPERM: ["user", "Let this process write there, or name another folder."],
  ENAMETOOLONG: ["user", "Choose a shorter path."],
  ENOTDIR: ["user", "Name a folder below folders: a part of the path is a file."],
  EEXIST: ["user", "Name another folder: there is a file of that name."],
  ENOENT: ["user", "Name a folder that is there, or that can be made."],
};

/** What the file system's refusal to write `path` means: a full disk or a missing right. Any other error is passed on. */
export function writeFailure(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return error;
  const [category, remedy] = remedies[String(error.code)] ?? [];
  if (category === undefined || remedy === undefined) return error;
  return new JobsError("JOBS_WRITE_FAILED", `"${path}" could not be written: ${error.message}.`, {
    category,
    remedy,
    retryable: category === "capacity",
    cause: error,
  });
}
