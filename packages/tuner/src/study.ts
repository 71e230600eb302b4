import type { Amount, Budget, CallOptions, Clock, EventLog } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { TrialCost } from "./execute/study-budget.ts";
import type { Attributes, JournalEntry, TrialResult } from "./journal.ts";
import type { OptimizeOptions, StudySummary } from "./optimize.ts";
import type { ParamsOf, Space } from "./space.ts";
import { validateSpace } from "./space-check.ts";
import { type Constraint, validateConstraints } from "./space-constraints.ts";
import type { StopWhen } from "./study/completion.ts";
import type { DuplicatePolicy } from "./study/duplicates.ts";
import type { OnFailure } from "./study/failures.ts";
import type { NoiseOptions } from "./study/noise.ts";
import type { ObjectiveOf } from "./study/objective.ts";
import { openAnyStudy } from "./study/open-study.ts";
import type { PriorStudy, WarmStart } from "./warm-start.ts";
import type { Direction, Explanation, Pruner, Sampler, Trial } from "./trial.ts";
import type { StudyTrial } from "./trial-handle.ts";

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
  /** Default: `autoSampler()`. */
  readonly sampler?: Sampler | undefined;
  /** Begins from finished studies under SageMaker's rules; throws `TUNER_WARM_START_*`. Default: it knows nothing. */
  readonly warmStart?: WarmStart | undefined;
  /** What is known from elsewhere, without rules: `transferSampler` is put before the sampler. Default: nothing. */
  readonly priorTrials?: readonly PriorStudy[] | undefined;
  /** Default: `medianPruner()`. `false`: nothing is pruned. */
  readonly pruner?: Pruner | false | undefined;
  /**
   * What the trials may spend. An amount, such as `{ usd: 20 }`, is kept to by the study itself, in all processes and over restarts; a `Budget` by whoever gave it.
   * Each trial reserves `trialCost` before it begins, and is stopped before its next step would pass the limit; see `docs/tuner-execution.md`. Default: no limit.
   */
  readonly budget?: Budget | Amount | undefined;
  /**
   * What a trial is expected to cost, or a function that says so. Default: of a study's own budget, learnt from the trials that ended; of another,
   * `{ trials: 1 }`.
   */
  readonly trialCost?: TrialCost | undefined;
  /** What a second of a trial costs, by unit, such as `{ usd: 0.0004, joules: 250 }`. Default: `{ seconds: 1 }` where the study's budget limits seconds; else nothing. */
  readonly costPerSecond?: Amount | undefined;
  /** What is done with parameters that were tried before. Default: `allow`. */
  readonly duplicates?: DuplicatePolicy | undefined;
  /** The objective is noisy: promising parameters are evaluated again, and the best is tested at the end. Default: it is taken at its word. */
  readonly noise?: NoiseOptions | undefined;
  /** When the study is done; the first criterion that is met counts. Default: when the number of trials is reached. */
  readonly stopWhen?: StopWhen | undefined;
  /** What becomes of failed trials. Default: `fail`. */
  readonly onFailure?: OnFailure | undefined;
  /** Times that a failed trial is begun again where `onFailure` says so, from 0. Default: 2. */
  readonly maxRetries?: number | undefined;
  /** A trial whose worker died so often fails: it may be the trial that kills them. From 1. Default: 10. */
  readonly maxAttempts?: number | undefined;
  /** Seeds the sampler; a whole number. A study keeps the seed it was begun with. Default: 0. */
  readonly seed?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Takes `trial.*` events, where there is no database to keep them. Default: nowhere. */
  readonly events?: EventLog | undefined;
  /** How long a worker may be silent before its trials are given to another; above 0. Default: 30,000. */
  readonly leaseMs?: number | undefined;
}

export interface AskOptions<FixedParams = unknown> extends CallOptions {
  /** Begins no trial beyond so many in the whole study, restarts and other workers included: `TUNER_STUDY_EXHAUSTED`. */
  readonly trials?: number | undefined;
  /** In place of the study's own. */
  readonly stopWhen?: StopWhen | undefined;
  /** Values that the trial shall have, where it is a new one; the sampler gives the others. */
  readonly fixed?: FixedParams | undefined;
}

export interface EnqueueOptions extends CallOptions {
  /** Where a trial has these values already, nothing is put in line. Default: false. */
  readonly skipIfExists?: boolean | undefined;
  readonly attributes?: Attributes | undefined;
}

/** A trial that was made elsewhere, such as with what runs in production. */
export interface FinishedTrial<P> {
  readonly params: P;
  readonly result: TrialResult;
  /** Step and value, by step. */
  readonly intermediates?: readonly (readonly [step: number, value: number])[] | undefined;
  readonly attributes?: Attributes | undefined;
  readonly explanation?: Explanation | undefined;
}

/** The best trial of a study. */
export interface BestTrial<P> extends Omit<Trial, "params"> {
  readonly params: P;
  /** Of a noisy study, the mean of its evaluations: of those at the end where there were any. */
  readonly value: number;
  /** Of a noisy study: where the true mean lies with the study's confidence. */
  readonly bound?: readonly [low: number, high: number] | undefined;
  /** Of a noisy study: how many evaluations `value` is the mean of. */
  readonly evaluations?: number | undefined;
}

/** A trial of the Pareto front. */
export type FrontTrialOf<P> = Omit<Trial, "params"> & { readonly values: readonly number[]; readonly params: P };
export type FrontTrial<S extends Space> = FrontTrialOf<ParamsOf<S>>;

/** What all studies can do. `P`: parameters; `F`: some of them; `Handle`: a trial as its objective sees it. */
export interface StudyOf<P, F, Handle> extends AsyncDisposable {
  readonly name: string;
  /** Of the first objective. */
  readonly direction: Direction;
  readonly directions: readonly Direction[];
  /**
   * Begins the next trial: a waiting one if there is any, else what the sampler suggests. Throws `TUNER_STUDY_EXHAUSTED` where none is to begin, and
   * `TUNER_STUDY_BUSY` where that depends on trials under way.
   */
  ask(options?: AskOptions<F>): Promise<Handle>;
  /** Ends a trial. Telling the same again does nothing; telling another result throws `TUNER_TRIAL_FINISHED`. */
  tell(trial: number, result: TrialResult, options?: CallOptions): Promise<void>;
  /**
   * Puts parameters in line: they are tried before the sampler is asked, in the order given. Those that are left out the sampler gives when the trial begins.
   * @returns the trial's number. Throws `TUNER_PARAMS_OUTSIDE_SPACE`, `TUNER_PARAMS_FORBIDDEN`, `TUNER_CONSTRAINTS_UNSATISFIABLE`.
   */
  enqueue(params: F, options?: EnqueueOptions): Promise<number>;
  /** Adds a trial with its result; it counts for no limit. @returns its number. Throws `TUNER_PARAMS_OUTSIDE_SPACE`, `TUNER_VALUE_INVALID`. */
  add(trial: FinishedTrial<P>, options?: CallOptions): Promise<number>;
  /** Runs trials until the study has `trials` of them, or a time, a budget or a criterion ends it. */
  optimize(objective: ObjectiveOf<Handle>, options: OptimizeOptions<F>): Promise<StudySummary>;
  /** All trials by number, those of other processes included. */
  trials(options?: CallOptions): Promise<readonly Trial[]>;
  /** Everything that happened in the study, in order: what `replayStudy` of `@millwright/tuner/insight` takes. */
  history(options?: CallOptions): Promise<readonly JournalEntry[]>;
  /**
   * The completed trial with the best value, among the feasible ones if there is any; the earliest of equals. Of several objectives: of the first. Of a noisy
   * study: the one whose bound is best. Throws `TUNER_STUDY_EMPTY`.
   */
  best(options?: CallOptions): Promise<BestTrial<P>>;
  /** The completed, feasible trials that no other dominates in the study's directions, by number: none is better than one of them in everything. */
  front(options?: CallOptions): Promise<readonly FrontTrialOf<P>[]>;
  /** Notes something of the study, by name; null takes a note back. */
  setAttributes(attributes: Attributes, options?: CallOptions): Promise<void>;
  attributes(options?: CallOptions): Promise<Attributes>;
  /** Ends what this worker does on the study: `optimize` rejects, its trials wait for another worker. Later calls throw `PORT_CLOSED`. */
  close(options?: CallOptions): Promise<void>;
}

/** What is searched, of a study with a fixed space; see `ObjectiveOf`. */
export type Objective<S extends Space> = ObjectiveOf<StudyTrial<S>>;

/** A search for the best parameters of an objective: the trials made so far, and the sampler that proposes the next. */
export interface Study<S extends Space> extends StudyOf<ParamsOf<S>, Partial<ParamsOf<S>>, StudyTrial<S>> {
  readonly space: S;
}

/** Opens a study, or goes on with the one of this name. Throws `TUNER_SPACE_INVALID`, `TUNER_STUDY_DIFFERS`, `TUNER_JOURNAL_CORRUPT`. */
export async function openStudy<const S extends Space>(options: StudyOptions<S>): Promise<Study<S>> {
  const { space, constraints = [], signal } = options;
  signal?.throwIfAborted();
  const study = await openAnyStudy<ParamsOf<S>, Partial<ParamsOf<S>>, StudyTrial<S>>(
    options,
    {
      space,
      dynamic: false,
      openTrial: (_engine, base) => ({ handle: base as unknown as StudyTrial<S>, settled: () => Promise.resolve() }),
    },
    () => {
      validateSpace(space);
      validateConstraints(space, constraints);
    },
  );
  return { ...study, space };
}
