import type { AlertEvidence, EventLog, MillwrightEvent } from "@millwright/contracts";
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

/** Answers which deployment was the last that changed a subject. */
export interface NewestDeployments {
  /** Reads what the log has got since the last question. Throws what the log throws. */
  find(subject: string): Promise<Deployment | undefined>;
}

/** A view of a log that reads each deployment's event once, and keeps one a subject in memory. */
export function createNewestDeployments(log: Pick<EventLog, "read">): NewestDeployments {
  const newest = new Map<string, Deployment>();
  let after = 0;
  let turn: Promise<void> = Promise.resolve();
  const catchUp = async (): Promise<void> => {
    for await (const { cursor, event } of log.read({ after, types: ["deployment.*"] })) {
      const deployment = { eventId: event.id, type: event.type, timeMs: Date.parse(event.time) };
      for (const subject of deploymentSubjectsOf(event)) newest.set(subject, deployment);
      after = cursor;
    }
  };
  return {
    async find(subject) {
      // One walk at a time: two would read the same events.
      const caughtUp = turn.then(catchUp);
      turn = caughtUp.catch(() => {});
      await caughtUp;
      return newest.get(subject);
    },
  };
}
