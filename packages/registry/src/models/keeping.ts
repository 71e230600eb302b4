import {
  type CallOptions,
  type Clock,
  type Digest,
  type IdSource,
  digestOf,
  canonicalJson,
} from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { holdUnknown, versionInService } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { placesOf } from "./traffic-records.ts";
import { assertRegistered, versionUnknown } from "./version-records.ts";

export interface VersionHold {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly reason: string;
  readonly by: string;
  /** UTC, milliseconds. */
  readonly heldMs: number;
}

/** Who acts, and why where it is known. */
export interface KeepingOptions extends CallOptions {
  readonly by: string;
}

/** What may be deleted, and what stays. */
export interface VersionKeeping {
  /**
   * Hides a version; its number stays taken and `restoreVersion` brings it back. Aliases that mean it mean nothing then. Throws `PORT_MODEL_UNKNOWN`, `REGISTRY_VERSION_IN_SERVICE`
   * while an endpoint serves it or a hold is on it.
   */
  deleteVersion(name: string, version: number, options: KeepingOptions): Promise<void>;
  /** Throws `PORT_MODEL_UNKNOWN` of what was not deleted, or has been purged. */
  restoreVersion(name: string, version: number, options: KeepingOptions): Promise<void>;
  /** Lets nothing of a version be deleted until it is released, such as for a legal case. */
  holdVersion(
    name: string,
    version: number,
    options: KeepingOptions & { readonly reason: string },
  ): Promise<VersionHold>;
  /** Throws `REGISTRY_HOLD_UNKNOWN`. */
  releaseHold(id: string, options: KeepingOptions): Promise<void>;
  /** Those that hold now, the oldest first. */
  holds(options?: CallOptions): Promise<readonly VersionHold[]>;
  /**
   * Every artifact that something still speaks of: versions and their manifests, also deleted ones that a hold is on or that were deleted less than
   * `keepDeletedMs` ago, their signatures, baselines, artifacts of runs and of logged models. What a store has beside them can go: hand it to `collectGarbage` of `@millwright/storage`.
   */
  reachableArtifacts(options?: CallOptions & { readonly keepDeletedMs?: number | undefined }): AsyncIterable<Digest>;
}

export interface KeepingStoreOptions {
  readonly database: Database<RegistryTables>;
  readonly clock: Clock;
  readonly ids: IdSource;
}

type Scope = WriteScope<RegistryTables>;
const thirtyDaysMs = 30 * 24 * 60 * 60 * 1000;

export function createVersionKeeping({ database, clock, ids }: KeepingStoreOptions): VersionKeeping {
  return {
    async deleteVersion(name, version, { by, signal }) {
      signal?.throwIfAborted();
      checkLabel("a person", by);
      await assertRegistered(database.read, name, version);
      await database.write((scope) => hide(scope, { name, version, by, nowMs: clock.nowMs() }), { signal });
    },
    async restoreVersion(name, version, { by, signal }) {
      signal?.throwIfAborted();
      checkLabel("a person", by);
      await database.write((scope) => restore(scope, { name, version, by, nowMs: clock.nowMs() }), { signal });
    },
    async holdVersion(name, version, { by, reason, signal }) {
      signal?.throwIfAborted();
      checkLabel("a person", by);
      checkLabel("a reason", reason);
      const hold = { id: ids.next(), name, version, reason, by, heldMs: clock.nowMs() };
      await database.write((scope) => insertHold(scope, hold), { signal });
      return hold;
    },
    async releaseHold(id, { by, signal }) {
      signal?.throwIfAborted();
      checkLabel("a person", by);
      await database.write((scope) => release(scope, id, by, clock.nowMs()), { signal });
    },
    async holds({ signal } = {}) {
      signal?.throwIfAborted();
      const rows = database.read.selectFrom("registry_holds").selectAll().where("released_ms", "is", null);
      return (await rows.orderBy("held_ms").orderBy("id").execute()).map((row) => ({
        id: row.id,
        name: row.model,
        version: row.version,
        reason: row.reason,
        by: row.held_by,
        heldMs: row.held_ms,
      }));
    },
    reachableArtifacts: ({ keepDeletedMs = thirtyDaysMs, signal } = {}) =>
      reachable(database.read, clock.nowMs() - keepDeletedMs, signal),
  };
}

interface Act {
  readonly name: string;
  readonly version: number;
  readonly by: string;
  readonly nowMs: number;
}

/** Throws `REGISTRY_VERSION_IN_SERVICE` while an endpoint serves the version or a hold is on it. */
export async function assertDeletable({ sql }: Scope, name: string, version: number): Promise<void> {
  const subject = `${name}/${version}`;
  const places = await placesOf(sql, name, version);
  if (places.length > 0) throw versionInService(subject, `${places.join(", ")} serves it`);
  const hold = await sql
    .selectFrom("registry_holds")
    .select(["reason", "held_by"])
    .where("model", "=", name)
    .where("version", "=", version)
    .where("released_ms", "is", null)
    .executeTakeFirst();
  if (hold !== undefined) throw versionInService(subject, `${hold.held_by} holds it: ${hold.reason}`);
}

async function hide(scope: Scope, { name, version, by, nowMs }: Act): Promise<void> {
  const { sql } = scope;
  const subject = `${name}/${version}`;
  await assertDeletable(scope, name, version);
  const { numUpdatedRows } = await sql
    .updateTable("registry_versions")
    .set({ deleted_ms: nowMs, updated_ms: nowMs })
    .where("model", "=", name)
    .where("version", "=", version)
    .where("deleted_ms", "is", null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw versionUnknown(name, version);
  const dropped = await dropAliases(scope, name, version, nowMs);
  await emitAbout(scope, subject, {
    type: "model.deleted",
    causationid: await newestEvent(scope, subject),
    data: { name, version, by, aliases: dropped },
  });
}

/** An alias whose version goes means nothing: move to version 0. */
async function dropAliases({ sql }: Scope, name: string, version: number, nowMs: number): Promise<readonly string[]> {
  const moves = await sql
    .selectFrom("registry_aliases")
    .selectAll()
    .where("model", "=", name)
    .orderBy("move")
    .execute();
  const newest = new Map(moves.map((move) => [move.alias, move]));
  const dropped: string[] = [];
  for (const { alias, move, version: meant } of newest.values()) {
    if (meant !== version) continue;
    dropped.push(alias);
    await sql
      .insertInto("registry_aliases")
      .values({ model: name, alias, version: 0, time_ms: nowMs, move: move + 1 })
      .execute();
  }
  return dropped;
}

async function restore(scope: Scope, { name, version, by, nowMs }: Act): Promise<void> {
  const { numUpdatedRows } = await scope.sql
    .updateTable("registry_versions")
    .set({ deleted_ms: null, updated_ms: nowMs })
    .where("model", "=", name)
    .where("version", "=", version)
    .where("deleted_ms", "is not", null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw versionUnknown(name, version);
  const subject = `${name}/${version}`;
  await emitAbout(scope, subject, {
    type: "model.restored",
    causationid: await newestEvent(scope, subject),
    data: { name, version, by },
  });
}

async function insertHold(scope: Scope, hold: VersionHold): Promise<void> {
  const { id, name, version, reason, by, heldMs } = hold;
  const there = scope.sql.selectFrom("registry_versions").select("digest").where("model", "=", name);
  // Also of a deleted one: a hold keeps its bytes.
  if ((await there.where("version", "=", version).executeTakeFirst()) === undefined)
    throw versionUnknown(name, version);
  await scope.sql
    .insertInto("registry_holds")
    .values({ id, model: name, version, reason, held_by: by, held_ms: heldMs, released_by: null, released_ms: null })
    .execute();
  const subject = `${name}/${version}`;
  await emitAbout(scope, subject, {
    type: "model.held",
    causationid: await newestEvent(scope, subject),
    data: { name, version, hold: id, reason, by },
  });
}

async function release(scope: Scope, id: string, by: string, nowMs: number): Promise<void> {
  const { sql } = scope;
  const hold = sql.selectFrom("registry_holds").selectAll().where("id", "=", id).where("released_ms", "is", null);
  const row = await hold.executeTakeFirst();
  if (row === undefined) throw holdUnknown(id);
  await sql.updateTable("registry_holds").set({ released_by: by, released_ms: nowMs }).where("id", "=", id).execute();
  const subject = `${row.model}/${row.version}`;
  await emitAbout(scope, subject, {
    type: "model.released",
    causationid: await newestEvent(scope, subject),
    data: { name: row.model, version: row.version, hold: id, by },
  });
}

async function* reachable(
  read: Database<RegistryTables>["read"],
  deletedSinceMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Digest, void, undefined> {
  signal?.throwIfAborted();
  const kept = await read
    .selectFrom("registry_versions as version")
    .select(["version.manifest", "version.digest"])
    .where((row) =>
      row.or([
        row("version.deleted_ms", "is", null),
        row("version.deleted_ms", ">=", deletedSinceMs),
        row.exists(
          row
            .selectFrom("registry_holds as hold")
            .select("hold.id")
            .whereRef("hold.model", "=", "version.model")
            .whereRef("hold.version", "=", "version.version")
            .where("hold.released_ms", "is", null),
        ),
      ]),
    )
    .execute();
  for (const { manifest, digest } of kept) {
    yield digest as Digest;
    const parsed = JSON.parse(manifest) as { readonly files: readonly { readonly digest: Digest }[] };
    // The manifest itself is an artifact too, found by the version's digest.
    yield digestOf(canonicalJson(parsed));
    for (const file of parsed.files) yield file.digest;
  }
  signal?.throwIfAborted();
  const packages = new Set(kept.map(({ digest }) => digest));
  for (const { digest, envelope } of await read
    .selectFrom("registry_signatures")
    .select(["digest", "envelope"])
    .execute())
    if (packages.has(digest)) yield envelope as Digest;
  for (const table of ["registry_baselines", "registry_artifacts", "registry_logged_model_artifacts"] as const) {
    signal?.throwIfAborted();
    for (const { digest } of await read.selectFrom(table).select("digest").distinct().execute()) yield digest as Digest;
  }
}
