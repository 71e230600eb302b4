export type RequestStatus = "open" | "approved" | "rejected" | "expired" | "withdrawn";

/** Something said about a request. */
export interface RequestEntry {
  readonly kind: "comment" | "approve" | "reject" | "delegate";
  readonly by: string;
  /** Who may vote instead, where a vote is given away. */
  readonly person?: string | undefined;
  readonly comment?: string | undefined;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

/** Somebody asks that a version be approved. */
export interface ApprovalRequest {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly requestedBy: string;
  /** UTC, milliseconds. */
  readonly requestedMs: number;
  readonly expiresMs?: number | undefined;
  readonly remindEveryMs?: number | undefined;
  readonly remindedMs: number;
  /** How many must approve. */
  readonly quorum: number;
  /** Who may decide; anybody but who asked where it is not set. */
  readonly approvers?: readonly string[] | undefined;
  readonly status: RequestStatus;
  readonly closedMs?: number | undefined;
  /** In the order they were said. */
  readonly entries: readonly RequestEntry[];
}

/** How a request stands for somebody. */
export interface RequestStanding {
  /** Why they may not vote; undefined where they may. */
  readonly problem: string | undefined;
  /** Who has approved, each once. */
  readonly approvals: readonly string[];
  readonly rejections: readonly string[];
  /** Approvals there would be with theirs. */
  readonly approvalsWith: number;
}

/**
 * Whether `person` may vote, and what the votes are. Whoever gives their vote away cannot vote until they take it back, and whoever is given one may
 * vote; but nobody counts twice, and who asked counts never.
 */
export function standingOf(request: ApprovalRequest, person: string, nowMs: number): RequestStanding {
  const { requestedBy, approvers, entries, expiresMs } = request;
  const holders = new Map<string, string>();
  const votes = new Map<string, "approve" | "reject">();
  for (const { kind, by, person: to } of entries) {
    if (kind === "approve" || kind === "reject") votes.set(by, kind);
    if (kind !== "delegate" || to === undefined) continue;
    holders.set(by, to);
    if (to !== by) votes.delete(by);
  }
  const isOwner = (each: string): boolean =>
    each !== requestedBy && (approvers === undefined || approvers.includes(each));
  const mayVote = (each: string): boolean => {
    const own = isOwner(each) && (holders.get(each) ?? each) === each;
    const given = [...holders].some(([owner, holder]) => holder === each && owner !== each && isOwner(owner));
    return each !== requestedBy && (own || given);
  };
  const of = (wanted: "approve" | "reject"): string[] =>
    [...votes].filter(([voter, vote]) => vote === wanted && mayVote(voter)).map(([voter]) => voter);
  const approvals = of("approve");
  const may = isOwner(person) || mayVote(person);
  return {
    problem: problemOf(person, {
      expired: expiresMs !== undefined && expiresMs <= nowMs,
      requestedBy,
      may,
      holder: holders.get(person),
    }),
    approvals,
    rejections: of("reject"),
    approvalsWith: new Set([...approvals, person]).size,
  };
}

interface Rights {
  readonly expired: boolean;
  readonly requestedBy: string;
  readonly may: boolean;
  readonly holder: string | undefined;
}

function problemOf(person: string, { expired, requestedBy, may, holder }: Rights): string | undefined {
  if (expired) return "the request has expired";
  if (person === requestedBy) return `${person} asked for it and cannot decide`;
  if (!may) return `${person} is not one of those who may decide`;
  return holder === undefined || holder === person ? undefined : `${person} gave the vote to ${holder}`;
}
