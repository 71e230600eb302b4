import type { Amount, EventId, JsonValue, Random } from "@millwright/contracts";
import type { FailureKind } from "./study/failures.ts";
import type { Params, Space } from "./space.ts";
import type { Constraint } from "./space-constraints.ts";

export type Direction = "minimize" | "maximize";
export type TrialState = "waiting" | "running" | "paused" | "completed" | "pruned" | "failed";

/** Why a sampler chose a trial's parameters, or a pruner stopped it: what was computed, JSON-safe. */
export type Explanation = Readonly<Record<string, string | number | boolean | readonly number[]>>;

/** What is known of a trial. */
export interface Trial {
  /** From 0, in the order the trials were made. */
  readonly number: number;
  /**
   * `waiting`: enqueued, or taken back from a worker that died, and not begun (again) yet. `paused`: stopped by the pruner, which may have it go on from
   * its checkpoint later.
   */
  readonly state: TrialState;
  readonly params: Params;
  readonly explanation: Explanation;
  /** The objective; only of completed trials of a study with one. */
  readonly value?: number | undefined;
  /** All objectives in the order of the study's directions; only of completed trials. */
  readonly values?: readonly number[] | undefined;
  /** What was measured of the constraints that only a run can tell, in an order that is the objective's; at most 0 is feasible. */
  readonly constraintValues?: readonly number[] | undefined;
  /** What its user notes. */
  readonly attributes?: Readonly<Record<string, JsonValue>> | undefined;
  /** What it has spent, by unit, over all attempts. */
  readonly cost?: Amount | undefined;
  /** What the study's budget has set aside for it, beyond its cost; only while it runs. */
  readonly reserved?: Amount | undefined;
  /** Step and value, in the order reported; steps grow, except that a trial begun again starts over. */
  readonly intermediates: readonly (readonly [step: number, value: number])[];
  /** Why it was pruned or paused last, or what the failure said. */
  readonly reason?: string | undefined;
  /** The rule and the numbers by which it was pruned, or paused last. */
  readonly verdict?: Explanation | undefined;
  /** Where a paused or interrupted trial can go on from, as the objective reported it. */
  readonly checkpoint?: string | undefined;
  /** How often it was begun. */
  readonly attempts: number;
  /** Why the newest of its attempts failed. */
  readonly failure?: FailureKind | undefined;
  /** How many of its attempts failed and were followed by another. */
  readonly retries?: number | undefined;
  /** How many of its attempts ended with their worker. */
  readonly losses?: number | undefined;
  /** It failed, and samplers are shown the worst value known in its place. */
  readonly imputed?: boolean | undefined;
  /** The trial whose parameters it evaluates again; that is no repeat itself. */
  readonly repeatOf?: number | undefined;
  /** It tests one of the best at the end of a noisy study: with which of the seeds set aside for that, from 0. */
  readonly retest?: number | undefined;
  /** The trial whose values it was given, without running. */
  readonly cachedFrom?: number | undefined;
  /** It was added with its result, and counts for no limit. */
  readonly added?: boolean | undefined;
  /** Of an enqueued trial whose other parameters the sampler gives when it begins: `params` are those given. */
  readonly partial?: boolean | undefined;
  /** Of a study without a fixed space: the parameters that the trial asked for so far. */
  readonly parameters?: Space | undefined;
  /** Of a study without a fixed space: the values it takes for parameters it may ask for. */
  readonly proposed?: Params | undefined;
  /** Which process works on it, or did last. */
  readonly worker?: string | undefined;
  /** UTC, milliseconds. */
  readonly startedMs?: number | undefined;
  readonly endedMs?: number | undefined;
  /** The newest event about it, where the study tells of its trials. */
  readonly eventId?: EventId | undefined;
}

/** What a sampler gives. */
export interface Suggestion {
  readonly params: Params;
  readonly explanation: Explanation;
  /** What the new trial goes on from, as another trial reported it. Default: it begins anew. */
  readonly checkpoint?: string | undefined;
}

export interface SuggestContext {
  /** Of the first objective. */
  readonly direction: Direction;
  /** Of all objectives. Default: `[direction]`. */
  readonly directions?: readonly Direction[] | undefined;
  /** All trials of the study so far, by number. */
  readonly trials: readonly Trial[];
  /** Name of the study. */
  readonly study?: string | undefined;
  /** What suggestions must keep to. Default: none. */
  readonly constraints?: readonly Constraint[] | undefined;
  /** How many trials the study shall have in the end, where that is known. */
  readonly plannedTrials?: number | undefined;
}

/** Chooses parameters. Pure: the same space, trials and random stream give the same suggestion. */
export interface Sampler {
  readonly name: string;
  suggest(space: Space, context: SuggestContext, random: Random): Suggestion;
}

export interface PruneContext extends SuggestContext {
  /** The trial in question, with the value just reported as its last intermediate. */
  readonly trial: Trial;
}

export type PruneVerdict =
  | { readonly prune: false; readonly pause?: false }
  | { readonly prune: true; readonly reason: string; readonly explanation: Explanation }
  | { readonly prune: false; readonly pause: true; readonly reason: string; readonly explanation: Explanation };

/** Decides whether a trial is worth going on with. Pure. */
export interface Pruner {
  readonly name: string;
  judge(context: PruneContext): PruneVerdict;
  /** The paused trial that goes on before another is begun; `undefined` for none. Only of pruners that pause. */
  promote?(context: SuggestContext): number | undefined;
}
