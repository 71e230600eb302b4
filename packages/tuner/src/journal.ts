import type { CallOptions, EventDraft } from "@millwright/contracts";
import type { Params, Space } from "./space.ts";
import type { Direction, Explanation } from "./trial.ts";

/** One thing that happened in a study. A study is the fold of its entries. Times are UTC milliseconds. */
export type JournalEntry =
  /** Always the first. */
  | {
      readonly kind: "study";
      readonly formatVersion: 1;
      readonly space: Space;
      readonly direction: Direction;
      readonly seed: number;
      readonly timeMs: number;
    }
  /** A new trial, waiting. */
  | {
      readonly kind: "trial";
      readonly number: number;
      readonly params: Params;
      readonly explanation: Explanation;
      readonly timeMs: number;
    }
  /** A worker begins a waiting trial. */
  | { readonly kind: "begin"; readonly number: number; readonly worker: string; readonly timeMs: number }
  | {
      readonly kind: "report";
      readonly number: number;
      readonly step: number;
      readonly value: number;
      readonly checkpoint?: string | undefined;
      readonly timeMs: number;
    }
  | { readonly kind: "end"; readonly number: number; readonly timeMs: number; readonly result: TrialResult }
  /** A running trial goes back to waiting. */
  | { readonly kind: "reclaim"; readonly number: number; readonly reason: string; readonly timeMs: number };

/** How a trial ended. */
export type TrialResult =
  | { readonly state: "completed"; readonly value: number }
  | { readonly state: "pruned"; readonly reason: string }
  | { readonly state: "failed"; readonly reason: string };

/** Where studies are kept: an append-only list of entries per study. Every method sees what all processes appended. */
export interface StudyJournal {
  /** The entries of `study` from `position` on, in order; from 0. None where the study does not exist. */
  read(study: string, position: number, options?: CallOptions): Promise<readonly JournalEntry[]>;
  /**
   * Appends the entries, all or none, if the study has exactly `position` entries now; they are durable when it resolves.
   * @returns false if the study has more: read them and decide anew.
   */
  append(
    study: string,
    position: number,
    entries: readonly JournalEntry[],
    events: readonly EventDraft[],
    options?: CallOptions,
  ): Promise<boolean>;
}
