import type { CallOptions, Clock } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { emitAbout, newestEvent } from "../causes.ts";
import { experimentDeleted, experimentExists, experimentUnknown } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type ChangeOptions, type TagChanges, checkNotes, checkTags, tagChange } from "./run-changes.ts";

/** An experiment as it is kept. */
export interface ExperimentRecord {
  readonly id: number;
  readonly name: string;
  /** UTC, milliseconds. */
  readonly createdMs: number;
  readonly updatedMs: number;
  /** When it was deleted; it can be restored. */
  readonly deletedMs?: number | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** Where a client was told that artifacts lie; absent: where the registry keeps them. */
  readonly artifactRoot?: string | undefined;
}

export interface ExperimentOptions extends ChangeOptions {
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly artifactRoot?: string | undefined;
}

export interface ExperimentChangeSet extends TagChanges {
  readonly name?: string | undefined;
}

/** Experiments, made and changed. Each change is one transaction with one event that tells who did it and what was before. */
export interface ExperimentChanges {
  /** An experiment that `startRun` names is made by itself. Throws `REGISTRY_EXPERIMENT_EXISTS`, of a deleted one too, and `REGISTRY_NAME_INVALID`. */
  createExperiment(name: string, options?: ExperimentOptions): Promise<ExperimentRecord>;
  /** Deleted ones too. Throws `REGISTRY_EXPERIMENT_UNKNOWN`. */
  experiment(name: string, options?: CallOptions): Promise<ExperimentRecord>;
  /** Throws `REGISTRY_EXPERIMENT_UNKNOWN`, `REGISTRY_EXPERIMENT_DELETED`, `REGISTRY_EXPERIMENT_EXISTS` of another of the new name. */
  updateExperiment(name: string, changes: ExperimentChangeSet, options?: ChangeOptions): Promise<void>;
  /** Deletes its runs with it. One that is deleted stays so. Throws `REGISTRY_EXPERIMENT_UNKNOWN`. */
  deleteExperiment(name: string, options?: ChangeOptions): Promise<void>;
  /** Restores the runs that were deleted with it. Throws `REGISTRY_EXPERIMENT_UNKNOWN`. */
  restoreExperiment(name: string, options?: ChangeOptions): Promise<void>;
}

type Scope = WriteScope<RegistryTables>;
type ExperimentRow = RegistryTables["registry_experiments"];

export function createExperimentChanges(
  database: Database<RegistryTables>,
  clock: Clock,
  actors: Actors,
): ExperimentChanges {
  const change = (
    name: string,
    options: ChangeOptions,
    work: (scope: Scope, experiment: ExperimentRow) => Promise<ExperimentEvent | undefined>,
  ): Promise<void> => {
    const by = actors.acting(options.by);
    return database.write(
      async (scope) => {
        const experiment = await experimentNamed(scope.sql, name);
        const event = await work(scope, experiment);
        if (event !== undefined) await tell(scope, experiment, event, by);
      },
      { signal: options.signal },
    );
  };
  return {
    async createExperiment(name, { tags = {}, artifactRoot, by, signal } = {}) {
      signal?.throwIfAborted();
      checkLabel("an experiment", name);
      checkTags({ set: tags });
      if (artifactRoot !== undefined) checkNotes(artifactRoot);
      const made = { name, tags, artifactRoot, by: actors.acting(by) };
      await database.write((scope) => insertExperiment(scope, made, clock.nowMs()), { signal });
      return experimentOf(database.read, await experimentNamed(database.read, name));
    },
    async experiment(name, { signal } = {}) {
      signal?.throwIfAborted();
      return experimentOf(database.read, await experimentNamed(database.read, name));
    },
    async updateExperiment(name, changes, options = {}) {
      options.signal?.throwIfAborted();
      if (changes.name !== undefined) checkLabel("an experiment", changes.name);
      checkTags(changes);
      await change(name, options, (scope, experiment) => rewrite(scope, experiment, changes, clock.nowMs()));
    },
    async deleteExperiment(name, options = {}) {
      options.signal?.throwIfAborted();
      await change(name, options, (scope, experiment) => remove(scope, experiment, clock.nowMs()));
    },
    async restoreExperiment(name, options = {}) {
      options.signal?.throwIfAborted();
      await change(name, options, (scope, experiment) => restore(scope, experiment, clock.nowMs()));
    },
  };
}

interface ExperimentEvent {
  readonly type: `run.experiment-${string}`;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Throws `REGISTRY_EXPERIMENT_UNKNOWN`. */
export async function experimentNamed(sql: Database<RegistryTables>["read"], name: string): Promise<ExperimentRow> {
  const row = await sql.selectFrom("registry_experiments").selectAll().where("name", "=", name).executeTakeFirst();
  if (row === undefined) throw experimentUnknown(name);
  return row;
}

/** The experiments of `rows`, in their order. */
export async function experimentsOf(
  read: Database<RegistryTables>["read"],
  rows: readonly ExperimentRow[],
): Promise<ExperimentRecord[]> {
  const tags = new Map<number, Record<string, string>>();
  for (let start = 0; start < rows.length; start += 500) {
    const ids = rows.slice(start, start + 500).map(({ id }) => id);
    const some = read.selectFrom("registry_experiment_tags").selectAll().where("experiment", "in", ids).orderBy("name");
    for (const { experiment, name, value } of await some.execute())
      tags.set(experiment, { ...tags.get(experiment), [name]: value });
  }
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
    deletedMs: row.deleted_ms ?? undefined,
    tags: tags.get(row.id) ?? {},
    artifactRoot: row.artifact_root ?? undefined,
  }));
}

const experimentOf = async (read: Database<RegistryTables>["read"], row: ExperimentRow): Promise<ExperimentRecord> =>
  (await experimentsOf(read, [row]))[0] as ExperimentRecord;

async function tell(
  scope: Scope,
  { id, name }: Pick<ExperimentRow, "id" | "name">,
  { type, data }: ExperimentEvent,
  by: string | undefined,
): Promise<void> {
  const subject = `experiment/${id}`;
  await emitAbout(scope, subject, {
    type,
    causationid: await newestEvent(scope, subject),
    data: { experiment: name, ...data, ...(by === undefined ? {} : { by }) },
  });
}

async function insertExperiment(
  scope: Scope,
  { name, tags = {}, artifactRoot, by }: ExperimentOptions & { readonly name: string },
  nowMs: number,
): Promise<void> {
  const { sql } = scope;
  const known = sql.selectFrom("registry_experiments").select("deleted_ms").where("name", "=", name);
  const row = await known.executeTakeFirst();
  if (row !== undefined) throw experimentExists(name, row.deleted_ms !== null);
  const { id } = await sql
    .insertInto("registry_experiments")
    .columns(["name", "created_ms", "updated_ms", "artifact_root"])
    .values({ name, created_ms: nowMs, updated_ms: nowMs, artifact_root: artifactRoot ?? null } as ExperimentRow)
    .returning("id")
    .executeTakeFirstOrThrow();
  for (const [tag, value] of Object.entries(tags))
    await sql.insertInto("registry_experiment_tags").values({ experiment: id, name: tag, value }).execute();
  await tell(scope, { id, name }, { type: "run.experiment-created", data: { tags } }, by);
}

async function rewrite(
  { sql }: Scope,
  experiment: ExperimentRow,
  { name, set = {}, remove: removed = [] }: ExperimentChangeSet,
  nowMs: number,
): Promise<ExperimentEvent | undefined> {
  if (experiment.deleted_ms !== null) throw experimentDeleted(experiment.name);
  const isRenamed = name !== undefined && name !== experiment.name;
  if (isRenamed) {
    const other = sql.selectFrom("registry_experiments").select("deleted_ms").where("name", "=", name);
    const taken = await other.executeTakeFirst();
    if (taken !== undefined) throw experimentExists(name, taken.deleted_ms !== null);
  }
  const { id } = experiment;
  const tags = await sql
    .selectFrom("registry_experiment_tags")
    .select(["name", "value"])
    .where("experiment", "=", id)
    .execute();
  const changed = tagChange(new Map(tags.map((tag) => [tag.name, tag.value])), { set, remove: removed });
  if (!isRenamed && changed === undefined) return undefined;
  for (const [tag, value] of Object.entries(set)) {
    await sql
      .insertInto("registry_experiment_tags")
      .values({ experiment: id, name: tag, value })
      .onConflict((conflict) => conflict.columns(["experiment", "name"]).doUpdateSet({ value }))
      .execute();
  }
  for (const tag of removed)
    await sql.deleteFrom("registry_experiment_tags").where("experiment", "=", id).where("name", "=", tag).execute();
  const renamed = isRenamed ? { name } : {};
  await sql
    .updateTable("registry_experiments")
    .set({ updated_ms: nowMs, ...renamed })
    .where("id", "=", id)
    .execute();
  const data = { ...(isRenamed ? { name: { from: experiment.name, to: name } } : {}), ...changed?.data };
  return { type: "run.experiment-updated", data };
}

async function remove(
  scope: Scope,
  { id, deleted_ms }: ExperimentRow,
  nowMs: number,
): Promise<ExperimentEvent | undefined> {
  if (deleted_ms !== null) return undefined;
  await setDeleted(scope, id, { from: null, to: nowMs, nowMs });
  return { type: "run.experiment-deleted", data: {} };
}

async function restore(
  scope: Scope,
  { id, deleted_ms }: ExperimentRow,
  nowMs: number,
): Promise<ExperimentEvent | undefined> {
  if (deleted_ms === null) return undefined;
  await setDeleted(scope, id, { from: deleted_ms, to: null, nowMs });
  return { type: "run.experiment-restored", data: {} };
}

/** With the runs that were deleted, or were there, as it was: one that was deleted by itself stays so. */
async function setDeleted(
  { sql }: Scope,
  id: number,
  { from, to, nowMs }: { readonly from: number | null; readonly to: number | null; readonly nowMs: number },
): Promise<void> {
  await sql
    .updateTable("registry_experiments")
    .set({ deleted_ms: to, updated_ms: nowMs })
    .where("id", "=", id)
    .execute();
  await sql
    .updateTable("registry_runs")
    .set({ deleted_ms: to })
    .where("experiment_id", "=", id)
    .where("deleted_ms", from === null ? "is" : "=", from)
    .execute();
}
