import type { CallOptions } from "./call-options.ts";
import type { Digest, EventId } from "./ids.ts";

/** What an alert rests on. */
export interface AlertEvidence {
  /** The span that was looked at, `[fromMs, toMs)`, UTC milliseconds. */
  readonly window?: { readonly fromMs: number; readonly toMs: number } | undefined;
  /** Requests, rows, labels or events in it. */
  readonly samples?: number | undefined;
  /** The model that answered then. */
  readonly model?:
    | { readonly name: string; readonly version?: number | undefined; readonly digest: Digest }
    | undefined;
  /** The last deployment that changed the subject before it fired. */
  readonly deployment?: { readonly eventId: EventId; readonly type: string; readonly timeMs: number } | undefined;
}

/** A condition that holds, or held. */
export interface Alert {
  /** The rule's name. */
  readonly name: string;
  /** What it is about: `endpoint/late/variant/candidate`, a column, an SLO. */
  readonly subject: string;
  readonly severity: "page" | "ticket" | "info";
  readonly state: "firing" | "resolved";
  /** When it began to fire, UTC milliseconds. */
  readonly sinceMs: number;
  readonly summary: string;
  /** The measured value and the limit it crossed. */
  readonly value?: number | undefined;
  readonly threshold?: number | undefined;
  readonly evidence?: AlertEvidence | undefined;
  /** The event that told of its firing, where the source tells of its alerts: the cause of what is done about it. */
  readonly eventId?: EventId | undefined;
}

/** Alerts, whoever raises them. */
export interface AlertSource {
  /** What fires now for the subject or anything below it (`endpoint/late` takes in `endpoint/late/variant/a`). */
  alerts(subject: string, options?: CallOptions): Promise<readonly Alert[]>;
  /** Each alert as it begins to fire and as it resolves, for the subject and below, until the signal aborts. */
  changes(subject: string, options?: CallOptions): AsyncIterable<Alert>;
}
