import {
  type Budget,
  type CallOptions,
  type Clock,
  type EventLog,
  type LeaseStore,
  createIdSource,
  systemClock,
} from "@millwright/contracts";
import { type Database, openSqliteLeaseStore } from "@millwright/storage";
import { openMemoryStudyJournal } from "./drivers/memory.ts";
import { openSqlStudyJournal } from "./drivers/sql.ts";
import { studyEmpty } from "./errors.ts";
import type { JournalEntry, StudyJournal, TrialResult } from "./journal.ts";
import { type OptimizeOptions, type StudySummary, optimize } from "./optimize.ts";
import { paretoFront } from "./multi/front.ts";
import type { Objective } from "./study/run-trial.ts";
import { medianPruner } from "./pruners/median.ts";
import { tpeSampler } from "./samplers/tpe.ts";
import { bestTrial } from "./outcome.ts";
import type { Params, ParamsOf, Space } from "./space.ts";
import { validateSpace } from "./space-check.ts";
import { type Constraint, validateConstraints } from "./space-constraints.ts";
import { type StudyEngine, createStudyEngine } from "./study-engine.ts";
import type { Direction, Pruner, Sampler, Trial } from "./trial.ts";
import { type StudyTrial, createTrialHandle } from "./trial-handle.ts";
import { type WorkerLease, openWorkerLease } from "./worker-lease.ts";

export interface StudyOptions<S extends Space> extends CallOptions {
  /** Opening a name again goes on with its study. */
  readonly name: string;
  readonly space: S;
  /** Of a study with one objective. */
  readonly direction?: Direction | undefined;
  /** Of a study with several; instead of `direction`. */
  readonly directions?: readonly Direction[] | undefined;
  /** What parameters must keep to, known before a trial runs. Default: none. */
  readonly constraints?: readonly Constraint[] | undefined;
  /** Where the study is kept, to survive this process and to be shared with others. Default: in this process only. */
  readonly database?: Database | undefined;
  /** Default: `tpeSampler()`. */
  readonly sampler?: Sampler | undefined;
  /** Default: `medianPruner()`. `false`: nothing is pruned. */
  readonly pruner?: Pruner | false | undefined;
  /** What the trials may spend; each trial reserves `trialCost` before it begins. Default: no limit. */
  readonly budget?: Budget | undefined;
  /** Default: `{ trials: 1 }`. */
  readonly trialCost?: Readonly<Record<string, number>> | undefined;
  /** Seeds the sampler; a whole number. A study keeps the seed it was begun with. Default: 0. */
  readonly seed?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Takes `trial.*` events, where there is no database to keep them. Default: nowhere. */
  readonly events?: EventLog | undefined;
  /** How long a worker may be silent before its trials are given to another; above 0. Default: 30,000. */
  readonly leaseMs?: number | undefined;
}

export interface AskOptions extends CallOptions {
  /** Begins no trial beyond so many in the whole study, restarts and other workers included: `TUNER_STUDY_EXHAUSTED`. */
  readonly trials?: number | undefined;
}

/** A search for the best parameters of an objective: the trials made so far, and the sampler that proposes the next. */
export interface Study<S extends Space> extends AsyncDisposable {
  readonly name: string;
  readonly space: S;
  /** Of the first objective. */
  readonly direction: Direction;
  readonly directions: readonly Direction[];
  /** Begins the next trial: a waiting one if there is any, else what the sampler suggests. */
  ask(options?: AskOptions): Promise<StudyTrial<S>>;
  /** Ends a trial. Telling the same again does nothing; telling another result throws `TUNER_TRIAL_FINISHED`. */
  tell(trial: number, result: TrialResult, options?: CallOptions): Promise<void>;
  /** Puts parameters in line: they are tried before the sampler is asked, in the order given. */
  enqueue(params: ParamsOf<S>, options?: CallOptions): Promise<number>;
  /** Runs trials until the study has `trials` of them, or time or budget is used up. */
  optimize(objective: Objective<S>, options: OptimizeOptions): Promise<StudySummary>;
  /** All trials by number, those of other processes included. */
  trials(options?: CallOptions): Promise<readonly Trial[]>;
  /** Everything that happened in the study, in order: what `replayStudy` of `@millwright/tuner/insight` takes. */
  history(options?: CallOptions): Promise<readonly JournalEntry[]>;
  /**
   * The completed trial with the best value, among the feasible ones if there is any; the earliest of equals. Of several objectives: of the first.
   * Throws `TUNER_STUDY_EMPTY`.
   */
  best(options?: CallOptions): Promise<Trial & { readonly value: number; readonly params: ParamsOf<S> }>;
  /** The completed, feasible trials that no other dominates in the study's directions, by number: none is better than one of them in everything. */
  front(options?: CallOptions): Promise<readonly FrontTrial<S>[]>;
}

/** A trial of the Pareto front. */
export type FrontTrial<S extends Space> = Trial & { readonly values: readonly number[]; readonly params: ParamsOf<S> };

/** Opens a study, or goes on with the one of this name. Throws `TUNER_SPACE_INVALID`, `TUNER_STUDY_DIFFERS`, `TUNER_JOURNAL_CORRUPT`. */
export async function openStudy<const S extends Space>(options: StudyOptions<S>): Promise<Study<S>> {
  const { name, space, constraints = [], clock = systemClock, leaseMs = 30_000, signal } = options;
  signal?.throwIfAborted();
  checkOptions(options);
  validateSpace(space);
  validateConstraints(space, constraints);
  const { engine, lease } = await openEngine(options);
  const direction = engine.directions[0] as Direction;
  return {
    name,
    space,
    direction,
    directions: engine.directions,
    ask: async ({ trials, signal: asking } = {}) =>
      createTrialHandle<S>(engine, await engine.begin(trials, asking), { signal: asking }),
    tell: (trial, result, call = {}) => engine.end(trial, result, call.signal),
    enqueue: (params, call = {}) => engine.enqueue(params as Params, { sampler: "enqueued" }, call.signal),
    optimize: (objective, settings) =>
      optimize<S>(engine, objective, {
        ...settings,
        budget: options.budget,
        trialCost: options.trialCost,
        clock,
        pollMs: Math.min(1_000, leaseMs / 3),
      }),
    trials: (call = {}) => engine.trials(call.signal),
    history: (call = {}) => engine.history(call.signal),
    async best(call = {}) {
      const best = bestTrial(await engine.trials(call.signal), direction);
      const value = best?.values?.[0];
      if (best === undefined || value === undefined) throw studyEmpty(name);
      return { ...best, value, params: best.params as ParamsOf<S> };
    },
    front: async (call = {}) =>
      paretoFront(await engine.trials(call.signal), engine.directions) as readonly FrontTrial<S>[],
    [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
  };
}

interface OpenEngine {
  readonly engine: StudyEngine;
  readonly lease: WorkerLease;
}

async function openEngine(options: StudyOptions<Space>): Promise<OpenEngine> {
  const { name, space, database, clock = systemClock, leaseMs = 30_000, signal } = options;
  const worker = createIdSource(clock).next();
  const journal: StudyJournal =
    database === undefined
      ? openMemoryStudyJournal({ events: options.events })
      : await openSqlStudyJournal(database, { signal });
  const leases: LeaseStore | undefined = database === undefined ? undefined : openSqliteLeaseStore(database, { clock });
  const lease: WorkerLease = await openWorkerLease({ study: name, worker, leases, leaseMs, clock, signal });
  const opening = createStudyEngine({
    name,
    space,
    journal,
    lease,
    clock,
    worker,
    signal,
    directions: options.directions ?? [options.direction as Direction],
    constraints: options.constraints ?? [],
    seed: options.seed ?? 0,
    sampler: options.sampler ?? tpeSampler(),
    pruner: options.pruner === false ? undefined : (options.pruner ?? medianPruner()),
  });
  const engine = await opening.catch(async (error: unknown) => {
    await lease[Symbol.asyncDispose]();
    throw error;
  });
  return { engine, lease };
}

/** Throws TypeError and RangeError. */
function checkOptions({ name, direction, directions, seed = 0, leaseMs = 30_000 }: StudyOptions<Space>): void {
  if (typeof name !== "string" || name === "") throw new TypeError("A study needs a name: a text that is not empty.");
  if (direction !== undefined && directions !== undefined)
    throw new TypeError(`The study "${name}" has both a direction and directions; give one of them.`);
  const all = directions ?? [direction];
  if (!Array.isArray(all) || all.length === 0)
    throw new TypeError(`The directions of the study "${name}" must be a list that is not empty.`);
  if (!(all as readonly unknown[]).every((one) => one === "minimize" || one === "maximize"))
    throw new RangeError(`The direction of the study "${name}" must be minimize or maximize.`);
  if (!Number.isSafeInteger(seed)) throw new RangeError(`The seed of the study "${name}" must be a whole number.`);
  if (typeof leaseMs !== "number" || !(leaseMs > 0))
    throw new RangeError(`leaseMs of the study "${name}" must be a number above 0.`);
}
