import { type CallOptions, type Clock, type EntityReference, type RunId } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { emitAbout, newestEvent } from "../causes.ts";
import { runDeleted, runUnknown } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { RunDataset } from "./run-records.ts";
import { type RunRow, selectRuns } from "./run-rows.ts";

export interface ChangeOptions extends CallOptions {
  /** Who does it: a person's or a service's name, kept in the event. Default: the registry's `actor`. */
  readonly by?: string | undefined;
}

/** Tags to set and to remove; what is named in neither stays. */
export interface TagChanges {
  readonly set?: Readonly<Record<string, string>> | undefined;
  readonly remove?: readonly string[] | undefined;
}

/** Changes to runs that are there. Each is one transaction with one event that tells who did it and what was before. */
export interface RunChanges {
  /** Renames a run or writes its notes; what is absent stays. Throws `REGISTRY_RUN_UNKNOWN`, `REGISTRY_RUN_DELETED`, `REGISTRY_NAME_INVALID`. */
  updateRun(
    id: string,
    changes: { readonly name?: string | undefined; readonly notes?: string | undefined },
    options?: ChangeOptions,
  ): Promise<void>;
  /** Throws `REGISTRY_RUN_UNKNOWN`, `REGISTRY_RUN_DELETED`, `REGISTRY_NAME_INVALID`. */
  tagRun(id: string, changes: TagChanges, options?: ChangeOptions): Promise<void>;
  /** Keeps what data a run read; of one name and digest the last. Throws `REGISTRY_RUN_UNKNOWN`, `REGISTRY_RUN_DELETED`, `REGISTRY_NAME_INVALID`. */
  logDatasets(id: string, datasets: readonly LoggedDataset[], options?: ChangeOptions): Promise<void>;
  /** Takes a run out of lists and searches; nothing of it is lost. One that is deleted stays so. Throws `REGISTRY_RUN_UNKNOWN`. */
  deleteRun(id: string, options?: ChangeOptions): Promise<void>;
  /** Undoes `deleteRun`. Throws `REGISTRY_RUN_UNKNOWN`. */
  restoreRun(id: string, options?: ChangeOptions): Promise<void>;
}

/** A dataset as it is logged; `sourceType` and `source` say where it is from. */
export type LoggedDataset = Pick<RunDataset, "name" | "digest"> & Partial<Omit<RunDataset, "name" | "digest">>;

type Scope = WriteScope<RegistryTables>;

export function createRunChanges(database: Database<RegistryTables>, clock: Clock, actors: Actors): RunChanges {
  const change = (
    id: string,
    options: ChangeOptions,
    work: (scope: Scope, run: RunRow) => Promise<RunChange | undefined>,
  ): Promise<void> => {
    const by = actors.acting(options.by);
    return database.write(
      async (scope) => {
        const run = await selectRuns(scope.sql).where("registry_runs.id", "=", id).executeTakeFirst();
        if (run === undefined) throw runUnknown(id);
        const change = await work(scope, run);
        if (change === undefined) return;
        await emitAbout(scope, id, {
          type: change.type ?? "run.updated",
          causationid: await newestEvent(scope, id),
          data: { experiment: run.experiment, ...change.data, ...(by === undefined ? {} : { by }) },
        });
      },
      { signal: options.signal },
    );
  };
  return {
    async updateRun(id, { name, notes }, options = {}) {
      options.signal?.throwIfAborted();
      if (name !== undefined) checkLabel("a run", name);
      if (notes !== undefined) checkNotes(notes);
      if (name === undefined && notes === undefined) throw new TypeError("A change of a run has a name or notes.");
      await change(id, options, (scope, run) => rewriteRun(scope, run, { name, notes }));
    },
    async tagRun(id, changes, options = {}) {
      options.signal?.throwIfAborted();
      checkTags(changes);
      await change(id, options, (scope, run) => retag(scope, run, changes));
    },
    async logDatasets(id, datasets, options = {}) {
      options.signal?.throwIfAborted();
      const rows = Array.from(datasets, (dataset) => datasetRow(id, dataset));
      await change(id, options, (scope, run) => writeDatasets(scope, run, rows));
    },
    async deleteRun(id, options = {}) {
      options.signal?.throwIfAborted();
      await change(id, options, (scope, run) => setDeleted(scope, run, clock.nowMs()));
    },
    async restoreRun(id, options = {}) {
      options.signal?.throwIfAborted();
      await change(id, options, (scope, run) => setDeleted(scope, run, null));
    },
  };
}

interface RunChange {
  /** Default: `run.updated`. */
  readonly type?: `run.${string}`;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Throws `REGISTRY_RUN_DELETED`. */
export function assertActive({ id, deleted_ms }: { readonly id: string; readonly deleted_ms: number | null }): void {
  if (deleted_ms !== null) throw runDeleted(id);
}

async function rewriteRun(
  { sql }: Scope,
  run: RunRow,
  { name, notes }: { readonly name: string | undefined; readonly notes: string | undefined },
): Promise<RunChange> {
  assertActive(run);
  const set = { ...(name === undefined ? {} : { name }), ...(notes === undefined ? {} : { notes }) };
  await sql.updateTable("registry_runs").set(set).where("id", "=", run.id).execute();
  return {
    data: {
      ...(name === undefined ? {} : { name: { from: run.name, to: name } }),
      ...(notes === undefined ? {} : { notes: { from: run.notes, to: notes } }),
    },
  };
}

/** Throws where a tag cannot be called that, or is no text. */
export function checkTags({ set = {}, remove = [] }: TagChanges): void {
  for (const [name, value] of Object.entries(set)) {
    checkLabel("a tag", name);
    if (typeof value !== "string" || /\0|\p{Surrogate}/u.test(value))
      throw new TypeError(`The tag "${name}" is no text that can be kept.`);
  }
  for (const name of remove) checkLabel("a tag", name);
}

async function retag(
  { sql }: Scope,
  run: RunRow,
  { set = {}, remove = [] }: TagChanges,
): Promise<RunChange | undefined> {
  assertActive(run);
  const before = await sql
    .selectFrom("registry_run_tags")
    .select(["name", "value"])
    .where("run", "=", run.id)
    .execute();
  const old = new Map(before.map(({ name, value }) => [name, value]));
  for (const [name, value] of Object.entries(set)) {
    await sql
      .insertInto("registry_run_tags")
      .values({ run: run.id, name, value })
      .onConflict((conflict) => conflict.columns(["run", "name"]).doUpdateSet({ value }))
      .execute();
  }
  for (const name of remove)
    await sql.deleteFrom("registry_run_tags").where("run", "=", run.id).where("name", "=", name).execute();
  return tagChange(old, { set, remove });
}

/** What an event tells of changed tags; undefined where nothing was. */
export function tagChange(
  old: ReadonlyMap<string, string>,
  { set = {}, remove = [] }: TagChanges,
): RunChange | undefined {
  const changed = [...new Set([...Object.keys(set), ...remove])]
    .map((name) => {
      const to = remove.includes(name) ? null : (set[name] as string);
      return [name, { from: old.get(name) ?? null, to }] as const;
    })
    .filter(([, { from, to }]) => from !== to);
  return changed.length === 0 ? undefined : { data: { tags: Object.fromEntries(changed) } };
}

type DatasetRow = RegistryTables["registry_run_datasets"];

function datasetRow(run: string, dataset: LoggedDataset): DatasetRow {
  const { name, digest, sourceType = "", source = "", schema, profile, context = "" } = dataset;
  checkLabel("a dataset", name);
  checkLabel("a dataset's digest", digest);
  for (const text of [sourceType, source, schema ?? "", profile ?? "", context]) checkNotes(text);
  return {
    run,
    name,
    digest,
    source_type: sourceType,
    source,
    schema: schema ?? null,
    profile: profile ?? null,
    context,
  };
}

async function writeDatasets({ sql }: Scope, run: RunRow, rows: readonly DatasetRow[]): Promise<RunChange | undefined> {
  assertActive(run);
  for (const { run: of, name, digest, ...rest } of rows) {
    await sql
      .insertInto("registry_run_datasets")
      .values({ run: of, name, digest, ...rest })
      .onConflict((conflict) => conflict.columns(["run", "name", "digest"]).doUpdateSet(rest))
      .execute();
  }
  if (rows.length === 0) return undefined;
  const from = rows.map(({ name, digest }): EntityReference => ({ kind: "dataset", id: digest, name }));
  return { data: { made: [{ kind: "run", id: run.id as RunId }], from } };
}

async function setDeleted({ sql }: Scope, run: RunRow, deletedMs: number | null): Promise<RunChange | undefined> {
  if ((run.deleted_ms === null) === (deletedMs === null)) return undefined;
  await sql.updateTable("registry_runs").set({ deleted_ms: deletedMs }).where("id", "=", run.id).execute();
  return { type: deletedMs === null ? "run.restored" : "run.deleted", data: { name: run.name } };
}

/** Throws TypeError unless every store keeps the text as it is. */
export function checkNotes(text: string): void {
  if (typeof text !== "string" || /\0|\p{Surrogate}/u.test(text)) throw new TypeError("Notes are a text without NUL.");
}
