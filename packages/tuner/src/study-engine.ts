import {
  type CallOptions,
  type Clock,
  type EventDraft,
  type EventType,
  createRandom,
  digestOfJson,
} from "@millwright/contracts";
import {
  paramsForbidden,
  studyDiffers,
  studyExhausted,
  trialFinished,
  trialUnknown,
  valueInvalid,
  valuesDiffer,
} from "./errors.ts";
import type { JournalEntry, StudyJournal, TrialResult } from "./journal.ts";
import type { Params, Space } from "./space.ts";
import { validateParams } from "./space-check.ts";
import { type Constraint, isAllowed } from "./space-constraints.ts";
import { type Decision, createDecider } from "./decider.ts";
import { type StudyState, createStudyState } from "./study-state.ts";
import type { Direction, Explanation, Pruner, PruneVerdict, Sampler, SuggestContext, Trial } from "./trial.ts";
import type { WorkerLease } from "./worker-lease.ts";

export interface StudyEngineOptions extends CallOptions {
  readonly name: string;
  readonly space: Space;
  readonly directions: readonly Direction[];
  readonly constraints: readonly Constraint[];
  readonly journal: StudyJournal;
  readonly lease: WorkerLease;
  readonly clock: Clock;
  readonly worker: string;
  readonly seed: number;
  readonly sampler: Sampler;
  readonly pruner: Pruner | undefined;
}

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
  /** Whether another worker has a trial under way: one that lives, or one that is not known to be dead yet. */
  runningElsewhere(): Promise<boolean>;
}

/** What decisions are made from: the options, and the study as of the newest entry read. */
interface Context extends StudyEngineOptions {
  readonly state: StudyState;
}

/** Opens the engine; begins the study if there is none of this name. Throws `TUNER_STUDY_DIFFERS`. */
export async function createStudyEngine(options: StudyEngineOptions): Promise<StudyEngine> {
  const { name, directions, journal } = options;
  const context: Context = { ...options, state: createStudyState(name) };
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
    runningElsewhere: () =>
      decide(() => ({
        entries: [],
        result: (trials) => trials.some(({ state, worker }) => state === "running" && worker !== options.worker),
      })),
  };
}

const nothing = { entries: [], result: (): void => {} };

function decideHeader(context: Context): Decision<void> {
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

function headerOf({ space, directions, constraints, seed, clock }: Context): Extract<JournalEntry, { kind: "study" }> {
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

async function decideBegin(context: Context, limit: number | undefined): Promise<Decision<Trial>> {
  const { state, lease, clock, worker, name } = context;
  const dead = await deadTrials(state.trials, lease);
  const entries: JournalEntry[] = dead.map(({ number }) => ({
    kind: "reclaim",
    number,
    reason: "its worker died",
    timeMs: clock.nowMs(),
  }));
  const next = state.trials.find((trial) => trial.state === "waiting" || dead.includes(trial));
  const begun = state.trials.filter(({ attempts }) => attempts > 0).length;
  // A trial that goes on counts once, whoever worked on it before.
  const isNew = next === undefined || next.attempts === 0;
  if (isNew && limit !== undefined && begun >= limit) throw studyExhausted(name, limit);
  const number = next?.number ?? state.trials.length;
  if (next === undefined) entries.push(suggestTrial(context, number, limit));
  entries.push({ kind: "begin", number, worker, timeMs: clock.nowMs() });
  return { entries, result: (trials) => trials[number] as Trial };
}

/** The stream of a trial depends on the study's seed and the trial's number alone, so a restart suggests the same. */
function suggestTrial(context: Context, number: number, plannedTrials: number | undefined): JournalEntry {
  const { state, space, sampler, clock } = context;
  const random = createRandom(state.header?.seed ?? 0).fork(`trial/${number}`);
  const { params, explanation } = sampler.suggest(space, { ...seenBy(context), plannedTrials }, random);
  return { kind: "trial", number, params, explanation, timeMs: clock.nowMs() };
}

/** What samplers and pruners see of the study. */
const seenBy = ({ state, directions, constraints }: Context): SuggestContext => ({
  direction: directions[0] as Direction,
  directions,
  constraints,
  trials: state.trials,
});

/** What a trial says while it runs. */
export interface Report {
  readonly step: number;
  readonly value: number;
  readonly checkpoint: string | undefined;
}

/** Throws `TUNER_VALUE_INVALID`, TypeError for what is no result. */
function checkResult({ directions }: Context, number: number, result: TrialResult): void {
  if (result.state === "completed") {
    const { value, values = [value as number], constraints = [] } = result;
    if (!Array.isArray(values) || !Array.isArray(constraints))
      throw new TypeError(`The values and constraints of trial ${number} must be lists of numbers.`);
    if (values.length !== directions.length) throw valuesDiffer(number, values.length, directions.length);
    for (const told of [...(values as readonly number[]), ...(constraints as readonly number[])])
      if (typeof told !== "number" || Number.isNaN(told)) throw valueInvalid(`A value of trial ${number}`, told);
  } else if ((result.state !== "pruned" && result.state !== "failed") || typeof result.reason !== "string")
    throw new TypeError(
      `The result of trial ${number} must be completed with a value, or pruned or failed with a reason.`,
    );
}

/** Throws `TUNER_VALUE_INVALID`, TypeError for a checkpoint that is no text. NaN is a value here: a curve may have it. */
function checkReport(number: number, { step, value, checkpoint }: Report): void {
  if (typeof step !== "number" || !Number.isFinite(step))
    throw valueInvalid(`The step of a report of trial ${number}`, step);
  if (typeof value !== "number") throw valueInvalid(`The value of a report of trial ${number}`, value);
  if (checkpoint !== undefined && typeof checkpoint !== "string")
    throw new TypeError(`The checkpoint of trial ${number} is ${typeof checkpoint}, not a text.`);
}

function decideReport(context: Context, number: number, report: Report): Decision<PruneVerdict> {
  const { clock, pruner } = context;
  checkReport(number, report);
  const { step, value, checkpoint } = report;
  runningTrial(context, number);
  const kept = checkpoint === undefined ? {} : { checkpoint };
  return {
    entries: [{ kind: "report", number, step, value, ...kept, timeMs: clock.nowMs() }],
    result: (trials) =>
      pruner?.judge({ ...seenBy(context), trial: trials[number] as Trial, trials }) ?? { prune: false },
  };
}

function decideEnd(context: Context, number: number, told: TrialResult): Decision<void> {
  checkResult(context, number, told);
  const result = inOneForm(told);
  if (isSameResult(knownTrial(context, number), result)) return nothing;
  runningTrial(context, number);
  return { ...nothing, entries: [{ kind: "end", number, result, timeMs: context.clock.nowMs() }] };
}

function decideReclaim(context: Context, number: number, reason: string): Decision<void> {
  if (knownTrial(context, number).state !== "running") return nothing;
  return { ...nothing, entries: [{ kind: "reclaim", number, reason, timeMs: context.clock.nowMs() }] };
}

function decideEnqueue(context: Context, params: Params, explanation: Explanation): Decision<number> {
  const { state, space, constraints, clock } = context;
  validateParams(space, params);
  if (!isAllowed(constraints, params)) throw paramsForbidden(params);
  const number = state.trials.length;
  return { entries: [{ kind: "trial", number, params, explanation, timeMs: clock.nowMs() }], result: () => number };
}

function knownTrial({ state, name }: Context, number: number): Trial {
  const trial = state.trials[number];
  if (trial === undefined) throw trialUnknown(name, number);
  return trial;
}

function runningTrial(context: Context, number: number): void {
  const { state } = knownTrial(context, number);
  if (state !== "running") throw trialFinished(context.name, number, state);
}

async function deadTrials(trials: readonly Trial[], lease: WorkerLease): Promise<readonly Trial[]> {
  const running = trials.filter(({ state }) => state === "running");
  const workers = new Set(running.map(({ worker }) => worker));
  const dead = new Set<string | undefined>();
  for (const worker of workers) if (worker !== undefined && (await lease.isDead(worker))) dead.add(worker);
  return running.filter(({ worker }) => dead.has(worker));
}

/** One objective is told as `value`, several as `values`. */
function inOneForm(result: TrialResult): TrialResult {
  if (result.state !== "completed" || result.values === undefined) return result;
  const { value: _value, values, ...rest } = result;
  return values.length === 1 ? { ...rest, value: values[0] } : { ...rest, values };
}

function isSameResult(trial: Trial, result: TrialResult): boolean {
  if (trial.state !== result.state) return false;
  if (result.state !== "completed") return trial.reason === result.reason;
  const { values = [result.value] } = result;
  return values.every((value, index) => value === trial.values?.[index]);
}

/** The events that other parts of a platform follow: that a trial began or goes on, was given back, and how it ended; each caused by the one before. */
function eventOf(study: string, entry: JournalEntry, trials: readonly Trial[]): EventDraft | undefined {
  if (entry.kind !== "begin" && entry.kind !== "end" && entry.kind !== "reclaim") return undefined;
  const { number } = entry;
  const { attempts = 0, eventId } = trials[number] ?? {};
  return {
    source: "millwright/tuner",
    type: typeOf(entry, attempts),
    subject: `${study}/${number}`,
    ...(eventId === undefined ? {} : { causationid: eventId }),
    data: {
      study,
      trial: number,
      ...(entry.kind === "end" ? { result: { ...entry.result } } : {}),
      ...(entry.kind === "reclaim" ? { reason: entry.reason } : {}),
    },
  };
}

/** @param attempts How often the trial was begun before. */
function typeOf(entry: Extract<JournalEntry, { kind: "begin" | "end" | "reclaim" }>, attempts: number): EventType {
  if (entry.kind === "end") return `trial.${entry.result.state}`;
  if (entry.kind === "reclaim") return "trial.paused";
  return attempts === 0 ? "trial.started" : "trial.resumed";
}
