import type { AnyTables, Migration } from "./database.ts";
import { migrationFailed, migrationUnknown } from "./errors.ts";
import type { Kysely } from "kysely";

const table = "millwright_migrations";

/** Applies, inside a write, what is missing. @returns the names applied. */
export async function applyMigrations(
  sql: Kysely<AnyTables>,
  namespace: string,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  checkNames(namespace, migrations);
  const applied = await appliedNames(sql, namespace, migrations);
  const pending = migrations.slice(applied.length);
  for (const [index, migration] of pending.entries()) {
    await step(namespace, migration.name, "up", () => migration.up(sql));
    const position = applied.length + index;
    await sql.insertInto(table).values({ namespace, position, name: migration.name }).execute();
  }
  return pending.map(({ name }) => name);
}

/** Undoes, inside a write, what comes after `to`. @returns the names undone, newest first. */
export async function revertMigrations(
  sql: Kysely<AnyTables>,
  namespace: string,
  migrations: readonly Migration[],
  to: string | undefined,
): Promise<readonly string[]> {
  checkNames(namespace, migrations);
  const applied = await appliedNames(sql, namespace, migrations);
  const keep = to === undefined ? 0 : applied.indexOf(to) + 1;
  if (to !== undefined && keep === 0) {
    throw new RangeError(`No applied migration of "${namespace}" is named "${to}". Applied: ${applied.join(", ")}.`);
  }
  const undone: string[] = [];
  for (let position = applied.length - 1; position >= keep; position -= 1) {
    const migration = migrations[position] as Migration;
    await step(namespace, migration.name, "down", () => migration.down(sql));
    await sql.deleteFrom(table).where("namespace", "=", namespace).where("position", "=", position).execute();
    undone.push(migration.name);
  }
  return undone;
}

/** What the file has, which must be how `migrations` begins. */
async function appliedNames(
  sql: Kysely<AnyTables>,
  namespace: string,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  const rows = await sql
    .selectFrom(table)
    .select("name")
    .where("namespace", "=", namespace)
    .orderBy("position")
    .execute();
  const applied = rows.map((row) => String(row["name"]));
  const unknown = applied.filter((name, position) => migrations[position]?.name !== name);
  if (unknown.length > 0) throw migrationUnknown(namespace, unknown);
  return applied;
}

function checkNames(namespace: string, migrations: readonly Migration[]): void {
  const names = new Set(migrations.map(({ name }) => name));
  if (names.size !== migrations.length) throw new RangeError(`Two migrations of "${namespace}" have the same name.`);
}

async function step(
  namespace: string,
  name: string,
  direction: "up" | "down",
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw migrationFailed(namespace, name, direction, error);
  }
}
