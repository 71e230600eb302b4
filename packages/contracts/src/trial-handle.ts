import type { Amount, Budget } from "./budget.ts";
import type { EventId } from "./ids.ts";
import type { CallOptions } from "./call-options.ts";
import type { JsonValue } from "./json.ts";

export type TrialVerdict = "continue" | "pause" | "prune";

export interface TrialReportOptions extends CallOptions {
  /** Where a paused trial can go on from: a path or digest that the objective understands. */
  readonly checkpoint?: string | undefined;
  /** What it took to get here since the report before, by unit, where that is not measured as time. */
  readonly cost?: Amount | undefined;
}

/** One trial, as the objective sees it. */
export interface TrialHandle<Params = Readonly<Record<string, JsonValue>>> {
  readonly id: string;
  /** From 0, in the order asked. */
  readonly number: number;
  readonly params: Params;
  /** The event that told of its beginning, where the study tells of its trials: the cause of what is done for it. */
  readonly eventId?: EventId | undefined;
  /** Tells an intermediate value; the verdict says whether to go on. Steps grow. */
  report(step: number, value: number, options?: TrialReportOptions): Promise<TrialVerdict>;
  /** What this trial may spend, where the study has a budget. */
  readonly budget?: Budget | undefined;
  /** Where to go on from, when the trial was paused before. */
  readonly checkpoint?: string | undefined;
  /** Aborts when the study stops. */
  readonly signal: AbortSignal;
}
