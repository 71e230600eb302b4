import type { Statement } from "@millwright/storage";
import type { KeyValue } from "./fields.ts";
import { missing } from "./refusal.ts";
import type { MlflowRoute, MlflowScope } from "./route.ts";
import { activeRun, writeToActiveRun } from "./run-answers.ts";
import { runId, runResource } from "./run-fields.ts";
import { checkTag } from "./validation.ts";

/** Tags that say what the registry has columns for: both are written, so that either side finds what it looks for. */
const columns: Readonly<Record<string, "name" | "notes" | "started_by" | "parent">> = {
  "mlflow.runName": "name",
  "mlflow.note.content": "notes",
  "mlflow.user": "started_by",
  "mlflow.parentRunId": "parent",
};

export interface MirroredColumns {
  readonly name?: string;
  readonly notes?: string | null;
  readonly started_by?: string | null;
  readonly parent?: string | null;
}

/** What tags say of a run's columns. */
export function mirroredColumns(tags: readonly KeyValue[]): MirroredColumns {
  const found: Record<string, string> = {};
  for (const { key, value } of tags) if (Object.hasOwn(columns, key)) found[columns[key] as string] = value;
  return found;
}

const setTag =
  "insert into registry_run_tags (run, name, value) values (?, ?, ?) on conflict (run, name) do update set value = excluded.value";

const setColumn = {
  name: "update registry_runs set name = ? where id = ?",
  notes: "update registry_runs set notes = ? where id = ?",
  started_by: "update registry_runs set started_by = ? where id = ?",
  // A parent that is not here stays a tag alone; a run is not its own parent.
  parent:
    "update registry_runs set parent = (select parents.id from registry_runs as parents where parents.id = ? and parents.id <> registry_runs.id) where id = ?",
} as const;

/** Tags of one run as statements of one transaction. */
export function tagStatements(run: string, tags: readonly KeyValue[]): readonly Statement[] {
  if (tags.length === 0) return [];
  const mirrored = Object.entries(mirroredColumns(tags)) as [keyof typeof setColumn, string][];
  return [
    { sql: setTag, rows: tags.map(({ key, value }) => [run, key, value]) },
    ...mirrored.map(([column, value]) => ({ sql: setColumn[column], rows: [[value, run]] })),
  ];
}

export function runTagRoutes({ database }: MlflowScope): readonly MlflowRoute[] {
  return [
    {
      method: "POST",
      path: "/runs/set-tag",
      summary: "Sets a tag of a run.",
      fields: { "run_id!": "text", run_uuid: "text", "key!": "text", "value!": "text" },
      action: "write",
      resource: runResource,
      async answer({ fields, signal }) {
        const pair = { key: fields.present("key"), value: fields.present("value") };
        checkTag(pair);
        const { id } = await activeRun(database.read, runId(fields));
        await writeToActiveRun(database, id, tagStatements(id, [pair]), signal);
        return {};
      },
    },
    {
      method: "POST",
      path: "/runs/delete-tag",
      summary: "Deletes a tag of a run.",
      fields: { "run_id!": "text", "key!": "text" },
      action: "write",
      resource: runResource,
      async answer({ fields, signal }) {
        const key = fields.text("key");
        const { id } = await activeRun(database.read, runId(fields));
        const column = Object.hasOwn(columns, key) ? columns[key] : undefined;
        const statements: Statement[] = [
          { sql: "delete from registry_run_tags where run = ? and name = ?", rows: [[id, key]] },
        ];
        if (column !== undefined && column !== "name")
          statements.push({ sql: `update registry_runs set ${column} = null where id = ?`, rows: [[id]] });
        const { results } = await writeToActiveRun(database, id, statements, signal);
        if (results[0]?.changes === 0) throw missing(`No tag with name: ${key} in run with id ${id}`);
        return {};
      },
    },
  ];
}
