import type { Params, Space } from "./space.ts";
import { type DynamicTrial, createDynamicTrial } from "./study/dynamic-trial.ts";
import { openAnyStudy } from "./study/open-study.ts";
import type { StudyOf, StudyOptions } from "./study.ts";

export type DynamicStudyOptions = Omit<StudyOptions<Space>, "space" | "constraints" | "duplicates">;

/** A study without a fixed space: each trial asks for its parameters as it comes to need them (define by run). */
export type DynamicStudy = StudyOf<Params, Params, DynamicTrial>;

/**
 * Opens a study whose trials define its space, or goes on with the one of this name. What every trial asks for is suggested together, by the study's sampler;
 * what only some ask for, each by itself. `enqueue` takes values for parameters that a trial may ask for.
 * Throws `TUNER_STUDY_DIFFERS`, `TUNER_JOURNAL_CORRUPT`.
 */
export async function openDynamicStudy(options: DynamicStudyOptions): Promise<DynamicStudy> {
  options.signal?.throwIfAborted();
  return openAnyStudy<Params, Params, DynamicTrial>(
    { ...options, space: {} },
    { space: {}, dynamic: true, openTrial: (engine, base, trial) => createDynamicTrial(engine, trial, base) },
    () => {},
  );
}
