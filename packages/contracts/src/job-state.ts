import type { ErrorCategory } from "./error.ts";
import type { JobFailureCause } from "./job-failure.ts";
import { transitionIllegal } from "./port-errors.ts";

/** SageMaker's primary and secondary training statuses in one line of states, in the house's spelling. */
export type JobState =
  | "pending"
  | "starting"
  | "downloading"
  | "training"
  | "uploading"
  | "completed"
  | "failed"
  | "stopping"
  | "stopped"
  | "interrupted"
  | "max-runtime-exceeded"
  | "max-wait-time-exceeded";

const ends = ["failed", "stopping", "stopped", "interrupted", "max-runtime-exceeded"] as const;

/**
 * The states each state may go to. Phases may be skipped forwards (`starting` → `training` → `completed`), never taken backwards. An attempt that
 * will be tried again goes through `interrupted`, whatever broke it; only from there a job starts anew.
 */
export const jobTransitions: Readonly<Record<JobState, readonly JobState[]>> = {
  pending: ["starting", "failed", "stopping", "stopped", "max-wait-time-exceeded"],
  starting: ["downloading", "training", "completed", ...ends],
  downloading: ["training", "completed", ...ends],
  training: ["uploading", "completed", ...ends],
  uploading: ["completed", ...ends],
  interrupted: [
    "pending",
    "starting",
    "failed",
    "stopping",
    "stopped",
    "max-runtime-exceeded",
    "max-wait-time-exceeded",
  ],
  stopping: ["stopped", "failed", "max-runtime-exceeded", "max-wait-time-exceeded"],
  completed: [],
  failed: [],
  stopped: [],
  "max-runtime-exceeded": [],
  "max-wait-time-exceeded": [],
};

/** True for states that no other follows. */
export function isFinalJobState(state: JobState): boolean {
  return jobTransitions[state].length === 0;
}

/** Throws `PORT_TRANSITION_ILLEGAL` unless a job may go from the one state to the other. @param what The subject of the message. */
export function assertJobTransition(from: JobState, to: JobState, what = "The job"): void {
  if (!jobTransitions[from].includes(to)) throw transitionIllegal(what, from, to, jobTransitions[from]);
}

export interface JobHistoryEntry {
  readonly state: JobState;
  /** When it came into this state, UTC milliseconds. */
  readonly timeMs: number;
  readonly reason?: string | undefined;
  /** Of the failure that brought it here, where one did. */
  readonly category?: ErrorCategory | undefined;
  readonly cause?: JobFailureCause | undefined;
}

/** Every state a job was in, the first first; JSON-safe. The last is the state it is in. */
export type JobHistory = readonly [JobHistoryEntry, ...JobHistoryEntry[]];

/** The history of a job that was just accepted: `pending`. */
export function startJobHistory(timeMs: number, reason?: string): JobHistory {
  return [{ state: "pending", timeMs, ...(reason === undefined ? {} : { reason }) }];
}

export function currentJobState(history: JobHistory): JobState {
  return (history.at(-1) as JobHistoryEntry).state;
}

/** The history with one more state; throws `PORT_TRANSITION_ILLEGAL`. The given history is left as it is. */
export function nextJobState(history: JobHistory, state: JobState, timeMs: number, reason?: string): JobHistory {
  assertJobTransition(currentJobState(history), state);
  return [...history, { state, timeMs, ...(reason === undefined ? {} : { reason }) }];
}

/** SageMaker's `TrainingJobStatus` and `SecondaryStatus`. */
export interface SageMakerJobStatus {
  readonly primary: "InProgress" | "Completed" | "Failed" | "Stopping" | "Stopped";
  readonly secondary: string;
}

const sageMakerStatuses: Readonly<Record<JobState, SageMakerJobStatus>> = {
  pending: { primary: "InProgress", secondary: "Pending" },
  starting: { primary: "InProgress", secondary: "Starting" },
  downloading: { primary: "InProgress", secondary: "Downloading" },
  training: { primary: "InProgress", secondary: "Training" },
  uploading: { primary: "InProgress", secondary: "Uploading" },
  interrupted: { primary: "InProgress", secondary: "Interrupted" },
  completed: { primary: "Completed", secondary: "Completed" },
  failed: { primary: "Failed", secondary: "Failed" },
  stopping: { primary: "Stopping", secondary: "Stopping" },
  stopped: { primary: "Stopped", secondary: "Stopped" },
  "max-runtime-exceeded": { primary: "Stopped", secondary: "MaxRuntimeExceeded" },
  "max-wait-time-exceeded": { primary: "Stopped", secondary: "MaxWaitTimeExceeded" },
};

/**
 * The state in SageMaker's words.
 * @see https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
 */
export function sageMakerJobStatus(state: JobState): SageMakerJobStatus {
  return sageMakerStatuses[state];
}
