import { type CallOptions, type Digest, type JsonValue, canonicalJson, digestOf } from "@millwright/contracts";
import type { VerifiableEventLog } from "@millwright/storage";
import { zipSync } from "fflate";
import type { LineageNode } from "../lineage/lineage-graph.ts";
import {
  type AuditCheck,
  type EvidenceReader,
  type VersionEvidence,
  auditChecks,
  readEvidence,
} from "./audit-evidence.ts";
import { formatCard } from "./card-export.ts";

export interface AuditPackOptions extends CallOptions {
  /** What watches the model knows of it, by name: drift reports, quality, incidents. Default: none, which the pack says. */
  readonly monitoring?: Readonly<Record<string, JsonValue>> | undefined;
}

/** All that there is to show about a version, in one zip. */
export interface AuditPack {
  /** Such as `audit-late-3.zip`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Of the bytes: the same records give the same bytes. */
  readonly digest: Digest;
  readonly completeness: AuditCompleteness;
}

export interface AuditCompleteness {
  /** Part of the checks whose evidence is there, in [0, 1]. */
  readonly score: number;
  readonly checks: readonly AuditCheck[];
  /** Names of those whose evidence is not there. */
  readonly gaps: readonly string[];
}

export interface AuditPacks {
  /**
   * Puts everything that the registry can show about a version into one zip: provenance, lineage, approvals and requests, verdicts of gates, stages, aliases, traffic, card, metrics, signatures, events
   * with the state of their hash chain, and the monitoring records that are given. What is missing is named. Throws `PORT_MODEL_UNKNOWN`.
   */
  exportAuditPack(ref: string, options?: AuditPackOptions): Promise<AuditPack>;
}

/** @param reader Asked only when a pack is: it may be the registry that is being made. */
export function createAuditPacks(log: VerifiableEventLog, reader: () => EvidenceReader): AuditPacks {
  return {
    async exportAuditPack(ref, { signal, monitoring } = {}) {
      signal?.throwIfAborted();
      const evidence = await readEvidence(reader(), log, ref, { signal, monitoring });
      const completeness = completenessOf(evidence);
      const files = new Map(Object.entries(filesOf(evidence, completeness)));
      const { name, version } = evidence.ledger.version;
      files.set("pack.json", packFile(files, evidence, completeness));
      const bytes = zip(files);
      return { name: `audit-${name}-${version}.zip`, bytes, digest: digestOf(bytes), completeness };
    },
  };
}

function completenessOf(evidence: VersionEvidence): AuditCompleteness {
  const checks = auditChecks(evidence);
  const gaps = checks.filter(({ present }) => !present).map(({ name }) => name);
  return { score: (checks.length - gaps.length) / checks.length, checks, gaps };
}

/** Texts by path. Nothing of them depends on when or where the pack is made. */
function filesOf(evidence: VersionEvidence, completeness: AuditCompleteness): Record<string, string> {
  const { ledger, card, chain, events, monitoring } = evidence;
  const { manifest, ...version } = ledger.version;
  const files: Record<string, string> = {
    "summary.md": summary(evidence, completeness),
    "version.json": json(version),
    // Byte for byte what the version's digest is of.
    "manifest.json": canonicalJson(manifest),
    "approvals.json": json(ledger.approvals),
    "requests.json": json(evidence.requests),
    "gates.json": json(gatesOf(events)),
    "stages.json": json(evidence.stages),
    "aliases.json": json(evidence.aliases),
    "traffic.json": json(evidence.traffic),
    "holds.json": json(evidence.holds),
    "baselines.json": json(evidence.baselines),
    "metrics.json": json({ run: ledger.run?.metrics ?? {}, package: manifest.provenance.metrics }),
    "lineage.json": json({
      ancestors: evidence.ancestors.map(toLineage),
      descendants: evidence.descendants.map(toLineage),
    }),
    "card.json": formatCard(card, "json"),
    "card.html": formatCard(card, "html"),
    "card-revisions.json": json(evidence.revisions),
    "signatures.intoto.jsonl": evidence.signatures.map(({ envelope }) => `${JSON.stringify(envelope)}\n`).join(""),
    "events.jsonl": events.map(({ cursor, event }) => `${JSON.stringify({ cursor, event })}\n`).join(""),
    "chain.json": json({
      verified: chain.broken === undefined,
      broken: chain.broken ?? null,
      // Records after these are of other things, and change nothing here.
      upToCursor: events.at(-1)?.cursor ?? 0,
    }),
  };
  if (ledger.run !== undefined) files["run.json"] = json(ledger.run);
  for (const [name, record] of Object.entries(monitoring)) files[`monitoring/${fileName(name)}.json`] = json(record);
  return files;
}

/** In the order of `pack.json`: what is in the pack, and what is not. */
function packFile(
  files: ReadonlyMap<string, string>,
  { ledger }: VersionEvidence,
  { score, gaps, checks }: AuditCompleteness,
): string {
  const { name, version, digest } = ledger.version;
  const listed = [...files].toSorted(byPath).map(([path, text]) => ({
    path,
    sizeBytes: Buffer.byteLength(text),
    digest: digestOf(text),
  }));
  return json({ formatVersion: 1, name, version, digest, completeness: { score, gaps, checks }, files: listed });
}

const gatesOf = (events: VersionEvidence["events"]): unknown =>
  events
    .filter(({ event: { data } }) => data["gates"] !== undefined)
    .map(({ cursor, event: { type, time, subject, data } }) => ({
      cursor,
      type,
      time,
      subject,
      by: data["by"],
      gates: data["gates"],
    }));

const toLineage = ({ entity, distance, path }: LineageNode): unknown => ({ entity, distance, path });

function summary({ ledger }: VersionEvidence, { score, checks }: AuditCompleteness): string {
  const { name, version, digest, approval } = ledger.version;
  const oneLine = (text: string): string => text.replaceAll(/[|\r\n]/g, " ");
  return `# Audit pack of ${name}, version ${version}

Digest of the package: \`${digest}\`. Approval: ${approval}. Completeness: ${Math.round(score * 100)} %.

| evidence | there | |
|---|---|---|
${checks.map((check) => `| ${check.name} | ${check.present ? "yes" : "**no**"} | ${oneLine(check.detail)} |`).join("\n")}

\`pack.json\` lists every file with its SHA-256. \`manifest.json\` is, byte for byte, what the package's digest is of; \`signatures.intoto.jsonl\` are statements about that digest.
`;
}

/** Names of a caller are no paths. */
const fileName = (name: string): string => name.replaceAll(/[^A-Za-z0-9._-]/g, "_").replace(/^\.+/, "_");

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

const byPath = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : 1);

/** Noon of the first day that a zip can tell, in whatever zone: the same bytes everywhere. */
const time = "1980-01-01T12:00:00";

/** Sorted, stored, with one time and no attributes. */
function zip(files: ReadonlyMap<string, string>): Uint8Array {
  const entries = [...files].toSorted(byPath).map(([path, text]) => [path, new TextEncoder().encode(text)] as const);
  return zipSync(Object.fromEntries(entries), { level: 0, mtime: time, os: 0 });
}
