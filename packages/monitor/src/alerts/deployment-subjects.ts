import {
  type AlertEvidence,
  createNewestEvents,
  type EventLog,
  type MillwrightEvent,
  type NewestEvents,
} from "@millwright/contracts";
import { subjectOf } from "../slo/slo.ts";

/** What a deployment's event tells of, in the subjects of alerts: its endpoint, and the variants whose model or traffic it changed. */
export function deploymentSubjectsOf({ type, subject: endpoint, data }: MillwrightEvent): readonly string[] {
  // What a deployment came to changes nothing.
  if (endpoint === undefined || type === "deployment.compared") return [];
  return [subjectOf(endpoint), ...variantsOf(type, data).map((variant) => subjectOf(endpoint, variant))];
}

function variantsOf(type: string, { variant, variants }: MillwrightEvent["data"]): readonly string[] {
  // A candidate that was taken over is the variant's model from then on.
  if (type === "deployment.completed") return typeof variant === "string" ? [variant] : [];
  if (type !== "deployment.endpoint-created") return ["candidate"];
  return Array.isArray(variants) ? variants.map((each: { readonly name?: unknown }) => String(each.name)) : [];
}

/** The variant, or else the endpoint, that an alert's subject is part of; `undefined` where it is about neither. */
export function deploymentSubjectOf(subject: string): string | undefined {
  return /^endpoint\/.+?\/variant\/[^/]+/.exec(subject)?.[0] ?? /^endpoint\/[^/]+/.exec(subject)?.[0];
}

export type Deployment = NonNullable<AlertEvidence["deployment"]>;

/** A view of a log that knows the last deployment that changed each subject. */
export const createNewestDeployments = (log: Pick<EventLog, "read">): NewestEvents<Deployment> =>
  createNewestEvents(log, {
    types: ["deployment.*"],
    subjectsOf: deploymentSubjectsOf,
    keep: ({ id, type, time }) => ({ eventId: id, type, timeMs: Date.parse(time) }),
  });
