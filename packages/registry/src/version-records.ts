import {
  type ApprovalStatus,
  type CallOptions,
  type Digest,
  type ModelManifest,
  type ModelVersion,
  type RunId,
  modelUnknown,
  parseModelRef,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { deepFreeze } from "./deep-freeze.ts";
import type { RegistryTables } from "./tables.ts";

/** A version as it was registered; all of it but `approval` stays as it is for ever. */
export interface RegisteredVersion extends ModelVersion {
  readonly tags: Readonly<Record<string, string>>;
}

/** A version with its package's manifest. */
export interface DescribedVersion extends RegisteredVersion {
  readonly manifest: ModelManifest;
}

/** A decision on a version, as it was made. */
export interface Approval {
  readonly status: "approved" | "rejected";
  readonly by: string;
  readonly comment?: string | undefined;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

/** A move of an alias. */
export interface AliasMove {
  readonly version: number;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

/** Versions, decisions and aliases, read back. */
export interface VersionRecords {
  /** The version that a reference means, without its bytes. Throws `PORT_MODEL_UNKNOWN`. */
  version(ref: string, options?: CallOptions): Promise<DescribedVersion>;
  /** By name and version; of all models where no name is given. */
  versions(name?: string, options?: CallOptions): Promise<readonly RegisteredVersion[]>;
  /** In the order they were made. */
  approvals(name: string, version: number, options?: CallOptions): Promise<readonly Approval[]>;
  /** In the order they were made. */
  aliasHistory(name: string, alias: string, options?: CallOptions): Promise<readonly AliasMove[]>;
  /** What each alias of the model means now. */
  aliases(name: string, options?: CallOptions): Promise<Readonly<Record<string, number>>>;
  /** The newest approved version below `version`: what to go back to. */
  previousApproved(name: string, version: number, options?: CallOptions): Promise<RegisteredVersion | undefined>;
}

type Read = Database<RegistryTables>["read"];
type VersionRow = RegistryTables["registry_versions"];

export function createVersionRecords(read: Read): VersionRecords {
  return {
    async version(ref, { signal } = {}) {
      signal?.throwIfAborted();
      const { name, version, alias } = parseModelRef(ref);
      const wanted = alias === undefined ? version : (await movesOf(read, name, alias)).at(-1)?.version;
      const row = wanted === undefined ? undefined : await selectVersion(read, name, wanted);
      if (row === undefined) throw modelUnknown(ref, await knownRefs(read, name));
      const manifest = JSON.parse(row.manifest) as ModelManifest;
      return deepFreeze({ ...toVersion(row), manifest });
    },
    async versions(name, { signal } = {}) {
      signal?.throwIfAborted();
      let query = read.selectFrom("registry_versions").selectAll();
      if (name !== undefined) query = query.where("model", "=", name);
      return (await query.orderBy("model").orderBy("version").execute()).map(toVersion);
    },
    async approvals(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      return approvalsOf(read, name, version);
    },
    async aliasHistory(name, alias, { signal } = {}) {
      signal?.throwIfAborted();
      const moves = await movesOf(read, name, alias);
      return moves.map(({ version, time_ms }) => ({ version, timeMs: time_ms }));
    },
    async aliases(name, { signal } = {}) {
      signal?.throwIfAborted();
      const moves = await movesOf(read, name);
      return Object.fromEntries(moves.map(({ alias, version }) => [alias, version]));
    },
    async previousApproved(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      const row = await read
        .selectFrom("registry_versions")
        .selectAll()
        .where("model", "=", name)
        .where("approval", "=", "approved")
        .where("version", "<", version)
        .orderBy("version", "desc")
        .executeTakeFirst();
      return row === undefined ? undefined : toVersion(row);
    },
  };
}

/** The digest of what a reference means now, and nothing else of it: a watcher asks several times a second. Throws `PORT_MODEL_UNKNOWN`. */
export async function currentDigest(read: Read, ref: string): Promise<Digest> {
  const { name, version, alias } = parseModelRef(ref);
  let query = read.selectFrom("registry_versions").select("digest").where("model", "=", name);
  query =
    alias === undefined
      ? query.where("version", "=", version)
      : query.where("version", "=", ({ selectFrom }) =>
          selectFrom("registry_aliases")
            .select("registry_aliases.version")
            .where("registry_aliases.model", "=", name)
            .where("registry_aliases.alias", "=", alias)
            .orderBy("move", "desc")
            .limit(1),
        );
  const row = await query.executeTakeFirst();
  if (row === undefined) throw modelUnknown(ref, await knownRefs(read, name));
  return row.digest as Digest;
}

/** Throws `PORT_MODEL_UNKNOWN` unless the version is registered. Versions are never deleted: what was there stays. */
export async function assertRegistered(read: Read, name: string, version: number): Promise<void> {
  if ((await selectVersion(read, name, version)) !== undefined) return;
  throw modelUnknown(`${name}/${version}`, await knownRefs(read, name));
}

const selectVersion = (read: Read, name: string, version: number): Promise<VersionRow | undefined> =>
  read
    .selectFrom("registry_versions")
    .selectAll()
    .where("model", "=", name)
    .where("version", "=", version)
    .executeTakeFirst();

/** The newest references of the name, or of every name where it has none. */
async function knownRefs(read: Read, name: string): Promise<readonly string[]> {
  const rows = await read
    .selectFrom("registry_versions")
    .select(["model", "version"])
    .orderBy("model")
    .orderBy("version")
    .execute();
  const ofName = rows.filter(({ model }) => model === name);
  return (ofName.length > 0 ? ofName : rows).slice(-20).map(({ model, version }) => `${model}/${version}`);
}

/** Moves of one alias, or of all of the model's, in the order they were made. */
function movesOf(read: Read, name: string, alias?: string): Promise<RegistryTables["registry_aliases"][]> {
  let query = read.selectFrom("registry_aliases").selectAll().where("model", "=", name);
  if (alias !== undefined) query = query.where("alias", "=", alias);
  return query.orderBy("alias").orderBy("move").execute();
}

async function approvalsOf(read: Read, name: string, version: number): Promise<Approval[]> {
  const rows = await read
    .selectFrom("registry_approvals")
    .selectAll()
    .where("model", "=", name)
    .where("version", "=", version)
    .orderBy("decision")
    .execute();
  return rows.map((row) => ({
    status: row.status as Approval["status"],
    by: row.decided_by,
    comment: row.comment ?? undefined,
    timeMs: row.time_ms,
  }));
}

export const toVersion = (row: VersionRow): RegisteredVersion =>
  deepFreeze({
    name: row.model,
    version: row.version,
    digest: row.digest as Digest,
    approval: row.approval as ApprovalStatus,
    runId: row.run === null ? undefined : (row.run as RunId),
    createdTimeMs: row.created_ms,
    tags: JSON.parse(row.tags) as RegisteredVersion["tags"],
  });
