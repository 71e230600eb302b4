import { createHash } from "node:crypto";
import type { NumberedEvent } from "./event-window.ts";
import type { JobRecord } from "./job-record.ts";
import { readLogEvents } from "./log-file.ts";

/** A name that every file system takes: what is readable of the id, and a digest that tells ids apart. */
export const folderOf = (id: string): string => {
  const digest = createHash("sha256").update(id).digest("hex").slice(0, 16);
  return `${id.replaceAll(/[^a-zA-Z0-9_-]+/g, "_").slice(0, 60)}-${digest}`;
};

/** Every event of a job that is on disk, in their order. */
export async function earlierEvents(
  record: Pick<JobRecord, "directory" | "states">,
): Promise<readonly NumberedEvent[]> {
  const states = record.states.map(({ sequence, state, timeMs, reason, failure }): NumberedEvent => {
    const why = reason === undefined ? {} : { reason };
    const cause = failure === undefined ? {} : { cause: failure.cause };
    return { sequence, event: { kind: "state", state, timeMs, ...why, ...cause } };
  });
  return [...states, ...(await readLogEvents(record.directory))].toSorted((a, b) => a.sequence - b.sequence);
}
