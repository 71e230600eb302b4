import type { EventId, Random } from "@millwright/contracts";
import type { Params, Space } from "./space.ts";

export type Direction = "minimize" | "maximize";
export type TrialState = "waiting" | "running" | "completed" | "pruned" | "failed";

/** Why a sampler chose a trial's parameters, or a pruner stopped it: what was computed, JSON-safe. */
export type Explanation = Readonly<Record<string, string | number | boolean>>;

/** What is known of a trial. */
export interface Trial {
  /** From 0, in the order the trials were made. */
  readonly number: number;
  /** `waiting`: enqueued, or taken back from a worker that died, and not begun (again) yet. */
  readonly state: TrialState;
  readonly params: Params;
  readonly explanation: Explanation;
  /** The objective; only of completed trials. */
  readonly value?: number | undefined;
  /** Step and value, in the order reported; steps grow, except that a trial begun again starts over. */
  readonly intermediates: readonly (readonly [step: number, value: number])[];
  /** Why it was pruned, or what the failure said. */
  readonly reason?: string | undefined;
  /** Where a paused or interrupted trial can go on from, as the objective reported it. */
  readonly checkpoint?: string | undefined;
  /** How often it was begun. */
  readonly attempts: number;
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
}

export interface SuggestContext {
  readonly direction: Direction;
  /** All trials of the study so far, by number. */
  readonly trials: readonly Trial[];
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
  | { readonly prune: false }
  | { readonly prune: true; readonly reason: string; readonly explanation: Explanation };

/** Decides whether a trial is worth going on with. Pure. */
export interface Pruner {
  readonly name: string;
  judge(context: PruneContext): PruneVerdict;
}
