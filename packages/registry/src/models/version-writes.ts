import {
  type ApprovalDecision,
  type ApprovalStatus,
  type Clock,
  type Digest,
  type EntityReference,
  type JsonObject,
  type JsonValue,
  type ModelManifest,
  transitionIllegal,
  versionConflict,
} from "@millwright/contracts";
import type { WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type BaselineKind, insertBaselines } from "./baselines.ts";
import type { Passage } from "./gate-keeper.ts";
import { type StoredEnvelope, insertSignatures, signVersion } from "./signatures.ts";
import type { VersionOrigin } from "./versions.ts";
import { type RegisteredVersion, readVersion, versionUnknown } from "./version-records.ts";

type Scope = WriteScope<RegistryTables>;
type VersionRow = RegistryTables["registry_versions"];

export interface Registration {
  readonly name: string;
  readonly digest: Digest;
  readonly manifest: ModelManifest;
  readonly runId: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly by: string | undefined;
  readonly origin?: VersionOrigin | undefined;
  /** Digests of what drift is measured against, by kind. */
  readonly baselines: ReadonlyMap<BaselineKind, Digest>;
  /** Those that lie beside its manifest. */
  readonly signatures: readonly StoredEnvelope[];
  /** Where a client of another protocol said it came from. */
  readonly source?: string | undefined;
  readonly description?: string | undefined;
  /** The same package again is another version. Default: it has the version it has. */
  readonly isAnother?: boolean | undefined;
}

/** The next version of the name; the version it has, where the package was registered before. */
export async function insertVersion(
  scope: Scope,
  clock: Clock,
  registration: Registration,
): Promise<RegisteredVersion> {
  const { sql } = scope;
  const { name, digest, manifest, runId, tags, by, signatures, source, description, isAnother = false } = registration;
  const ofModel = sql.selectFrom("registry_versions").selectAll().where("model", "=", name);
  const same = await ofModel
    .where("digest", "=", digest)
    .where("deleted_ms", "is", null)
    .orderBy("version")
    .executeTakeFirst();
  if (same !== undefined && !isAnother) {
    // Signed since, and brought once more.
    for (const stored of signatures)
      await signVersion(scope, clock, { name, version: same.version, digest, stored, by });
    return readVersion(sql, same);
  }
  const newest = await ofModel.orderBy("version", "desc").limit(1).executeTakeFirst();
  const nowMs = clock.nowMs();
  const row: VersionRow = {
    model: name,
    version: (newest?.version ?? 0) + 1,
    digest,
    approval: "pending",
    run: runId ?? null,
    created_ms: nowMs,
    updated_ms: nowMs,
    deleted_ms: null,
    registered_by: by ?? null,
    description: description ?? null,
    source: source ?? null,
    manifest: JSON.stringify(manifest),
  };
  await sql
    .insertInto("registry_models")
    .values({ name, description: null, created_ms: nowMs, updated_ms: nowMs })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ updated_ms: nowMs }))
    .execute();
  await sql.insertInto("registry_versions").values(row).execute();
  await insertTags(scope, name, row.version, tags);
  await insertBaselines(scope, name, row.version, registration.baselines);
  const keyIds = await insertSignatures(scope, clock, digest, signatures, by);
  await tellRegistration(scope, registration, row.version, keyIds);
  return readVersion(sql, row);
}

async function tellRegistration(
  scope: Scope,
  { name, digest, manifest, runId, by, origin }: Registration,
  version: number,
  keyIds: readonly string[],
): Promise<void> {
  const subject = `${name}/${version}`;
  const made: EntityReference = { kind: "model", id: digest, name: subject };
  const from = madeFrom(manifest, runId);
  // By its name there: by its digest it is this very model.
  if (origin !== undefined) from.push({ kind: "model", id: `${origin.registry}/${origin.ref}`, name: origin.ref });
  await emitAbout(scope, subject, {
    type: "model.registered",
    causationid: runId === undefined ? undefined : await newestEvent(scope, runId),
    data: {
      made: [made],
      from,
      ...(origin === undefined ? {} : { origin: { ...origin, sameAs: digest } }),
      ...(keyIds.length === 0 ? {} : { keyIds }),
      ...(by === undefined ? {} : { by }),
    },
  });
}

async function insertTags({ sql }: Scope, name: string, version: number, tags: Registration["tags"]): Promise<void> {
  for (const [tag, value] of Object.entries(tags))
    await sql.insertInto("registry_model_tags").values({ model: name, version, name: tag, value }).execute();
}

/** What a model was made from, read off its manifest. */
export function madeFrom({ provenance, featureService }: ModelManifest, runId: string | undefined): EntityReference[] {
  const from = Object.entries(provenance.datasets).map(([name, id]): EntityReference => ({
    kind: "dataset",
    id,
    name,
  }));
  if (provenance.code !== undefined) from.push({ kind: "code", id: provenance.code });
  if (featureService !== undefined)
    from.push({ kind: "feature-service", id: featureService.digest, name: featureService.name });
  if (runId !== undefined) from.push({ kind: "run", id: runId });
  return from;
}

/**
 * SageMaker's transitions of `ModelApprovalStatus`; a decided version never becomes pending again.
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-approve.html
 */
const transitions: Readonly<Record<ApprovalStatus, readonly ApprovalStatus[]>> = {
  pending: ["approved", "rejected"],
  approved: ["rejected"],
  rejected: ["approved"],
};

export interface Decision {
  readonly name: string;
  readonly version: number;
  readonly decision: ApprovalDecision;
  /** Those who approved, where it took several. */
  readonly approvers?: readonly string[] | undefined;
  /** The request that was decided. */
  readonly request?: string | undefined;
  /** What the gates said. */
  readonly gates?: JsonValue | undefined;
}

/** Throws `PORT_TRANSITION_ILLEGAL`; `PORT_MODEL_UNKNOWN` for a deleted version that would be approved. */
export async function decideVersion(scope: Scope, clock: Clock, decided: Decision): Promise<RegisteredVersion> {
  const { sql } = scope;
  const { name, version, decision } = decided;
  const row = await sql
    .selectFrom("registry_versions")
    .selectAll()
    .where("model", "=", name)
    .where("version", "=", version)
    .executeTakeFirstOrThrow();
  const previous = row.approval as ApprovalStatus;
  const { status, by, comment } = decision;
  if (row.deleted_ms !== null && status === "approved") throw versionUnknown(name, version);
  const subject = `${name}/${version}`;
  if (!transitions[previous].includes(status))
    throw transitionIllegal(subject, previous, status, transitions[previous]);
  await sql
    .updateTable("registry_versions")
    .set({ approval: status, updated_ms: clock.nowMs() })
    .where("model", "=", name)
    .where("version", "=", version)
    .execute();
  await insertApproval(scope, clock, decided);
  const redeploy = previous === "approved" ? await latestApproved(scope, name) : undefined;
  await emitAbout(scope, subject, {
    type: `model.${status}`,
    // The decision before this one, or else the registration.
    causationid: await newestEvent(scope, subject),
    data: {
      name,
      version,
      digest: row.digest,
      previous,
      by,
      ...(comment === undefined ? {} : { comment }),
      ...(decided.approvers === undefined ? {} : { approvers: decided.approvers }),
      ...(decided.request === undefined ? {} : { request: decided.request }),
      ...(decided.gates === undefined ? {} : { gates: decided.gates }),
      // Whoever serves a version that is rejected goes back to this one.
      ...(redeploy === undefined ? {} : { redeploy }),
    },
  });
  return readVersion(sql, { ...row, approval: status });
}

async function insertApproval(
  { sql }: Scope,
  clock: Clock,
  { name, version, decision, approvers }: Decision,
): Promise<void> {
  const last = await sql
    .selectFrom("registry_approvals")
    .select(({ fn }) => fn.max("decision").as("decision"))
    .where("model", "=", name)
    .where("version", "=", version)
    .executeTakeFirst();
  await sql
    .insertInto("registry_approvals")
    .values({
      model: name,
      version,
      decision: (last?.decision ?? 0) + 1,
      status: decision.status,
      decided_by: decision.by,
      comment: decision.comment ?? null,
      approvers: approvers === undefined ? null : JSON.stringify(approvers),
      time_ms: clock.nowMs(),
    })
    .execute();
}

const latestApproved = (
  { sql }: Scope,
  name: string,
): Promise<{ readonly version: number; readonly digest: string } | undefined> =>
  sql
    .selectFrom("registry_versions")
    .select(["version", "digest"])
    .where("model", "=", name)
    .where("approval", "=", "approved")
    .where("deleted_ms", "is", null)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();

export interface Move {
  readonly name: string;
  readonly alias: string;
  readonly version: number;
  readonly ifVersion: number | undefined;
  readonly by: string | undefined;
  readonly passage?: Passage | undefined;
  /** That it goes back, and why; asked for when the event is made. */
  readonly rollback?: (() => JsonObject) | undefined;
}

/** Throws `PORT_VERSION_CONFLICT`, `PORT_MODEL_UNKNOWN`, `REGISTRY_CHANGED_MEANWHILE`. */
export async function moveAlias(scope: Scope, clock: Clock, move: Move): Promise<void> {
  const { sql } = scope;
  const { name, alias, version, ifVersion, by } = move;
  const newest = await sql
    .selectFrom("registry_aliases")
    .selectAll()
    .where("model", "=", name)
    .where("alias", "=", alias)
    .orderBy("move", "desc")
    .limit(1)
    .executeTakeFirst();
  const current = newest?.version ?? 0;
  const subject = `${name}@${alias}`;
  if (ifVersion !== undefined && ifVersion !== current) throw versionConflict(subject, ifVersion, current);
  if (version === current) return;
  await move.passage?.assertUnchanged(sql);
  const target = await sql
    .selectFrom("registry_versions")
    .select("digest")
    .where("model", "=", name)
    .where("version", "=", version)
    .where("deleted_ms", "is", null)
    .executeTakeFirst();
  if (target === undefined) throw versionUnknown(name, version);
  const { digest } = target;
  await sql
    .insertInto("registry_aliases")
    .values({ model: name, alias, version, time_ms: clock.nowMs(), move: (newest?.move ?? 0) + 1 })
    .execute();
  await emitAbout(scope, subject, {
    type: "model.alias-set",
    // The last decision on the version, or else its registration.
    causationid: await newestEvent(scope, `${name}/${version}`),
    data: {
      name,
      alias,
      version,
      digest,
      ...(current === 0 ? {} : { previous: current }),
      ...(by === undefined ? {} : { by }),
      ...(move.passage === undefined ? {} : { gates: move.passage.told }),
      ...(move.rollback === undefined ? {} : { rollback: move.rollback() }),
    },
  });
}
