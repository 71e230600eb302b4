import type { CallOptions } from "./call-options.ts";
import type { EventDraft, MillwrightEvent } from "./event.ts";

export interface LoggedEvent {
  /** Where it stands in the log: opaque, JSON-safe; a later event's cursor is greater as a number. */
  readonly cursor: number;
  readonly event: MillwrightEvent;
}

export interface EventReadOptions extends CallOptions {
  /** Only events after this cursor. Default: from the first. */
  readonly after?: number | undefined;
  /** Only these types; `model.*` takes a family. Default: all. */
  readonly types?: readonly string[] | undefined;
  /** Goes on waiting for new events until the signal aborts; then it ends without an error. Default: false. */
  readonly follow?: boolean | undefined;
}

/** What happened, in the order it was committed; appended to, never changed; each record carries the hash of the one before. */
export interface EventLog {
  /** Appends all or none; the log gives each its id and time. When it resolves they survive a crash. @returns in the order given. */
  append(events: readonly EventDraft[], options?: CallOptions): Promise<readonly LoggedEvent[]>;
  /** Events in log order; a reader that keeps the last cursor resumes without gap or repeat. */
  read(options?: EventReadOptions): AsyncIterable<LoggedEvent>;
}
