import type { Database } from "@millwright/storage";
import { requestUnknown } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { ApprovalRequest, RequestEntry, RequestStatus } from "./request-standing.ts";

type Read = Database<RegistryTables>["read"];
type RequestRow = RegistryTables["registry_requests"];

/** Throws `REGISTRY_REQUEST_UNKNOWN`. */
export async function readRequest(read: Read, id: string): Promise<ApprovalRequest> {
  const row = await read.selectFrom("registry_requests").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw requestUnknown(id);
  const [request] = await withEntries(read, [row]);
  return request as ApprovalRequest;
}

/** The oldest first. */
export async function readRequests(
  read: Read,
  { status, name }: { readonly status?: RequestStatus | undefined; readonly name?: string | undefined },
): Promise<readonly ApprovalRequest[]> {
  let query = read.selectFrom("registry_requests").selectAll();
  if (status !== undefined) query = query.where("status", "=", status);
  if (name !== undefined) query = query.where("model", "=", name);
  return withEntries(read, await query.orderBy("requested_ms").orderBy("id").execute());
}

async function withEntries(read: Read, rows: readonly RequestRow[]): Promise<readonly ApprovalRequest[]> {
  const requests: ApprovalRequest[] = [];
  for (const row of rows) {
    const entries = await read
      .selectFrom("registry_request_entries")
      .selectAll()
      .where("request", "=", row.id)
      .orderBy("entry")
      .execute();
    requests.push({
      id: row.id,
      name: row.model,
      version: row.version,
      requestedBy: row.requested_by,
      requestedMs: row.requested_ms,
      expiresMs: row.expires_ms ?? undefined,
      remindEveryMs: row.remind_ms ?? undefined,
      remindedMs: row.reminded_ms,
      quorum: row.quorum,
      approvers: row.approvers === null ? undefined : (JSON.parse(row.approvers) as string[]),
      status: row.status as RequestStatus,
      closedMs: row.closed_ms ?? undefined,
      entries: entries.map(({ kind, said_by, person, comment, time_ms }) => ({
        kind: kind as RequestEntry["kind"],
        by: said_by,
        person: person ?? undefined,
        comment: comment ?? undefined,
        timeMs: time_ms,
      })),
    });
  }
  return requests;
}
