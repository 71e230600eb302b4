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
import type { RegistryTables } from "../tables/tables.ts";

/** A version as it was registered. Its bytes, number and origin stay as they are for ever; its approval, description and tags may change. */
export interface RegisteredVersion extends ModelVersion {
  readonly tags: Readonly<Record<string, string>>;
  readonly description?: string | undefined;
  readonly registeredBy?: string | undefined;
}

/** A version with its package's manifest. */
export interface DescribedVersion extends RegisteredVersion {
  readonly manifest: ModelManifest;
}

/** A decision on a version, as it was made. */
export interface Approval {
  readonly status: "approved" | "rejected";
  readonly by: string;
  /** Those who approved, where it took several. */
  readonly approvers?: readonly string[] | undefined;
  readonly comment?: string | undefined;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

/** A move of an alias. */
export interface AliasMove {
  /** 0 where it means nothing any more: its version was deleted. */
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
      return deepFreeze({ ...(await readVersion(read, row)), manifest });
    },
    async versions(name, { signal } = {}) {
      signal?.throwIfAborted();
      let query = read.selectFrom("registry_versions").selectAll().where("deleted_ms", "is", null);
      if (name !== undefined) query = query.where("model", "=", name);
      return readVersions(read, await query.orderBy("model").orderBy("version").execute());
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
      const newest = new Map(moves.map(({ alias, version }) => [alias, version]));
      return Object.fromEntries([...newest].filter(([, version]) => version > 0));
    },
    async previousApproved(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      const row = await read
        .selectFrom("registry_versions")
        .selectAll()
        .where("model", "=", name)
        .where("approval", "=", "approved")
        .where("deleted_ms", "is", null)
        .where("version", "<", version)
        .orderBy("version", "desc")
        .executeTakeFirst();
      return row === undefined ? undefined : readVersion(read, row);
    },
  };
}

/** The digest of what a reference means now, and nothing else of it: a watcher asks several times a second. Throws `PORT_MODEL_UNKNOWN`. */
export async function currentDigest(read: Read, ref: string): Promise<Digest> {
  const { name, version, alias } = parseModelRef(ref);
  let query = read
    .selectFrom("registry_versions")
    .select("digest")
    .where("model", "=", name)
    .where("deleted_ms", "is", null);
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

/** Throws `PORT_MODEL_UNKNOWN` unless the version is registered. */
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
    .where("deleted_ms", "is", null)
    .executeTakeFirst();

export const versionUnknown = (name: string, version: number): Error => modelUnknown(`${name}/${version}`, []);

/** The newest references of the name, or of every name where it has none. */
async function knownRefs(read: Read, name: string): Promise<readonly string[]> {
  const rows = await read
    .selectFrom("registry_versions")
    .select(["model", "version"])
    .where("deleted_ms", "is", null)
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
    ...(row.approvers === null ? {} : { approvers: JSON.parse(row.approvers) as string[] }),
    comment: row.comment ?? undefined,
    timeMs: row.time_ms,
  }));
}

export async function readVersion(read: Read, row: VersionRow): Promise<RegisteredVersion> {
  const [version] = await readVersions(read, [row]);
  return version as RegisteredVersion;
}

/** The versions of `rows`, in their order. */
export async function readVersions(read: Read, rows: readonly VersionRow[]): Promise<RegisteredVersion[]> {
  const tags = new Map<string, Record<string, string>>();
  const models = [...new Set(rows.map(({ model }) => model))];
  for (const model of models) {
    let query = read.selectFrom("registry_model_tags").selectAll().where("model", "=", model).where("version", ">", 0);
    if (rows.length === 1) query = query.where("version", "=", (rows[0] as VersionRow).version);
    for (const { version, name, value } of await query.orderBy("name").execute()) {
      const key = `${model}/${version}`;
      tags.set(key, { ...tags.get(key), [name]: value });
    }
  }
  return rows.map((row) => toVersion(row, tags.get(`${row.model}/${row.version}`) ?? {}));
}

const toVersion = (row: VersionRow, tags: RegisteredVersion["tags"]): RegisteredVersion =>
  deepFreeze({
    name: row.model,
    version: row.version,
    digest: row.digest as Digest,
    approval: row.approval as ApprovalStatus,
    runId: row.run === null ? undefined : (row.run as RunId),
    createdTimeMs: row.created_ms,
    description: row.description ?? undefined,
    registeredBy: row.registered_by ?? undefined,
    tags,
  });
