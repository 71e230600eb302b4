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
