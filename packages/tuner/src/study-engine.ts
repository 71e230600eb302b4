import { type Amount, createRandom, digestOfJson } from "@millwright/contracts";
import { type Decision, createDecider } from "./decider.ts";
import { studyDiffers } from "./errors.ts";
import { type Spend, type SpendOutcome, decideSpend } from "./execute/study-budget.ts";
import type { Attributes, JournalEntry, TrialResult } from "./journal.ts";
import type { Parameter, Params } from "./space.ts";
import { type BeginRequest, type Begun, decideBegin } from "./study/begin.ts";
import { type EngineContext, type StudyEngineOptions, nothing } from "./study/context.ts";
import { createTriedPoints } from "./study/duplicates.ts";
import { eventOf } from "./study/events.ts";
import {
  type AddedTrial,
  type Defined,
  type Enqueued,
  checkFixed,
  decideAdd,
  decideDefine,
  decideEnqueue,
  decideNote,
} from "./study/line.ts";
import { type Ended, type Report, checkResult, decideEnd, decideReclaim, decideReport } from "./study/results.ts";
import { type OneByOne, createOneByOne } from "./study/suggestion.ts";
import { type StudyState, createStudyState } from "./study-state.ts";
import type { Direction, PruneVerdict, Trial } from "./trial.ts";

/** Whose word a call is: an attempt that was lost to another worker throws `TUNER_TRIAL_LOST`. Default: whoever speaks of the trial by its number. */
export interface AttemptOptions {
  readonly attempt?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Decides on top of the journal; several engines, in several processes, may work on one study. */
export interface StudyEngine {
  readonly name: string;
  readonly directions: readonly Direction[];
  /** The study as of the newest decision of this engine. */
  readonly state: StudyState;
  /** Begins a trial. */
  begin(request: BeginRequest, signal?: AbortSignal): Promise<Begun>;
  /** Throws where no trial can have these values. */
  checkFixed(fixed: Params, signal?: AbortSignal): Promise<void>;
  report(trial: number, report: Report, options?: AttemptOptions): Promise<PruneVerdict>;
  end(trial: number, result: TrialResult, options?: AttemptOptions): Promise<Ended>;
  /** Counts what a running trial spends, and sets aside what it needs next. */
  spend(trial: number, spend: Spend, attempt?: number): Promise<SpendOutcome>;
  /** Gives a running trial back, to be begun again. @param lost What it spent beyond what was counted. */
  reclaim(trial: number, reason: string, attempt?: number, lost?: Amount): Promise<void>;
  /** Throws where the study refuses this as a result. */
  checkResult(trial: number, result: TrialResult): void;
  enqueue(enqueued: Enqueued, signal?: AbortSignal): Promise<number>;
  add(added: AddedTrial, signal?: AbortSignal): Promise<number>;
  /** Of the study where no trial is named. */
  note(trial: number | undefined, attributes: Attributes, signal?: AbortSignal): Promise<void>;
  /** Writes down what a trial of a study without a fixed space asked for until it is this decision's turn. */
  define(trial: number, collect: () => Defined, attempt: number): Promise<void>;
  /** The values of what such a trial asks for beyond what was proposed. */
  oneByOne(trial: Trial): OneByOne;
  kindOf(parameter: string): Parameter["kind"] | undefined;
  /** The seed of an evaluation, from 0 to 2^32 − 1. */
  seedOf(trial: Trial): number;
  trials(signal?: AbortSignal): Promise<readonly Trial[]>;
  history(signal?: AbortSignal): Promise<readonly JournalEntry[]>;
  attributes(signal?: AbortSignal): Promise<Attributes>;
  /**
   * Whether a trial is under way that may leave something to do: on another worker that lives, or is not known to be dead yet; where the pruner promotes, on
   * this one too.
   */
  runningElsewhere(): Promise<boolean>;
}

/** Opens the engine; begins the study if there is none of this name. Throws `TUNER_STUDY_DIFFERS`. */
export async function createStudyEngine(options: StudyEngineOptions): Promise<StudyEngine> {
  const { name, directions, journal } = options;
  const state = createStudyState(name);
  const context: EngineContext = {
    ...options,
    state,
    tried: createTriedPoints(() => state.trials),
    verdicts: new Map(),
    newest: {},
  };
  const decide = createDecider({ study: name, journal, state, eventOf });
  const look = <Result>(result: () => Result, signal?: AbortSignal): Promise<Result> =>
    decide(() => ({ entries: [], result }), signal);
  await decide(() => decideHeader(context), options.signal);
  return {
    name,
    directions,
    state,
    begin: (request, signal) => decide(() => decideBegin(context, request), signal),
    checkFixed: (fixed, signal) => look(() => void checkFixed(context, fixed), signal),
    report: (number, report, { attempt, signal } = {}) =>
      decide(() => decideReport(context, number, report, attempt), signal),
    end: (number, result, { attempt, signal } = {}) =>
      decide(() => decideEnd(context, number, result, attempt), signal),
    spend: (number, spend, attempt) => decide(() => decideSpend(context, number, spend, attempt)),
    reclaim: (number, reason, attempt, lost) => decide(() => decideReclaim(context, number, reason, { attempt, lost })),
    checkResult: (number, result) => checkResult(context, number, result),
    enqueue: (enqueued, signal) => decide(() => decideEnqueue(context, enqueued), signal),
    add: (added, signal) => decide(() => decideAdd(context, added), signal),
    note: (number, attributes, signal) => decide(() => decideNote(context, number, attributes), signal),
    define: (number, collect, attempt) => decide(() => decideDefine(context, number, collect, attempt)),
    oneByOne: (trial) => createOneByOne(context, trial),
    kindOf: (parameter) => state.definitions.kindOf(parameter),
    seedOf: (trial) => seedOf(context, trial),
    trials: (signal) => look(() => [...state.trials], signal),
    history: (signal) => journal.read(name, 0, { signal }),
    attributes: (signal) => look(() => state.attributes, signal),
    runningElsewhere: () =>
      look(() =>
        [...state.running].some(
          (number) => state.trials[number]?.worker !== options.worker || options.pruner?.promote !== undefined,
        ),
      ),
  };
}

function decideHeader(context: EngineContext): Decision<void> {
  const { state, space, dynamic, directions, name } = context;
  if (state.header === undefined) return { ...nothing, entries: [headerOf(context)] };
  const begun = state.header;
  if (digestOfJson([...(begun.directions ?? [begun.direction])]) !== digestOfJson([...directions]))
    throw studyDiffers(name, "direction");
  if ((begun.dynamic ?? false) !== dynamic || digestOfJson(begun.space) !== digestOfJson(space))
    throw studyDiffers(name, "space");
  if (digestOfJson(begun.constraints ?? []) !== digestOfJson(headerOf(context).constraints ?? []))
    throw studyDiffers(name, "list of constraints");
  return nothing;
}

function headerOf(context: EngineContext): Extract<JournalEntry, { kind: "study" }> {
  const { space, dynamic, directions, constraints, seed, clock } = context;
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
    ...(dynamic ? { dynamic } : {}),
    timeMs: clock.nowMs(),
  };
}

/** Every evaluation has a seed of its own, but the tests at the end of a noisy study, which all get the same ones. */
function seedOf({ state }: EngineContext, { number, retest }: Trial): number {
  const label = retest === undefined ? `evaluation/${number}` : `retest/${retest}`;
  return createRandom(state.header?.seed ?? 0)
    .fork(label)
    .integer(2 ** 32);
}
