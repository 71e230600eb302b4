import type { EventDraft, EventId, MillwrightEvent } from "@millwright/contracts";
import type { WriteScope } from "@millwright/storage";
import { type RegistryTables, eventSource } from "./tables/tables.ts";

type Scope = WriteScope<RegistryTables>;

/** Whether an event of the registry does not say who did what it tells. */
export const namesNobody = ({ source, data }: MillwrightEvent): boolean =>
  source === eventSource && (typeof data["by"] !== "string" || data["by"] === "");

/** The newest event about a run, a version or an alias; `undefined` where there is none, or where a release that kept no causes wrote it. */
export async function newestEvent({ sql }: Scope, subject: string): Promise<EventId | undefined> {
  const row = await sql.selectFrom("registry_events").select("event").where("subject", "=", subject).executeTakeFirst();
  return row?.event as EventId | undefined;
}

/** Emits an event of the registry, and remembers it as the newest about its subject. */
export async function emitAbout(
  { sql, emit }: Scope,
  subject: string,
  { type, data, causationid }: Pick<EventDraft, "type" | "data" | "causationid">,
): Promise<EventId> {
  const { event } = await emit({
    source: eventSource,
    type,
    subject,
    ...(causationid === undefined ? {} : { causationid }),
    data,
  });
  await sql
    .insertInto("registry_events")
    .values({ subject, event: event.id })
    .onConflict((conflict) => conflict.column("subject").doUpdateSet({ event: event.id }))
    .execute();
  return event.id;
}
