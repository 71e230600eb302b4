import { digestOfJson } from "@millwright/contracts";
import { createDecider, type Decision } from "./decider.ts";
import { studyDiffers } from "./errors.ts";
import type { JournalEntry, TrialResult } from "./journal.ts";
import type { Params } from "./space.ts";
import { decideBegin } from "./study/begin.ts";
import { type EngineContext, type StudyEngineOptions, nothing } from "./study/context.ts";
import { eventOf } from "./study/events.ts";
import { type Report, decideEnd, decideEnqueue, decideReclaim, decideReport } from "./study/results.ts";
import { createStudyState } from "./study-state.ts";
import type { Direction, Explanation, PruneVerdict, Trial } from "./trial.ts";

/** Decides on top of the journal; several engines, in several processes, may work on one study. */
export interface StudyEngine {
  readonly name: string;
  readonly directions: readonly Direction[];
  /** Begins a trial; `limit` counts all trials of the study that were ever begun. */
  begin(limit: number | undefined, signal: AbortSignal | undefined): Promise<Trial>;
  report(trial: number, report: Report, signal?: AbortSignal): Promise<PruneVerdict>;
  end(trial: number, result: TrialResult, signal?: AbortSignal): Promise<void>;
  /** Gives a running trial back, to be begun again. */
  reclaim(trial: number, reason: string): Promise<void>;
  enqueue(params: Params, explanation: Explanation, signal?: AbortSignal): Promise<number>;
  trials(signal?: AbortSignal): Promise<readonly Trial[]>;
  history(signal?: AbortSignal): Promise<readonly JournalEntry[]>;
  /**
   * Whether a trial is under way that may leave something to do: on another worker that lives, or is not known to be dead yet; where the pruner promotes, on
   * this one too.
   */
  runningElsewhere(): Promise<boolean>;
}

/** Opens the engine; begins the study if there is none of this name. Throws `TUNER_STUDY_DIFFERS`. */
export async function createStudyEngine(options: StudyEngineOptions): Promise<StudyEngine> {
  const { name, directions, journal } = options;
  const context: EngineContext = { ...options, state: createStudyState(name), verdicts: new Map() };
  const decide = createDecider({ study: name, journal, state: context.state, eventOf });
  await decide(() => decideHeader(context), options.signal);
  return {
    name,
    directions,
    begin: (limit, signal) => decide(() => decideBegin(context, limit), signal),
    report: (number, report, signal) => decide(() => decideReport(context, number, report), signal),
    end: (number, result, signal) => decide(() => decideEnd(context, number, result), signal),
    reclaim: (number, reason) => decide(() => decideReclaim(context, number, reason)),
    enqueue: (params, explanation, signal) => decide(() => decideEnqueue(context, params, explanation), signal),
    trials: (signal) => decide(() => ({ entries: [], result: (trials) => [...trials] }), signal),
    history: (signal) => journal.read(name, 0, { signal }),
    runningElsewhere: () =>
      decide(() => ({
        entries: [],
        result: (trials) =>
          trials.some(
            ({ state, worker }) =>
              state === "running" && (worker !== options.worker || options.pruner?.promote !== undefined),
          ),
      })),
  };
}

function decideHeader(context: EngineContext): Decision<void> {
  const { state, space, directions, name } = context;
  if (state.header === undefined) return { ...nothing, entries: [headerOf(context)] };
  const begun = state.header;
  if (digestOfJson([...(begun.directions ?? [begun.direction])]) !== digestOfJson([...directions]))
    throw studyDiffers(name, "direction");
  if (digestOfJson(begun.space) !== digestOfJson(space)) throw studyDiffers(name, "space");
  if (digestOfJson(begun.constraints ?? []) !== digestOfJson(headerOf(context).constraints ?? []))
    throw studyDiffers(name, "list of constraints");
  return nothing;
}

function headerOf({
  space,
  directions,
  constraints,
  seed,
  clock,
}: EngineContext): Extract<JournalEntry, { kind: "study" }> {
  const kept = constraints.map((constraint) =>
    constraint.kind === "rule" ? { kind: constraint.kind, name: constraint.name } : constraint,
  );
  return {
    kind: "study",
    formatVersion: 1,
    space,
    direction: directions[0] as Direction,
    ...(directions.length > 1 ? { directions } : {}),
    ...(kept.length > 0 ? { constraints: kept } : {}),
    seed,
    timeMs: clock.nowMs(),
  };
}
