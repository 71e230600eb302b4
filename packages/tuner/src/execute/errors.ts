import { TunerError, type TunerErrorCode } from "../errors.ts";

export const resourcesImpossible = (unit: string, asked: number, most: number): TunerError =>
  new TunerError("TUNER_RESOURCES_IMPOSSIBLE", `A trial asks for ${asked} ${unit}, and there are ${most} in all.`, {
    category: "user",
    remedy: "Ask for less, or create the slots with more.",
  });

interface ToldError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
}

export const objectiveFailed = (trial: string, told: ToldError): TunerError => {
  return new TunerError(
    "TUNER_OBJECTIVE_FAILED",
    `The objective of trial ${trial} threw ${told.name} ("${told.message}").`,
    {
      category: "user",
      remedy: "See the cause; mend the objective, or narrow the space.",
      cause: told,
    },
  );
};

export const objectiveCrashed = (trial: string, reason: string, attempts: number): TunerError =>
  new TunerError(
    "TUNER_OBJECTIVE_CRASHED",
    `Where trial ${trial} ran ended ${attempts} times without a value (${reason}).`,
    {
      category: "transient",
      remedy: "Look for what ends it: memory, process.exit, a native library; or raise retries.",
      retryable: true,
    },
  );

const warmStart = (
  code: Extract<TunerErrorCode, `TUNER_WARM_START_${string}`>,
  study: string,
  problem: string,
  remedy: string,
): TunerError =>
  new TunerError(code, `The study "${study}" cannot begin from others: ${problem}.`, { category: "user", remedy });

export const parentsInvalid = (study: string, count: number, most: number): TunerError =>
  warmStart(
    "TUNER_WARM_START_PARENTS_INVALID",
    study,
    `it names ${count} parents`,
    `Name 1 to ${most} parents; without a limit, give what they know as priorTrials.`,
  );

export const parentUnfinished = (study: string, parent: string): TunerError =>
  warmStart(
    "TUNER_WARM_START_PARENT_UNFINISHED",
    study,
    `trials of "${parent}" still run or wait`,
    "Wait until it has ended, or tell its trials as failed.",
  );

export const metricDiffers = (study: string, parent: string, own: string, others: string): TunerError =>
  warmStart(
    "TUNER_WARM_START_METRIC_DIFFERS",
    study,
    `it is to ${own}, and "${parent}" was to ${others}`,
    "Choose parents with the same objective and direction.",
  );

export const parametersDiffer = (study: string, parent: string, problem: string): TunerError =>
  warmStart(
    "TUNER_WARM_START_PARAMETERS_DIFFER",
    study,
    `its parameters are not those of "${parent}": ${problem}`,
    "Keep the number and kinds of hyperparameters, static ones included; or give priorTrials.",
  );

export const staticChanges = (study: string, parent: string, changes: number, most: number): TunerError =>
  warmStart(
    "TUNER_WARM_START_STATIC_CHANGES",
    study,
    `${changes} parameters became static or tunable since "${parent}"`,
    `Change at most ${most} of them; or give priorTrials.`,
  );

export const warmStartRecursive = (study: string, parent: string, ancestor: string): TunerError =>
  warmStart(
    "TUNER_WARM_START_RECURSIVE",
    study,
    `"${parent}" began from "${ancestor}", and what it had from there is not handed on`,
    `Name "${ancestor}" as a parent too, unless it is the study itself.`,
  );

export const dataDiffers = (study: string, parent: string): TunerError =>
  warmStart(
    "TUNER_WARM_START_DATA_DIFFERS",
    study,
    `its data or algorithm are not those of "${parent}", or not said`,
    "Give the same data and algorithm for both; or choose the type transfer-learning.",
  );

export const splitSealed = (name: string, times: number): TunerError =>
  new TunerError("TUNER_TEST_SPLIT_SEALED", `The test split "${name}" was read before: this is access ${times}.`, {
    category: "user",
    remedy:
      "Report what it gave the first time; a new verdict needs data that nobody has looked at. To look all the same, say why by `again`.",
  });

export const splitLeaked = (name: string, role: string): TunerError =>
  new TunerError("TUNER_TEST_SPLIT_LEAKED", `The data given as "${role}" is the test split "${name}".`, {
    category: "user",
    remedy: "Tune on training and validation data alone.",
  });

export const splitTooEarly = (name: string, study: string, unfinished: number): TunerError =>
  new TunerError(
    "TUNER_TEST_SPLIT_TOO_EARLY",
    `The study "${study}" has ${unfinished} trials that run or wait: the test split "${name}" stays closed.`,
    { category: "user", remedy: "Let the study end first: what is chosen must not depend on the test." },
  );
