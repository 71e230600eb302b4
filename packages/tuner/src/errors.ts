import { MillwrightError } from "@millwright/contracts";

export type TunerErrorCode =
  | "TUNER_CONSTRAINTS_UNSATISFIABLE"
  | "TUNER_IMPORT_INVALID"
  | "TUNER_JOURNAL_CORRUPT"
  | "TUNER_PARAMETER_CHANGED"
  | "TUNER_PARAMS_FORBIDDEN"
  | "TUNER_PARAMS_OUTSIDE_SPACE"
  | "TUNER_SPACE_INVALID"
  | "TUNER_STUDY_BUSY"
  | "TUNER_STUDY_DIFFERS"
  | "TUNER_STUDY_EMPTY"
  | "TUNER_STUDY_EXHAUSTED"
  | "TUNER_TRIAL_FINISHED"
  | "TUNER_TRIAL_LOST"
  | "TUNER_TRIAL_TIMEOUT"
  | "TUNER_TRIAL_UNKNOWN"
  | "TUNER_VALUE_INVALID"
  // Of execute/errors.ts.
  | "TUNER_OBJECTIVE_CRASHED"
  | "TUNER_OBJECTIVE_FAILED"
  | "TUNER_RESOURCES_IMPOSSIBLE"
  | "TUNER_TEST_SPLIT_LEAKED"
  | "TUNER_TEST_SPLIT_SEALED"
  | "TUNER_TEST_SPLIT_TOO_EARLY"
  | "TUNER_WARM_START_DATA_DIFFERS"
  | "TUNER_WARM_START_METRIC_DIFFERS"
  | "TUNER_WARM_START_PARAMETERS_DIFFER"
  | "TUNER_WARM_START_PARENTS_INVALID"
  | "TUNER_WARM_START_PARENT_UNFINISHED"
  | "TUNER_WARM_START_RECURSIVE"
  | "TUNER_WARM_START_STATIC_CHANGES";

export class TunerError extends MillwrightError<TunerErrorCode> {
  override readonly name = "TunerError";
}

export const constraintsUnsatisfiable = (draws: number): TunerError =>
  new TunerError(
    "TUNER_CONSTRAINTS_UNSATISFIABLE",
    `None of ${draws} random points of the space keeps to the constraints.`,
    {
      category: "user",
      remedy: "Look whether the constraints contradict each other; if not, narrow the bounds to where they hold.",
    },
  );

export const importInvalid = (where: string, problem: string, cause?: unknown): TunerError =>
  new TunerError("TUNER_IMPORT_INVALID", `What was given cannot be carried over, at "${where}": ${problem}.`, {
    category: "data",
    remedy: "Give it as the other tool wrote it, or leave out what is named.",
    cause,
  });

export const journalCorrupt = (study: string, position: number, problem: string): TunerError =>
  new TunerError(
    "TUNER_JOURNAL_CORRUPT",
    `Entry ${position} of the journal of study "${study}" cannot be used: ${problem}.`,
    {
      category: "data",
      remedy: "Restore the database from a copy, or begin a study under another name.",
    },
  );

export const parameterChanged = (study: string, name: string, before: string, now: string): TunerError =>
  new TunerError(
    "TUNER_PARAMETER_CHANGED",
    `The parameter "${name}" of study "${study}" is asked for as ${now}; it was ${before} before.`,
    {
      category: "user",
      remedy:
        "Keep to one kind per name, within a trial to one domain; give another name to what is another parameter.",
    },
  );

export const paramsForbidden = (params: unknown): TunerError =>
  new TunerError("TUNER_PARAMS_FORBIDDEN", `A constraint of the study forbids ${JSON.stringify(params)}.`, {
    category: "user",
    remedy: "Enqueue what all constraints allow.",
  });

export const paramsOutsideSpace = (name: string, value: unknown, allowed: string): TunerError =>
  new TunerError(
    "TUNER_PARAMS_OUTSIDE_SPACE",
    `The value ${JSON.stringify(value)} of "${name}" is outside the space.`,
    {
      category: "user",
      remedy: `Allowed: ${allowed}.`,
    },
  );

export const spaceInvalid = (name: string, problem: string): TunerError =>
  new TunerError("TUNER_SPACE_INVALID", `The parameter "${name}" is not well defined: ${problem}.`, {
    category: "user",
    remedy:
      "Give at least one parameter, finite bounds with low below high, a step above 0, a low above 0 for log, at least one choice, and conditions on other parameters.",
  });

export const studyDiffers = (study: string, what: string): TunerError =>
  new TunerError("TUNER_STUDY_DIFFERS", `The study "${study}" was begun with another ${what}.`, {
    category: "user",
    remedy: `Open it with the ${what} it was begun with, or choose another name.`,
  });

export const studyEmpty = (study: string): TunerError =>
  new TunerError("TUNER_STUDY_EMPTY", `The study "${study}" has no completed trial yet.`, {
    category: "user",
    remedy: "Complete a trial first; look at trials() for the reasons of failed ones.",
  });

export const studyBusy = (study: string): TunerError =>
  new TunerError("TUNER_STUDY_BUSY", `What the study "${study}" begins next depends on trials that are under way.`, {
    category: "transient",
    remedy: "Tell their results, then ask again.",
    retryable: true,
  });

export const studyExhausted = (study: string, reason: string): TunerError =>
  new TunerError("TUNER_STUDY_EXHAUSTED", `The study "${study}" begins no more trials. ${reason}`, {
    category: "quota",
    remedy: "Raise the number of trials, or widen stopWhen or the space, to go on.",
  });

export const gridExhausted = (points: number): TunerError =>
  new TunerError("TUNER_STUDY_EXHAUSTED", `All points of the grid, ${points} at most, have a trial.`, {
    category: "quota",
    remedy: "Give the grid more points, or go on with another sampler.",
  });

export const trialFinished = (study: string, trial: number, state: string): TunerError =>
  new TunerError("TUNER_TRIAL_FINISHED", `Trial ${trial} of study "${study}" is ${state} already.`, {
    category: "user",
    remedy: "Report only to running trials; tell the same result twice if you must, but not another one.",
  });

export const trialLost = (study: string, trial: number): TunerError =>
  new TunerError(
    "TUNER_TRIAL_LOST",
    `Trial ${trial} of study "${study}" was taken from this worker, which had given no sign of life for too long.`,
    {
      category: "transient",
      remedy: "Stop working on it: it is begun again elsewhere. Raise leaseMs if the event loop is blocked for long.",
    },
  );

export const trialTimeout = (trial: number, limitMs: number): TunerError =>
  new TunerError("TUNER_TRIAL_TIMEOUT", `Trial ${trial} took longer than ${limitMs} ms.`, {
    category: "capacity",
    remedy: "Raise trialTimeoutMs, or have the objective end at trial.signal.",
  });

export const trialUnknown = (study: string, trial: number): TunerError =>
  new TunerError("TUNER_TRIAL_UNKNOWN", `The study "${study}" has no trial ${trial}.`, {
    category: "user",
    remedy: "Ask for a trial before telling about it.",
  });

export const valueInvalid = (what: string, value: unknown): TunerError =>
  new TunerError(
    "TUNER_VALUE_INVALID",
    `${what} is ${typeof value === "number" ? value : `of the type ${typeof value}`}.`,
    {
      category: "user",
      remedy: "Give a number that is not NaN; tell the trial as failed where there is none.",
    },
  );

export const valuesDiffer = (trial: number, given: number, wanted: number): TunerError =>
  new TunerError(
    "TUNER_VALUE_INVALID",
    `Trial ${trial} ended with ${given} ${given === 1 ? "value" : "values"}; the study has ${wanted} ${wanted === 1 ? "objective" : "objectives"}.`,
    { category: "user", remedy: "Give one value per direction of the study, in their order." },
  );
