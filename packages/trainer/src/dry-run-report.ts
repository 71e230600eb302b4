import type { Amount } from "@millwright/contracts";

export interface DryRunReport {
  /** What was tried and what it took, in milliseconds; null for what these options do not do. */
  readonly phasesMs: {
    /** From the start of the process to the first step: packages loaded, data read and transformed, model built. */
    readonly start: number;
    /** The first step. */
    readonly train: number;
    /** Of the validation rows that were taken. */
    readonly validation: number | null;
    /** Writing one. */
    readonly checkpoint: number | null;
    /** Reading one into a model built anew, and the steps that are compared. */
    readonly resume: number | null;
    readonly package: number;
  };
  /** Of the whole run, through all of its epochs or to the steps or time of `stopWhen`. */
  readonly estimate: {
    readonly steps: number;
    /** From the start of its process to its package. */
    readonly timeMs: number;
    /** Steps, validations and checkpoints alone. */
    readonly trainingMs: number;
    /** Of the run's process, at its most. */
    readonly memoryBytes: number;
    /** Of one checkpoint; null where none are written. */
    readonly checkpointBytes: number | null;
    readonly packageBytes: number;
    /** At `budget.perHour`; without it in seconds. */
    readonly cost: Amount;
  };
}

/** What a process that only tries is told besides. */
export interface DryRunRequest {
  /** Most rows of each dataset that the real run takes. */
  readonly rows: number | null;
  readonly perHour: Amount | null;
}

/** Steps that a dry run takes. */
export const drySteps = 5;
