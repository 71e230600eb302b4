import type { Clock, JsonValue } from "@millwright/contracts";
import type { WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { requestRefused } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { readRequest } from "./request-records.ts";
import { type ApprovalRequest, type RequestEntry, standingOf } from "./request-standing.ts";
import { decideVersion } from "./version-writes.ts";

type Scope = WriteScope<RegistryTables>;

/** Adds to an open request, and tells of it. Throws `REGISTRY_REQUEST_REFUSED`. */
export async function addEntry(scope: Scope, id: string, entry: RequestEntry): Promise<ApprovalRequest> {
  const request = await keepEntry(scope, id, entry);
  await tellEntry(scope, request, entry);
  return request;
}

/** Adds to an open request; telling of it is the caller's. Throws `REGISTRY_REQUEST_REFUSED`. */
export async function keepEntry(scope: Scope, id: string, entry: RequestEntry): Promise<ApprovalRequest> {
  const request = await readRequest(scope.sql, id);
  const about = `${request.name}/${request.version}`;
  if (request.status !== "open") throw requestRefused(about, `the request ${id} is ${request.status}`);
  if (entry.kind !== "comment") {
    // Whoever gave the vote away may give it to another, or take it back.
    const { problem } = standingOf(request, entry.by, entry.timeMs);
    const gaveAway = problem?.includes(" gave the vote to ") === true && entry.kind === "delegate";
    if (problem !== undefined && !gaveAway) throw requestRefused(about, problem);
    if (entry.kind === "delegate" && entry.person === request.requestedBy)
      throw requestRefused(about, `${entry.person} asked for it and cannot decide`);
  }
  await insertEntry(scope, id, entry);
  return readRequest(scope.sql, id);
}

export async function tellEntry(
  scope: Scope,
  { id, name, version }: ApprovalRequest,
  { kind, by, comment, person }: RequestEntry,
): Promise<void> {
  const said = kind === "delegate" ? "delegated" : kind === "comment" ? "commented" : "voted";
  await tell(scope, `${name}/${version}`, `model.approval-${said}`, {
    request: id,
    kind,
    by,
    ...(comment === undefined ? {} : { comment }),
    ...(person === undefined ? {} : { person }),
  });
}

interface Closing {
  readonly status: "approved" | "rejected" | "expired";
  readonly by: string;
  readonly comment: string | undefined;
  readonly approvers?: readonly string[] | undefined;
  readonly gates?: JsonValue | undefined;
}

/** Closes a request, and decides on its version: told by the one event of the decision, or, where somebody had decided so without the request, by one that it is closed. */
export async function close(
  scope: Scope,
  clock: Clock,
  request: ApprovalRequest,
  { status, by, comment, approvers, gates }: Closing,
): Promise<ApprovalRequest> {
  const { id, name, version } = request;
  await scope.sql
    .updateTable("registry_requests")
    .set({ status, closed_ms: clock.nowMs() })
    .where("id", "=", id)
    .execute();
  const decided = status === "approved" ? "approved" : "rejected";
  const { approval } = await scope.sql
    .selectFrom("registry_versions")
    .select("approval")
    .where("model", "=", name)
    .where("version", "=", version)
    .executeTakeFirstOrThrow();
  if (approval === decided)
    await tell(scope, `${name}/${version}`, "model.approval-closed", { request: id, status, by });
  else
    await decideVersion(scope, clock, {
      name,
      version,
      decision: { status: decided, by, comment },
      approvers,
      request: id,
      gates,
    });
  return readRequest(scope.sql, id);
}

/** Takes a request back. Throws `REGISTRY_REQUEST_REFUSED` unless who asked does it. */
export async function withdraw(scope: Scope, id: string, by: string, nowMs: number): Promise<ApprovalRequest> {
  const request = await readRequest(scope.sql, id);
  const about = `${request.name}/${request.version}`;
  if (request.status !== "open") throw requestRefused(about, `the request ${id} is ${request.status}`);
  if (by !== request.requestedBy)
    throw requestRefused(about, `only ${request.requestedBy}, who asked, can withdraw the request`);
  await scope.sql
    .updateTable("registry_requests")
    .set({ status: "withdrawn", closed_ms: nowMs })
    .where("id", "=", id)
    .execute();
  await tell(scope, about, "model.approval-withdrawn", { request: id, by });
  return readRequest(scope.sql, id);
}

/** Keeps what was said. */
export async function insertEntry(
  { sql }: Scope,
  id: string,
  { kind, by, person, comment, timeMs }: RequestEntry,
): Promise<void> {
  const last = await sql
    .selectFrom("registry_request_entries")
    .select(({ fn }) => fn.max("entry").as("entry"))
    .where("request", "=", id)
    .executeTakeFirst();
  await sql
    .insertInto("registry_request_entries")
    .values({
      request: id,
      entry: (last?.entry ?? 0) + 1,
      kind,
      said_by: by,
      person: person ?? null,
      comment: comment ?? null,
      time_ms: timeMs,
    })
    .execute();
}

/** Emits an event about a version. */
export async function tell(
  scope: Scope,
  subject: string,
  type: `model.${string}`,
  data: Record<string, unknown>,
): Promise<void> {
  await emitAbout(scope, subject, { type, causationid: await newestEvent(scope, subject), data });
}
