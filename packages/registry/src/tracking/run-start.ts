import type { EntityReference, EventId } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout } from "../causes.ts";
import { experimentDeleted, runUnknown } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { RunStart } from "./run-entries.ts";

type Scope = WriteScope<RegistryTables>;

/** Rows in one statement: databases have a limit of values. */
const tagsPerInsert = 500;

/** Makes a run, and its experiment where there is none of the name. Throws `REGISTRY_RUN_UNKNOWN` of the parent. @returns the event that tells of it. */
export function insertRun(
  database: Database<RegistryTables>,
  start: RunStart,
  signal: AbortSignal | undefined,
): Promise<EventId> {
  return database.write((scope) => insertRunIn(scope, start), { signal });
}

/** The same, unless the run is there. */
export async function ensureRun(
  database: Database<RegistryTables>,
  start: RunStart,
  signal: AbortSignal | undefined,
): Promise<void> {
  await database.write(
    async (scope) => {
      const there = scope.sql.selectFrom("registry_runs").select("id").where("id", "=", start.id);
      if ((await there.executeTakeFirst()) === undefined) await insertRunIn(scope, start);
    },
    { signal },
  );
}

async function insertRunIn(scope: Scope, start: RunStart): Promise<EventId> {
  const { sql } = scope;
  const { id, experiment, name, parentRunId, tags, from, by, causedBy, startedMs } = start;
  if (parentRunId !== undefined) {
    const parent = sql.selectFrom("registry_runs").select("id").where("id", "=", parentRunId);
    if ((await parent.executeTakeFirst()) === undefined) throw runUnknown(parentRunId);
  }
  const row: RegistryTables["registry_runs"] = {
    id,
    experiment_id: await ensureExperiment(scope, experiment, startedMs),
    name,
    parent: parentRunId ?? null,
    status: "running",
    started_ms: startedMs,
    ended_ms: null,
    deleted_ms: null,
    started_by: by ?? null,
    notes: null,
    inputs: JSON.stringify(from),
  };
  await sql.insertInto("registry_runs").values(row).execute();
  const tagRows = Object.entries(tags).map(([tag, value]) => ({ run: id, name: tag, value }));
  for (let first = 0; first < tagRows.length; first += tagsPerInsert)
    await sql
      .insertInto("registry_run_tags")
      .values(tagRows.slice(first, first + tagsPerInsert))
      .execute();
  const made: EntityReference = { kind: "run", id, name };
  const data = { experiment, made: [made], from, ...(by === undefined ? {} : { by }) };
  return emitAbout(scope, id, { type: "run.started", causationid: causedBy, data });
}

/** The experiment's number; it is made where there is none of the name. Throws `REGISTRY_EXPERIMENT_DELETED`. */
export async function ensureExperiment({ sql }: Scope, name: string, nowMs: number): Promise<number> {
  const known = await sql
    .selectFrom("registry_experiments")
    .select(["id", "deleted_ms"])
    .where("name", "=", name)
    .executeTakeFirst();
  if (known !== undefined && known.deleted_ms !== null) throw experimentDeleted(name);
  if (known !== undefined) return known.id;
  const made = await sql
    .insertInto("registry_experiments")
    .columns(["name", "created_ms", "updated_ms"])
    .values({ name, created_ms: nowMs, updated_ms: nowMs } as RegistryTables["registry_experiments"])
    .returning("id")
    .executeTakeFirstOrThrow();
  return made.id;
}
