import type { Amount, CallOptions, EventDraft, EventId, JsonValue } from "@millwright/contracts";
import type { Params, Space } from "./space.ts";
import type { LinearConstraint } from "./space-constraints.ts";
import type { FailureKind } from "./study/failures.ts";
import type { Direction, Explanation } from "./trial.ts";

/** One thing that happened in a study. A study is the fold of its entries. Times are UTC milliseconds. */
export type JournalEntry =
  /** Always the first. */
  | {
      readonly kind: "study";
      readonly formatVersion: 1;
      readonly space: Space;
      readonly direction: Direction;
      /** Where there are several objectives. */
      readonly directions?: readonly Direction[] | undefined;
      /** Rules by their names. */
      readonly constraints?:
        | readonly (LinearConstraint | { readonly kind: "rule"; readonly name: string })[]
        | undefined;
      readonly seed: number;
      /** Trials say themselves which parameters they have; `space` is empty. */
      readonly dynamic?: true | undefined;
      readonly timeMs: number;
    }
  /** What its user notes of the study, by name; null takes a note back. */
  | {
      readonly kind: "attributes";
      readonly attributes: Attributes;
      readonly timeMs: number;
    }
  | TrialEntry
  /** The parameters of a trial that began without all of them: those that the sampler added, or that it asked for. */
  | {
      readonly kind: "params";
      readonly number: number;
      readonly params: Params;
      /** Of a study without a fixed space. */
      readonly parameters?: Space | undefined;
      readonly explanation?: Explanation | undefined;
      readonly timeMs: number;
    }
  /** What its user notes of a trial, by name; null takes a note back. */
  | { readonly kind: "note"; readonly number: number; readonly attributes: Attributes; readonly timeMs: number }
  /** A worker begins a waiting trial. */
  | ({
      readonly kind: "begin";
      readonly number: number;
      readonly worker: string;
      /** What the study's budget sets aside for it. */
      readonly reserved?: Amount | undefined;
      readonly timeMs: number;
    } & Told)
  /** A running trial spent something; so much is set aside for it from now on. */
  | {
      readonly kind: "spend";
      readonly number: number;
      readonly amount: Amount;
      readonly reserved: Amount;
      readonly timeMs: number;
    }
  | {
      readonly kind: "report";
      readonly number: number;
      readonly step: number;
      readonly value: number;
      readonly checkpoint?: string | undefined;
      readonly timeMs: number;
    }
  | ({ readonly kind: "end"; readonly number: number; readonly timeMs: number; readonly result: TrialResult } & Told)
  /** A running trial goes back to waiting. */
  | ({
      readonly kind: "reclaim";
      readonly number: number;
      readonly reason: string;
      /** Where the attempt failed; absent where its worker only stopped. */
      readonly failure?: FailureKind | undefined;
      /** What the attempt spent beyond what was counted, or may have spent unseen. */
      readonly lost?: Amount | undefined;
      readonly timeMs: number;
    } & Told);

export type Attributes = Readonly<Record<string, JsonValue>>;

/** A new trial: waiting, or, with a result, ended. */
export interface TrialEntry extends Told {
  readonly kind: "trial";
  readonly number: number;
  readonly params: Params;
  readonly explanation: Explanation;
  /** Other parameters are added when it begins. */
  readonly partial?: true | undefined;
  /** Of a study without a fixed space. */
  readonly proposed?: Params | undefined;
  readonly parameters?: Space | undefined;
  /** Another trial's, which it goes on from. */
  readonly checkpoint?: string | undefined;
  /** How many entries the suggestion was made from, where others came in between: they say nothing of new trials. */
  readonly suggestedAfter?: number | undefined;
  readonly repeatOf?: number | undefined;
  readonly retest?: number | undefined;
  /** With `result`: it was not run. One of the two says where the result is from. */
  readonly cachedFrom?: number | undefined;
  readonly added?: true | undefined;
  readonly result?: TrialResult | undefined;
  readonly intermediates?: readonly (readonly [step: number, value: number])[] | undefined;
  readonly attributes?: Attributes | undefined;
  readonly timeMs: number;
}

/** What the journal adds to an entry that came with an event. */
export interface Told {
  /** The event; absent where the journal tells nobody, and in what releases before it wrote. */
  readonly eventId?: EventId | undefined;
}

/** An entry to be appended, and the event that tells of it, if there is one. */
export interface JournalWrite {
  readonly entry: JournalEntry;
  readonly event?: EventDraft | undefined;
}

export interface CompletedResult {
  readonly state: "completed";
  /** The objective, of a study with one. */
  readonly value?: number | undefined;
  /** All objectives in the order of the study's directions. */
  readonly values?: readonly number[] | undefined;
  /** What was measured of constraints; at most 0 is feasible. Always the same number of them in a study. */
  readonly constraints?: readonly number[] | undefined;
  readonly attributes?: Attributes | undefined;
  /** What it spent in this attempt, by unit, with what was counted on the way. */
  readonly cost?: Amount | undefined;
}

/** What a pruner stopped: for good, or where it can go on once it is promoted. */
export interface StoppedResult {
  readonly state: "pruned" | "paused";
  readonly reason: string;
  /** The rule and the numbers. Default: what the pruner said to the last report in this process. */
  readonly verdict?: Explanation | undefined;
  /** As of a completed one. */
  readonly cost?: Amount | undefined;
}

/** How a trial ended, or an attempt at it. */
export type TrialResult =
  | CompletedResult
  | StoppedResult
  | {
      readonly state: "failed";
      readonly reason: string;
      /** Default: `throw`. */
      readonly failure?: FailureKind | undefined;
      /** Samplers are shown the worst value known in its place. What the study's policy says is written here. */
      readonly imputed?: true | undefined;
      /** As of a completed one. */
      readonly cost?: Amount | undefined;
    };

/** Where studies are kept: an append-only list of entries per study. Every method sees what all processes appended. */
export interface StudyJournal {
  /** The entries of `study` from `position` on, in order; from 0. None where the study does not exist. */
  read(study: string, position: number, options?: CallOptions): Promise<readonly JournalEntry[]>;
  /**
   * Appends the entries and their events, all or none, if the study has exactly `position` entries now; they are durable when it resolves.
   * Where an event of the same call is about the same subject, that is the cause of the next, whatever its draft says.
   * @returns the entries with the ids of their events; `undefined` if the study has more: read them and decide anew.
   */
  append(
    study: string,
    position: number,
    writes: readonly JournalWrite[],
    options?: CallOptions,
  ): Promise<readonly JournalEntry[] | undefined>;
}

/** Tells of each write in turn, and gives the entries with the ids of their events. */
export async function tellEach(
  writes: readonly JournalWrite[],
  tell: (event: EventDraft) => Promise<EventId | undefined>,
): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  const newest = new Map<string | undefined, EventId>();
  for (const { entry, event } of writes) {
    const causationid = newest.get(event?.subject) ?? event?.causationid;
    const eventId =
      event === undefined ? undefined : await tell(causationid === undefined ? event : { ...event, causationid });
    if (eventId !== undefined) newest.set(event?.subject, eventId);
    entries.push(eventId === undefined ? entry : ({ ...entry, eventId } as JournalEntry));
  }
  return entries;
}
