import { type CallOptions, type Clock, type IdSource, hasCode } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { changedMeanwhile, requestRefused } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { GateKeeper } from "./gate-keeper.ts";
import { type ApprovalRequest, type RequestEntry, type RequestStatus, standingOf } from "./request-standing.ts";
import { readRequest, readRequests } from "./request-records.ts";
import { addEntry, close, insertEntry, keepEntry, tell, tellEntry, withdraw } from "./request-writes.ts";
import { assertRegistered } from "./version-records.ts";

export interface RequestApprovalOptions extends CallOptions {
  /** Who asks; never one of those who decide. */
  readonly by: string;
  /** How many must approve. Default: 1. */
  readonly quorum?: number | undefined;
  /** Who may decide. Default: anybody but who asks. */
  readonly approvers?: readonly string[] | undefined;
  /** After this long without a decision the version is rejected. Default: never. */
  readonly expiresAfterMs?: number | undefined;
  /** How often `sweepRequests` reminds of it. Default: never. */
  readonly remindEveryMs?: number | undefined;
  readonly comment?: string | undefined;
}

export interface RequestVote {
  readonly by: string;
  readonly decision: "approve" | "reject";
  readonly comment?: string | undefined;
}

export interface RequestQuery extends CallOptions {
  readonly status?: RequestStatus | undefined;
  readonly name?: string | undefined;
}

export interface SweepReport {
  readonly expired: readonly ApprovalRequest[];
  /** Requests that an event `model.approval-reminded` was emitted for. */
  readonly reminded: readonly ApprovalRequest[];
}

/** Approvals that several people decide. */
export interface ApprovalRequests {
  /** Asks for the approval of a version; one request at a time. Throws `PORT_MODEL_UNKNOWN`, `REGISTRY_REQUEST_REFUSED`. */
  requestApproval(name: string, version: number, options: RequestApprovalOptions): Promise<ApprovalRequest>;
  commentRequest(
    id: string,
    comment: { readonly by: string; readonly comment: string },
    options?: CallOptions,
  ): Promise<ApprovalRequest>;
  /** Gives one's vote to somebody else, until one takes it back by giving it to oneself. */
  delegateRequest(
    id: string,
    delegation: { readonly by: string; readonly to: string },
    options?: CallOptions,
  ): Promise<ApprovalRequest>;
  /**
   * Approves or rejects; a second vote replaces the first. When `quorum` people have approved the version is approved, and with the first rejection
   * it is rejected. Throws `REGISTRY_REQUEST_REFUSED` for who may not vote and for a request that is closed, `REGISTRY_GATE_CLOSED`; `REGISTRY_CHANGED_MEANWHILE`
   * where what the gates read changed again and again while they were asked.
   */
  voteRequest(id: string, vote: RequestVote, options?: CallOptions): Promise<ApprovalRequest>;
  /** Takes a request back; the version stays as it is. */
  withdrawRequest(id: string, withdrawal: { readonly by: string }, options?: CallOptions): Promise<ApprovalRequest>;
  /** Throws `REGISTRY_REQUEST_UNKNOWN`. */
  approvalRequest(id: string, options?: CallOptions): Promise<ApprovalRequest>;
  /** The oldest first. */
  approvalRequests(query?: RequestQuery): Promise<readonly ApprovalRequest[]>;
  /** Closes what has expired, rejecting its versions, and reminds of what is due: call it now and then. */
  sweepRequests(options?: CallOptions): Promise<SweepReport>;
}

export interface RequestStoreOptions {
  readonly database: Database<RegistryTables>;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly gates: GateKeeper;
}

export function createApprovalRequests(options: RequestStoreOptions): ApprovalRequests {
  const { database, clock } = options;
  const add = (
    id: string,
    entry: Omit<RequestEntry, "timeMs">,
    { signal }: CallOptions = {},
  ): Promise<ApprovalRequest> =>
    database.write((scope) => addEntry(scope, id, { ...entry, timeMs: clock.nowMs() }), { signal });
  return {
    async requestApproval(name, version, request) {
      request.signal?.throwIfAborted();
      await assertRegistered(database.read, name, version);
      return openRequest(options, name, version, request);
    },
    async commentRequest(id, { by, comment }, { signal } = {}) {
      signal?.throwIfAborted();
      checkLabel("a person", by);
      return add(id, { kind: "comment", by, comment }, { signal });
    },
    async delegateRequest(id, { by, to }, { signal } = {}) {
      signal?.throwIfAborted();
      checkLabel("a person", to);
      return add(id, { kind: "delegate", by, person: to }, { signal });
    },
    async voteRequest(id, vote, { signal } = {}) {
      signal?.throwIfAborted();
      return voteOn(options, id, vote, signal);
    },
    async withdrawRequest(id, { by }, { signal } = {}) {
      signal?.throwIfAborted();
      return database.write((scope) => withdraw(scope, id, by, clock.nowMs()), { signal });
    },
    async approvalRequest(id, { signal } = {}) {
      signal?.throwIfAborted();
      return readRequest(database.read, id);
    },
    async approvalRequests({ signal, ...query } = {}) {
      signal?.throwIfAborted();
      return readRequests(database.read, query);
    },
    async sweepRequests({ signal } = {}) {
      signal?.throwIfAborted();
      return sweep(options, signal);
    },
  };
}

function openRequest(
  { database, clock, ids }: RequestStoreOptions,
  name: string,
  version: number,
  request: RequestApprovalOptions,
): Promise<ApprovalRequest> {
  const { by, quorum = 1, approvers, expiresAfterMs, remindEveryMs, comment, signal } = request;
  checkLabel("a person", by);
  if (!Number.isSafeInteger(quorum) || quorum < 1) throw new RangeError(`quorum must be 1 or more, not ${quorum}.`);
  const others = approvers?.filter((person) => person !== by);
  const about = `${name}/${version}`;
  if (others !== undefined && new Set(others).size < quorum)
    throw requestRefused(about, `${quorum} must approve, and only ${new Set(others).size} others may`);
  const nowMs = clock.nowMs();
  const id = ids.next();
  return database.write(
    async (scope) => {
      const { sql } = scope;
      const open = sql.selectFrom("registry_requests").select("id").where("status", "=", "open");
      const other = await open.where("model", "=", name).where("version", "=", version).executeTakeFirst();
      if (other !== undefined) throw requestRefused(about, `its approval is asked for already (${other.id})`);
      await sql
        .insertInto("registry_requests")
        .values({
          id,
          model: name,
          version,
          requested_by: by,
          requested_ms: nowMs,
          expires_ms: expiresAfterMs === undefined ? null : nowMs + expiresAfterMs,
          quorum,
          approvers: others === undefined ? null : JSON.stringify([...new Set(others)]),
          remind_ms: remindEveryMs ?? null,
          reminded_ms: nowMs,
          status: "open",
          closed_ms: null,
        })
        .execute();
      if (comment !== undefined) await insertEntry(scope, id, { kind: "comment", by, comment, timeMs: nowMs });
      await tell(scope, about, "model.approval-requested", {
        request: id,
        name,
        version,
        by,
        quorum,
        approvers: others ?? null,
      });
      return readRequest(sql, id);
    },
    { signal },
  );
}

/** Votes of several people at once change what each of them was counted with: those are counted, and gates asked, anew. */
async function voteOn(
  options: RequestStoreOptions,
  id: string,
  vote: RequestVote,
  signal: AbortSignal | undefined,
): Promise<ApprovalRequest> {
  checkLabel("a person", vote.by);
  if (vote.decision !== "approve" && vote.decision !== "reject")
    throw new RangeError(`A vote is approve or reject, not ${String(vote.decision)}.`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await voteOnce(options, id, vote, signal);
    } catch (error) {
      if (attempt === voteAttempts || !hasCode(error, "REGISTRY_CHANGED_MEANWHILE")) throw error;
    }
  }
}

const voteAttempts = 5;

async function voteOnce(
  { database, clock, gates }: RequestStoreOptions,
  id: string,
  { by, decision, comment }: RequestVote,
  signal: AbortSignal | undefined,
): Promise<ApprovalRequest> {
  const current = await readRequest(database.read, id);
  const { name, version } = current;
  // Before the write: gates may take their time, and a closed one refuses the vote that would decide.
  const deciding = decision === "approve" && standingOf(current, by, clock.nowMs()).approvalsWith >= current.quorum;
  const pass = deciding ? await gates.pass("approval", "approved", { name, version, by }, { signal }) : undefined;
  return database.write(
    async (scope) => {
      await pass?.assertUnchanged(scope.sql);
      const vote = { kind: decision, by, comment, timeMs: clock.nowMs() };
      const request = await keepEntry(scope, id, vote);
      const { approvals, rejections } = standingOf(request, by, clock.nowMs());
      if (rejections.length > 0) return close(scope, clock, request, { status: "rejected", by, comment });
      if (approvals.length < request.quorum) {
        await tellEntry(scope, request, vote);
        return request;
      }
      // Others have voted since it was looked at: it is this vote that decides, and its gates were not asked.
      if (pass === undefined && gates.guards("approval", "approved")) throw changedMeanwhile(`${name}/${version}`);
      const all = approvals.length === 1 ? {} : { approvers: approvals };
      return close(scope, clock, request, {
        status: "approved",
        by: approvals.join(", "),
        comment,
        gates: pass?.told,
        ...all,
      });
    },
    { signal },
  );
}

async function sweep({ database, clock }: RequestStoreOptions, signal: AbortSignal | undefined): Promise<SweepReport> {
  const open = await readRequests(database.read, { status: "open" });
  const expired: ApprovalRequest[] = [];
  const reminded: ApprovalRequest[] = [];
  for (const { id } of open) {
    await database.write(
      async (scope) => {
        const request = await readRequest(scope.sql, id);
        const nowMs = clock.nowMs();
        if (request.status !== "open") return;
        if (request.expiresMs !== undefined && request.expiresMs <= nowMs) {
          expired.push(
            await close(scope, clock, request, { status: "expired", by: "expiry", comment: "Nobody decided in time." }),
          );
        } else if (request.remindEveryMs !== undefined && request.remindedMs + request.remindEveryMs <= nowMs) {
          await scope.sql.updateTable("registry_requests").set({ reminded_ms: nowMs }).where("id", "=", id).execute();
          const { approvers, quorum, requestedBy } = request;
          const data = { request: id, by: "reminder", requestedBy, quorum, approvers: approvers ?? null };
          await tell(scope, `${request.name}/${request.version}`, "model.approval-reminded", data);
          reminded.push(request);
        }
      },
      { signal },
    );
  }
  return { expired, reminded };
}
