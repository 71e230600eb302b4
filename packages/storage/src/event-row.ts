import type { Clock, EventDraft, EventId, IdSource, LoggedEvent, MillwrightEvent } from "@millwright/contracts";
import type { EventRow } from "./sqlite-messages.ts";

/** An event with its id and time, and the text of it that is stored and hashed. */
export interface StampedEvent {
  readonly event: MillwrightEvent;
  readonly row: EventRow;
}

export type EventStamper = (draft: EventDraft) => StampedEvent;

/** Gives drafts an id and a time. */
export function createEventStamper(clock: Clock, ids: IdSource): EventStamper {
  return (draft) => {
    const event: MillwrightEvent = {
      specversion: "1.0",
      id: ids.next() as EventId,
      source: draft.source,
      type: draft.type,
      ...(draft.subject === undefined ? {} : { subject: draft.subject }),
      time: new Date(clock.nowMs()).toISOString(),
      datacontenttype: "application/json",
      ...(draft.causationid === undefined ? {} : { causationid: draft.causationid }),
      ...(draft.traceparent === undefined ? {} : { traceparent: draft.traceparent }),
      data: draft.data,
    };
    return { event, row: { id: event.id, type: event.type, body: JSON.stringify(event, refuseNonFinite) } };
  };
}

/** JSON would write null in its place, and nobody would notice. */
function refuseNonFinite(key: string, member: unknown): unknown {
  if (typeof member === "number" && !Number.isFinite(member)) {
    throw new RangeError(`An event cannot carry ${member} as "${key}": use encodeNumbers first.`);
  }
  return member;
}

/** The event as a reader of the log gets it: parsed from the stored text, so that it shares nothing with what the caller passed. */
export function loggedEvent(cursor: number, { row }: { readonly row: { readonly body: string } }): LoggedEvent {
  return { cursor, event: JSON.parse(row.body) as MillwrightEvent };
}
