import type { Digest, EventId } from "./ids.ts";

/** The families of events: the part of `type` before the first dot. */
export type EventFamily =
  | "run"
  | "trial"
  | "model"
  | "deployment"
  | "drift"
  | "slo"
  | "alert"
  | "pipeline"
  | "job"
  | "feature"
  | "budget"
  | "audit";

/** A thing an event speaks of, by what identifies it for ever. */
export interface EntityReference {
  readonly kind:
    | "dataset"
    | "run"
    | "study"
    | "trial"
    | "model"
    | "feature-service"
    | "feature-view"
    | "endpoint"
    | "job"
    | "code"
    | "artifact";
  /** A content digest where there is one, else an id. */
  readonly id: Digest | string;
  /** What people call it, such as `late/3`. */
  readonly name?: string | undefined;
}

/** What an event says: JSON-safe. Lineage is read off `made` and `from`, and never reported separately. */
export interface EventData {
  /** What this event made. */
  readonly made?: readonly EntityReference[] | undefined;
  /** What it was made from. */
  readonly from?: readonly EntityReference[] | undefined;
  readonly [key: string]: unknown;
}

export type EventType = `${EventFamily}.${string}`;

/**
 * Something that happened, in the CloudEvents 1.0 envelope. Attribute names are lower-case as CloudEvents demands.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export interface MillwrightEvent<Data extends EventData = EventData> {
  readonly specversion: "1.0";
  readonly id: EventId;
  /** Who says so: `millwright/registry`, or a URI of the user's. */
  readonly source: string;
  /** `family.what`, such as `model.approved`. */
  readonly type: EventType;
  /** What it is about: a run id, `late/3`, an endpoint's name. */
  readonly subject?: string | undefined;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  /** The id of the event that caused this one. */
  readonly causationid?: EventId | undefined;
  /** W3C trace context. */
  readonly traceparent?: string | undefined;
  readonly data: Data;
}

/** An event before it has an id and a time: what callers write. */
export type EventDraft<Data extends EventData = EventData> = Omit<
  MillwrightEvent<Data>,
  "specversion" | "id" | "time" | "datacontenttype"
>;
