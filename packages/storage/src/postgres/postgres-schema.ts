import { fileCorrupt, formatNewer } from "../errors.ts";
import { formatVersion } from "../sqlite-schema.ts";
import { PostgresConnection, type PostgresPool, quotedName } from "./postgres-connection.ts";
import { serverUnsupported } from "./postgres-errors.ts";
import type { TransactionSource } from "./postgres-transaction.ts";

/** What every schema has from the start: the tables of a SQLite file. Packages add their own by migrations. */
const initialSchema = `
create table millwright_format (version bigint not null);
insert into millwright_format (version) values (${formatVersion});

create table millwright_migrations (
  namespace text collate "C" not null,
  position bigint not null,
  name text collate "C" not null,
  primary key (namespace, position)
);

create table millwright_events (
  cursor bigint primary key,
  id text collate "C" not null unique,
  type text collate "C" not null,
  body text not null,
  hash text collate "C" not null
);
create index millwright_events_type on millwright_events (type, cursor);

create table millwright_sequence (
  name text collate "C" primary key,
  seq bigint not null
);

create table millwright_leases (
  name text collate "C" primary key,
  fence bigint not null,
  held bigint not null,
  expires_ms bigint not null
);

create table millwright_records (
  key text collate "C" primary key,
  value text,
  version bigint not null
)`;

const serverSql = `select current_database() as database, current_schema() as schema,
  current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`;

const formatTableSql = "select 1 from pg_tables where schemaname = $1 and tablename = 'millwright_format'";

export interface ServerFacts {
  readonly database: string;
  readonly schema: string | undefined;
}

/** Looks whether the server can keep a database of ours. Throws `STORAGE_SERVER_UNSUPPORTED`, `STORAGE_DATABASE_UNREACHABLE`. */
export async function readServer(pool: PostgresPool): Promise<ServerFacts> {
  const connection = await PostgresConnection.acquire({ pool, path: "postgres", schema: undefined });
  try {
    const [row] = (await connection.control(serverSql)).rows;
    const database = String(row?.["database"]);
    const path = `postgres:${database}`;
    if (Number(row?.["version"]) < 120_000) throw serverUnsupported(path, "the server is older than PostgreSQL 12");
    if (row?.["encoding"] !== "UTF8") throw serverUnsupported(path, `its encoding is ${String(row?.["encoding"])}`);
    return { database, schema: (row["schema"] as string | null) ?? undefined };
  } finally {
    connection.release();
  }
}

/** Makes the schema and its tables where they are not. Throws `STORAGE_FORMAT_NEWER`, `STORAGE_FILE_CORRUPT`. */
export async function prepareSchema(source: TransactionSource, schema: string): Promise<void> {
  const connection = await PostgresConnection.acquire(source);
  const isPrepared = async (): Promise<boolean> => {
    // Not by to_regclass: what that remembers may be from before the lock.
    const found = await connection.query(formatTableSql, [schema]);
    if (found.rows.length === 0) return false;
    const [row] = (await connection.query(`select version from ${quotedName(schema)}.millwright_format`)).rows;
    if (row === undefined) throw fileCorrupt(source.path, "millwright_format has no row");
    const version = Number(row["version"]);
    if (version > formatVersion) throw formatNewer(source.path, version, formatVersion);
    return true;
  };
  try {
    if (await isPrepared()) return;
    // Another process may be making them: the lock is that of writes.
    await connection.control(
      `begin isolation level read committed read write; select pg_advisory_xact_lock(${source.lockKey.join(", ")})`,
    );
    if (!(await isPrepared())) await makeTables(connection, schema);
    await connection.control("commit");
  } catch (error) {
    await connection.control("rollback").catch(() => {});
    throw error;
  } finally {
    connection.release();
  }
}

async function makeTables(connection: PostgresConnection, schema: string): Promise<void> {
  const found = await connection.query("select 1 from pg_namespace where nspname = $1", [schema]);
  // Who may not make schemas may be given one.
  if (found.rows.length === 0) await connection.control(`create schema ${quotedName(schema)}`);
  await connection.control(initialSchema);
}
