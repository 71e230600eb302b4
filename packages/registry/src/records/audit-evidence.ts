import type { CallOptions, EntityReference, JsonValue, LoggedEvent, RunId } from "@millwright/contracts";
import type { ChainReport, VerifiableEventLog } from "@millwright/storage";
import { namesNobody } from "../causes.ts";
import type { LineageNode } from "../lineage/lineage-graph.ts";
import type { Baselines } from "../models/baselines.ts";
import type { TrafficRecord } from "../models/traffic-records.ts";
import type { VersionHold } from "../models/keeping.ts";
import type { ApprovalRequest } from "../models/request-standing.ts";
import type { VersionSignature } from "../models/signatures.ts";
import type { StageRecord } from "../models/stages.ts";
import type { AliasMove } from "../models/version-records.ts";
import type { Registry } from "../registry.ts";
import type { VersionLedger } from "./card-filling.ts";
import { type ModelCard, readLedger } from "./model-cards.ts";

/** Everything that the registry can show about a version. */
export interface VersionEvidence {
  readonly ledger: VersionLedger;
  readonly card: ModelCard;
  readonly revisions: readonly ModelCard[];
  readonly signatures: readonly VersionSignature[];
  readonly requests: readonly ApprovalRequest[];
  readonly stages: readonly StageRecord[];
  /** Of each alias that ever meant the version. */
  readonly aliases: Readonly<Record<string, readonly AliasMove[]>>;
  readonly traffic: readonly TrafficRecord[];
  readonly holds: readonly VersionHold[];
  readonly baselines: Baselines;
  readonly ancestors: readonly LineageNode[];
  readonly descendants: readonly LineageNode[];
  /** Events about the version, its run, its aliases and its endpoints, in the log's order. */
  readonly events: readonly LoggedEvent[];
  readonly chain: ChainReport;
  /** As the caller gave it, by name. */
  readonly monitoring: Readonly<Record<string, JsonValue>>;
}

/** What evidence is read from. */
export type EvidenceReader = Pick<
  Registry,
  | "version"
  | "run"
  | "approvals"
  | "trafficAt"
  | "card"
  | "cardRevisions"
  | "signatures"
  | "approvalRequests"
  | "stageHistory"
  | "aliasHistory"
  | "trafficHistory"
  | "holds"
  | "baselines"
  | "lineage"
>;

/** Reads all that there is. Throws `PORT_MODEL_UNKNOWN`. */
export async function readEvidence(
  registry: EvidenceReader,
  log: VerifiableEventLog,
  ref: string,
  { signal, monitoring = {} }: CallOptions & { readonly monitoring?: VersionEvidence["monitoring"] | undefined },
): Promise<VersionEvidence> {
  const { name, version, digest, runId } = await registry.version(ref, { signal });
  const events = await eventsOf(log, { name, version, runId }, signal);
  const aliases: Record<string, readonly AliasMove[]> = {};
  for (const alias of aliasesIn(events, name)) aliases[alias] = await registry.aliasHistory(name, alias, { signal });
  const model = { kind: "model", id: digest } as const;
  const isOurs = (each: { readonly name: string; readonly version: number }): boolean =>
    each.name === name && each.version === version;
  return {
    ledger: await readLedger(registry, name, version, { signal }),
    card: await registry.card(name, version, { signal }),
    revisions: await registry.cardRevisions(name, version, { signal }),
    signatures: await registry.signatures(name, version, { signal }),
    requests: (await registry.approvalRequests({ name, signal })).filter(isOurs),
    stages: await registry.stageHistory(name, version, { signal }),
    aliases,
    traffic: await trafficOf(registry, name, isOurs, signal),
    holds: (await registry.holds({ signal })).filter(isOurs),
    baselines: await registry.baselines(name, version, { signal }),
    ancestors: await registry.lineage(model, { direction: "ancestors", signal }),
    descendants: await registry.lineage(model, { direction: "descendants", signal }),
    events,
    chain: await log.verify({ signal }),
    monitoring,
  };
}

/** Changes that the version has a share in, and those that ended such a share. */
async function trafficOf(
  registry: EvidenceReader,
  name: string,
  isOurs: (share: { readonly name: string; readonly version: number }) => boolean,
  signal: AbortSignal | undefined,
): Promise<readonly TrafficRecord[]> {
  const all = await registry.trafficHistory({ name, signal });
  const serving = new Set<string>();
  return all.filter(({ environment, endpoint, shares }) => {
    const place = `${environment}/${endpoint}`;
    const before = serving.has(place);
    const now = shares.some(isOurs);
    if (now) serving.add(place);
    else serving.delete(place);
    return before || now;
  });
}

interface Subject {
  readonly name: string;
  readonly version: number;
  readonly runId: RunId | undefined;
}

async function eventsOf(
  log: VerifiableEventLog,
  { name, version, runId }: Subject,
  signal: AbortSignal | undefined,
): Promise<readonly LoggedEvent[]> {
  const subject = `${name}/${version}`;
  const kept: LoggedEvent[] = [];
  const speaksOf = ({ kind, name: called }: EntityReference): boolean => kind === "model" && called === subject;
  for await (const logged of log.read({ types: ["run.*", "model.*", "deployment.*"], signal })) {
    const { subject: about, data } = logged.event;
    const isOfAlias = about?.startsWith(`${name}@`) === true;
    const moves = [data["version"], data["previous"], data["fromVersion"], data["toVersion"]];
    const isOurs =
      about === subject ||
      (runId !== undefined && about === runId) ||
      (isOfAlias && moves.includes(version)) ||
      (data.from ?? []).some(speaksOf);
    if (isOurs) kept.push(logged);
  }
  return kept;
}

function aliasesIn(events: readonly LoggedEvent[], name: string): readonly string[] {
  const aliases = events.flatMap(({ event: { subject } }) =>
    subject?.startsWith(`${name}@`) === true ? [subject.slice(name.length + 1)] : [],
  );
  return [...new Set(aliases)].toSorted();
}

/** Something that an auditor asks for, and whether it is there. */
export interface AuditCheck {
  /** Such as `approval`. */
  readonly name: string;
  readonly present: boolean;
  /** What is there, or what is not. */
  readonly detail: string;
}

/** What an auditor asks for, in order. */
export const auditChecks = (evidence: VersionEvidence): readonly AuditCheck[] => [
  ...decisionChecks(evidence),
  ...originChecks(evidence),
  ...recordChecks(evidence),
];

const check = (name: string, present: boolean, there: string, missing: string): AuditCheck => ({
  name,
  present,
  detail: present ? there : missing,
});

const mostNamed = 20;

/** Names the first events that do not say who did what they tell. */
export function withoutActor(events: readonly LoggedEvent[]): string {
  const named = events.slice(0, mostNamed).map(({ cursor, event }) => {
    const about = event.subject === undefined ? "" : ` of ${event.subject}`;
    return `${event.type}${about} (record ${cursor})`;
  });
  const more = events.length > mostNamed ? ` and ${events.length - mostNamed} more` : "";
  return `${counted(events.length, "operation")} without an actor: ${named.join(", ")}${more}.`;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

/** Who decided, and by what. */
function decisionChecks({ ledger, signatures, events }: VersionEvidence): readonly AuditCheck[] {
  const { version, run, approvals } = ledger;
  const approval = approvals.findLast(({ status }) => status === "approved");
  const isApproved = version.approval === "approved" && approval !== undefined;
  const makers = [version.registeredBy, run?.startedBy].filter((each) => each !== undefined);
  const others = (approval?.approvers ?? (approval === undefined ? [] : [approval.by])).filter(
    (each) => !makers.includes(each),
  );
  const gates = events.filter(({ event: { data } }) => data["gates"] !== undefined).length;
  return [
    check(
      "approval",
      isApproved,
      `Approved by ${approval?.by ?? ""}.`,
      `Nobody has approved it: it is ${version.approval}.`,
    ),
    check(
      "separation of duties",
      isApproved && others.length > 0 && makers.length > 0,
      `${others.join(", ")} did not make it.`,
      makers.length === 0 ? "Nobody knows who made it." : "Nobody approved it who did not make it.",
    ),
    check("gate verdicts", gates > 0, `${counted(gates, "event")} with verdicts.`, "No gate was asked about it."),
    check("signatures", signatures.length > 0, counted(signatures.length, "signature"), "It is not signed."),
  ];
}

/** What it was made from. */
function originChecks({ ledger: { version, run }, ancestors }: VersionEvidence): readonly AuditCheck[] {
  const { provenance } = version.manifest;
  return [
    check("training run", run !== undefined, `Run ${run?.id ?? ""}.`, "The registry has no run that made it."),
    check(
      "training data",
      Object.keys(provenance.datasets).length > 0,
      counted(Object.keys(provenance.datasets).length, "dataset"),
      "The package names no dataset by digest.",
    ),
    check(
      "training code",
      provenance.code !== undefined,
      provenance.code ?? "",
      "The package has no digest of its code.",
    ),
    check(
      "metrics",
      Object.keys({ ...run?.metrics, ...provenance.metrics }).length > 0,
      "Metrics of the run and the package.",
      "Neither the run nor the package has a metric.",
    ),
    check(
      "lineage",
      ancestors.length > 0,
      counted(ancestors.length, "ancestor"),
      "Nothing is known that it was made from.",
    ),
  ];
}

/** What was written down about it. */
function recordChecks(evidence: VersionEvidence): readonly AuditCheck[] {
  const { card, stages, traffic, monitoring, chain, events } = evidence;
  const unnamed = events.filter(({ event }) => namesNobody(event));
  return [
    check("model card", card.missing.length === 0, "Complete.", `It lacks ${card.missing.join(", ")}.`),
    check("model card approval", card.status === "Approved", "Approved.", `The card is ${card.status}.`),
    check("stage history", stages.length > 0, counted(stages.length, "move"), "It was never moved to a stage."),
    check("deployment history", traffic.length > 0, counted(traffic.length, "change"), "It has never had traffic."),
    check(
      "monitoring record",
      Object.keys(monitoring).length > 0,
      Object.keys(monitoring).join(", "),
      "No record of its monitoring was given.",
    ),
    check("actors", unnamed.length === 0, "Every event says who did it.", withoutActor(unnamed)),
    check(
      "event chain",
      chain.broken === undefined,
      "The hash chain of the event log holds.",
      `The hash chain of the event log breaks at record ${chain.broken?.cursor ?? 0} (${chain.broken?.problem ?? ""}).`,
    ),
  ];
}
