import { MillwrightError, hasCode, isMillwrightError } from "@millwright/contracts";

export type FlightDelaysErrorCode =
  | "FLIGHT_DELAYS_DISK_FULL"
  | "FLIGHT_DELAYS_FEATURES_DIFFER"
  | "FLIGHT_DELAYS_FEATURES_LEAK"
  | "FLIGHT_DELAYS_FOLDER_FOREIGN"
  | "FLIGHT_DELAYS_FOLDER_IN_USE"
  | "FLIGHT_DELAYS_FOLDER_UNUSABLE"
  | "FLIGHT_DELAYS_MODEL_NOT_BETTER"
  | "FLIGHT_DELAYS_TREES_FAILED";

export class FlightDelaysError extends MillwrightError<FlightDelaysErrorCode> {
  override readonly name = "FlightDelaysError";
}

const diskFull = (folder: string, cause: unknown): FlightDelaysError =>
  new FlightDelaysError("FLIGHT_DELAYS_DISK_FULL", `There is no room left to write to ${folder}.`, {
    category: "capacity",
    remedy: "Free disk space and start again: the run goes on; or choose another folder with --output.",
    retryable: true,
    cause,
  });

export const featuresDiffer = (different: number, values: number): FlightDelaysError =>
  new FlightDelaysError(
    "FLIGHT_DELAYS_FEATURES_DIFFER",
    `${different} of ${values} feature values served online differ from those that history gives.`,
    {
      category: "bug",
      remedy: "Do not trust this model's answers; compare the feature views' definitions with the pushed rows.",
    },
  );

export const featuresLeak = (different: number, closestMinutes: number): FlightDelaysError =>
  new FlightDelaysError(
    "FLIGHT_DELAYS_FEATURES_LEAK",
    `${different} feature values differ from those computed from the raw flights, and the newest outcome used was known ${closestMinutes} minutes before its departure.`,
    { category: "bug", remedy: "Do not train on these features; look at each view's event time." },
  );

export const treesFailed = (state: string, reason: string): FlightDelaysError =>
  new FlightDelaysError("FLIGHT_DELAYS_TREES_FAILED", `The job that fits the trees has ${state}: ${reason}`, {
    category: "bug",
    remedy: "Look at the job's log below jobs/ in the working folder.",
  });

export const folderForeign = (folder: string, entry: string): FlightDelaysError =>
  new FlightDelaysError(
    "FLIGHT_DELAYS_FOLDER_FOREIGN",
    `${folder} holds "${entry}" and more that no run of this job made.`,
    { category: "user", remedy: "Choose an empty or a new folder with --output: a run empties its folder." },
  );

export const folderInUse = (folder: string, cause: unknown): FlightDelaysError =>
  new FlightDelaysError("FLIGHT_DELAYS_FOLDER_IN_USE", `Another run of this job works in ${folder}.`, {
    category: "capacity",
    remedy: "Wait until it ends, stop it, or choose another folder with --output.",
    retryable: true,
    cause,
  });

const folderUnusable = (folder: string, cause: Error): FlightDelaysError =>
  new FlightDelaysError("FLIGHT_DELAYS_FOLDER_UNUSABLE", `${folder} cannot be written: ${cause.message}.`, {
    category: "user",
    remedy: "Choose a folder that this user may create and write with --output.",
    cause,
  });

export const modelNotBetter = (logLoss: number, best: number): FlightDelaysError =>
  new FlightDelaysError(
    "FLIGHT_DELAYS_MODEL_NOT_BETTER",
    `The model's log loss on May, ${logLoss}, is not better than a baseline's, ${best}: it is not approved.`,
    { category: "data", remedy: "Learn from more flights: raise --rows." },
  );

const unusable = new Set([
  "EACCES",
  "EEXIST",
  "EISDIR",
  "ENOENT",
  "ENOTDIR",
  "EPERM",
  "EROFS",
  "ELOOP",
  "ENAMETOOLONG",
]);
const full = new Set(["ENOSPC", "EDQUOT"]);

/**
 * What went wrong, in words for whoever started the job, where it is something they can mend.
 * @returns undefined for a defect of the job itself.
 */
export function explain(error: unknown, folder: string): MillwrightError | undefined {
  const first = firstOf(error);
  if (hasCode(first, "JOBS_DIRECTORY_IN_USE")) return folderInUse(folder, first);
  if (isMillwrightError(first)) return first;
  if (!(first instanceof Error && "code" in first && typeof first.code === "string")) return undefined;
  if (full.has(first.code)) return diskFull(folder, first);
  return unusable.has(first.code) ? folderUnusable(folder, first) : undefined;
}

/** The failure that came first, where closing what was open failed as well. */
function firstOf(error: unknown): unknown {
  let first = error;
  while (first instanceof Error && first.name === "SuppressedError" && "suppressed" in first) first = first.suppressed;
  return first;
}
