import { createHash } from "node:crypto";
import { abortable, type CallOptions } from "@millwright/contracts";
import type { KeyedEntry, KeyedOnlineStore, Unpurged } from "../keyed/keyed-store.ts";
import { createRemoteStore } from "../remote/remote-store.ts";
import {
  type OptimisticPart,
  type Replacement,
  type Standing,
  updateOptimistically,
} from "../remote/optimistic-update.ts";
import { postgresFailure } from "../remote/postgres-errors.ts";

/** What is used of a `Pool` of the package `pg`. */
export interface PostgresPool {
  query(statement: PostgresStatement): Promise<{ readonly rows: readonly unknown[] }>;
}

/** A statement as `pg` takes it. */
export interface PostgresStatement {
  readonly text: string;
  readonly values?: unknown[];
  /** Prepared statements have one. */
  readonly name?: string;
}

export interface PostgresOnlineStoreOptions extends CallOptions {
  /** The table the entries stand in, made where it is missing; with or without its schema. Default: `"millwright_online"`. */
  readonly table?: string | undefined;
  /** Whether statements are prepared once a connection. Give false behind a pooler that cannot keep them. Default: true. */
  readonly prepared?: boolean | undefined;
}

/** Entries of a statement at most. */
const STATEMENT_ENTRIES = 1000;
/** Bytes of a statement at about which the next one begins. */
const STATEMENT_BYTES = 16 * 1024 * 1024;
/** Longer ones do not fit in an index: their digest stands there. */
const LONGEST_KEY_BYTES = 500;
/** How often a statement is sent again that two writers kept from each other, each time on what then stands there. */
const MOST_COLLISIONS = 100;

/**
 * Keeps entries in a table of PostgreSQL 12 or newer, for services on many machines. The caller makes the pool, and ends it:
 * `openPostgresOnlineStore(new Pool({ connectionString }))`. Each write is one statement that changes only entries which still are what was
 * read, so that of two writers at once none is lost, and no connection is held between statements. Whether the store is durable is what the
 * server says: not with `fsync` or `synchronous_commit` off.
 *
 * Throws `FEATURE_STORE_ONLINE_UNREACHABLE`, `FEATURE_STORE_ONLINE_BUSY`, `FEATURE_STORE_ONLINE_REFUSED`; where the disk is full, or the
 * server takes no writes, `FEATURE_STORE_WRITE_FAILED`.
 */
export async function openPostgresOnlineStore(
  pool: PostgresPool,
  options: PostgresOnlineStoreOptions = {},
): Promise<KeyedOnlineStore> {
  const { table = "millwright_online", prepared = true, signal } = options;
  signal?.throwIfAborted();
  if (!/^(?:[A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*$/.test(table)) {
    throw new TypeError(`"${table}" is no name for a table.`);
  }
  if (typeof pool?.query !== "function") throw new TypeError("The pool is none of `pg`: it has no `query`.");
  const rows = createRows(pool, table, prepared);
  return createStore(rows, await abortable(rows.prepare(), signal));
}

const SERVER_FILES: Unpurged = {
  path: "the files of the PostgreSQL server",
  reason:
    "dead rows stand in the table until it is vacuumed, and in the write-ahead log, its archive and replicas for longer",
  remedy: "Run VACUUM FULL on the table, and let archived logs and base backups of before expire.",
};

function createStore(rows: Rows, durable: boolean): KeyedOnlineStore {
  return createRemoteStore({
    durable,
    rest: SERVER_FILES,
    async read(group, keys, { signal } = {}) {
      const parts = partsOf([...new Set(keys)]);
      const found = await abortable(Promise.all(parts.map((part) => rows.read(group, part))), signal);
      return bytesOf(keys, new Map(found.flatMap((part) => [...part])));
    },
    async update(group, keys, change, { signal } = {}) {
      const split = (distinct: readonly string[]): OptimisticPart<Kept>[] =>
        partsOf(distinct).map((part) => ({
          keys: part,
          read: () => rows.read(group, part),
          write: (changes) => rows.replace(group, changes),
        }));
      await updateOptimistically(keys, change, { split, signal });
    },
    async *scan(group, signal) {
      for (let after: Uint8Array | undefined; ;) {
        const page = await abortable(rows.page(group, after), signal);
        yield page.entries;
        if (page.entries.length < STATEMENT_ENTRIES) return;
        after = page.last;
      }
    },
  });
}

/** The bytes of each key; who asks twice gets two copies. */
function bytesOf(keys: readonly string[], found: ReadonlyMap<string, Kept>): (Uint8Array | undefined)[] {
  const given = new Set<string>();
  return keys.map((key) => {
    const bytes = found.get(key)?.bytes;
    if (bytes === undefined || !given.has(key)) given.add(key);
    else return new Uint8Array(bytes);
    return bytes;
  });
}

/** An entry with its version, which no other entry ever had or will have. */
interface Kept extends Standing {
  readonly version: string;
}

interface Rows {
  /** Makes the table where it is missing. @returns whether what is acknowledged outlasts a crash. */
  prepare(): Promise<boolean>;
  read(group: string, keys: readonly string[]): Promise<Map<string, Kept>>;
  replace(
    group: string,
    changes: ReadonlyMap<string, Replacement<Kept>>,
  ): Promise<ReadonlyMap<string, Kept | undefined>>;
  page(
    group: string,
    after: Uint8Array | undefined,
  ): Promise<{ readonly entries: readonly KeyedEntry[]; readonly last: Uint8Array | undefined }>;
}

function createRows(pool: PostgresPool, table: string, prepared: boolean): Rows {
  const send = async <Row>(text: string, values: unknown[] = []): Promise<readonly Row[]> => {
    const name = `millwright ${createHash("sha1").update(text).digest("hex")}`;
    try {
      const statement = { text, values, ...(prepared ? { name } : {}) };
      return (await pool.query(statement)).rows as readonly Row[];
    } catch (error) {
      throw postgresFailure(`the PostgreSQL table "${table}"`, error);
    }
  };
  const sql = statementsOf(table);
  const read: Rows["read"] = async (group, keys) => {
    const places = new Map(keys.map((key) => [placeOf(key).toString("latin1"), key]));
    const found = await send<{ readonly key: Buffer; readonly version: string; readonly bytes: Buffer }>(sql.read, [
      placeOf(group),
      [...places.keys()].map((place) => Buffer.from(place, "latin1")),
    ]);
    return new Map(found.map(({ key, ...kept }) => [places.get(key.toString("latin1"))!, kept]));
  };
  return {
    prepare: () => prepareTable(pool, table),
    read,
    async replace(group, changes) {
      const others = new Map<string, Kept | undefined>();
      for (const part of statementParts(changes)) {
        const left = await replacePart(send, sql.replace, group, part);
        const standing = left.length === 0 ? undefined : await read(group, left);
        for (const key of left) others.set(key, standing!.get(key));
      }
      return others;
    },
    async page(group, after) {
      const found = await send<{ readonly key: Buffer; readonly long_key: Buffer | null; readonly bytes: Buffer }>(
        sql.page[after === undefined ? 0 : 1],
        [placeOf(group), after ?? Buffer.alloc(0)],
      );
      const entries = found.map(({ key, long_key, bytes }) => ({ key: (long_key ?? key).toString("utf8"), bytes }));
      return { entries, last: found.at(-1)?.key };
    },
  };
}

function statementsOf(table: string): {
  readonly read: string;
  readonly replace: string;
  readonly page: readonly [first: string, next: string];
} {
  const page = (after: string): string =>
    `SELECT key, long_key, bytes FROM ${table} WHERE entity_group = $1 AND key ${after} $2 ORDER BY key LIMIT ${STATEMENT_ENTRIES}`;
  return {
    read: `SELECT key, version::text AS version, bytes FROM ${table} WHERE entity_group = $1 AND key = ANY($2::bytea[])`,
    page: [page(">="), page(">")],
    // Rows are locked in the order of their keys, so that writers wait for each other and never in a circle.
    replace: `WITH given AS MATERIALIZED (
      SELECT * FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[]) AS given(key, long_key, version, bytes)
    ), locked AS MATERIALIZED (
      SELECT stored.key, given.version AS version, given.bytes AS bytes FROM ${table} AS stored JOIN given ON stored.key = given.key
      WHERE stored.entity_group = $1 AND stored.version = given.version ORDER BY stored.key FOR UPDATE OF stored
    ), changed AS (
      UPDATE ${table} AS stored SET bytes = locked.bytes, version = nextval('${table}_versions') FROM locked
      WHERE stored.entity_group = $1 AND stored.key = locked.key AND stored.version = locked.version AND locked.bytes IS NOT NULL
      RETURNING stored.key
    ), deleted AS (
      DELETE FROM ${table} AS stored USING locked
      WHERE stored.entity_group = $1 AND stored.key = locked.key AND stored.version = locked.version AND locked.bytes IS NULL
      RETURNING stored.key
    ), added AS (
      INSERT INTO ${table} (entity_group, key, long_key, version, bytes)
      SELECT $1, key, long_key, nextval('${table}_versions'), bytes FROM given WHERE version IS NULL ORDER BY key
      ON CONFLICT DO NOTHING RETURNING key
    ) SELECT key FROM changed UNION ALL SELECT key FROM deleted UNION ALL SELECT key FROM added`,
  };
}

/** @returns the keys at which something else stood. */
async function replacePart(
  send: <Row>(text: string, values: unknown[]) => Promise<readonly Row[]>,
  text: string,
  group: string,
  changes: readonly (readonly [string, Replacement<Kept>])[],
): Promise<readonly string[]> {
  const places = changes.map(([key]) => placeOf(key));
  const values = [
    placeOf(group),
    places,
    changes.map(([key], at) => (isLong(places[at]!) ? Buffer.from(key) : null)),
    changes.map(([, { before }]) => before?.version ?? null),
    changes.map(([, { bytes }]) => (bytes === null ? null : bufferOf(bytes))),
  ];
  for (let collisions = 1; ; collisions++) {
    try {
      const done = await send<{ readonly key: Buffer }>(text, values);
      const kept = new Set(done.map(({ key }) => key.toString("latin1")));
      return changes.filter((_, at) => !kept.has(places[at]!.toString("latin1"))).map(([key]) => key);
    } catch (error) {
      // A statement that fails has changed nothing.
      const { code } = ((error as Error).cause ?? error) as { readonly code?: unknown };
      const collided = code === "40P01" || code === "40001";
      if (!collided || collisions === MOST_COLLISIONS) throw error;
    }
  }
}

/** The settings that decide what a crash may take; the table and what counts its versions, where they are missing. */
async function prepareTable(pool: PostgresPool, table: string): Promise<boolean> {
  const send = async (text: string): Promise<readonly unknown[]> => (await pool.query({ text })).rows;
  try {
    const [found] = (await send(
      `SELECT current_setting('fsync') <> 'off' AND current_setting('synchronous_commit') <> 'off' AS durable,
        to_regclass('${table}') IS NOT NULL AND to_regclass('${table}_versions') IS NOT NULL AS there`,
    )) as readonly { readonly durable: boolean; readonly there: boolean }[];
    if (!found!.there) {
      // One transaction, in which whoever else opens the store waits: two who make a table at once get in each other's way.
      await send(`SELECT pg_advisory_xact_lock(hashtext('millwright ${table}'));
        CREATE SEQUENCE IF NOT EXISTS ${table}_versions CACHE 1000;
        CREATE TABLE IF NOT EXISTS ${table} (entity_group bytea NOT NULL, key bytea NOT NULL, long_key bytea,
          version bigint NOT NULL, bytes bytea NOT NULL, PRIMARY KEY (entity_group, key)) WITH (fillfactor = 90)`);
    }
    return found!.durable;
  } catch (error) {
    throw postgresFailure(`the PostgreSQL table "${table}"`, error);
  }
}

function partsOf(keys: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let at = 0; at < keys.length; at += STATEMENT_ENTRIES) parts.push(keys.slice(at, at + STATEMENT_ENTRIES));
  return parts;
}

/** Texts as bytes: the server's own texts hold no zeros. What is long stands as a byte that no text begins with, and its digest. */
function placeOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= LONGEST_KEY_BYTES) return bytes;
  return Buffer.concat([LONG, createHash("sha256").update(bytes).digest()]);
}

const LONG = Buffer.of(0xff);
const isLong = (place: Buffer): boolean => place[0] === 0xff;

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function* statementParts(
  changes: ReadonlyMap<string, Replacement<Kept>>,
): Generator<(readonly [string, Replacement<Kept>])[]> {
  let part: (readonly [string, Replacement<Kept>])[] = [];
  let size = 0;
  for (const entry of changes) {
    part.push(entry);
    size += entry[1].bytes?.length ?? 0;
    if (size < STATEMENT_BYTES) continue;
    yield part;
    part = [];
    size = 0;
  }
  if (part.length > 0) yield part;
}
