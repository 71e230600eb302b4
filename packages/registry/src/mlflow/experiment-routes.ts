import type { WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type ExperimentRow, activeExperiment, experimentAnswers, experimentOf } from "./experiments.ts";
import { exists, invalid, missing, noSuchExperiment } from "./refusal.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { checkExperimentName, checkExperimentTag, checkLength, lastOfEach } from "./validation.ts";

export function experimentRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const { database } = scope;
  const resource: MlflowRoute["resource"] = ({ fields }) => `experiment/${fields.optionalText("experiment_id") ?? "*"}`;
  const one = async (row: ExperimentRow): Promise<object> => ({
    experiment: (await experimentAnswers(database.read, [row]))[0],
  });
  return [
    {
      method: "POST",
      path: "/experiments/create",
      summary: "Makes an experiment.",
      fields: { "name!": "text", artifact_location: "text", tags: "pairs" },
      action: "write",
      resource: () => "experiment/*",
      answer: async (call) => ({ experiment_id: String(await createExperiment(scope, call)) }),
    },
    {
      method: "GET",
      path: "/experiments/get",
      summary: "An experiment, deleted or not.",
      fields: { "experiment_id!": "text" },
      action: "read",
      resource,
      answer: async ({ fields }) => one(await experimentOf(database.read, fields.text("experiment_id"))),
    },
    {
      method: "GET",
      path: "/experiments/get-by-name",
      summary: "The experiment of a name, deleted or not.",
      fields: { "experiment_name!": "text" },
      action: "read",
      resource: () => "experiment/*",
      async answer({ fields }) {
        const name = fields.text("experiment_name");
        const row = await database.read
          .selectFrom("registry_experiments")
          .selectAll()
          .where("name", "=", name)
          .executeTakeFirst();
        if (row === undefined) throw missing(`Could not find experiment with name '${name}'`);
        return one(row);
      },
    },
    ...lifecycleRoutes(scope, resource),
    ...tagRoutes(scope, resource),
  ];
}

function createExperiment({ database, clock }: MlflowScope, { fields, by, signal }: MlflowCall): Promise<number> {
  const name = fields.text("name");
  const root = fields.optionalText("artifact_location") ?? "";
  const tags = lastOfEach(fields.pairs("tags"));
  checkExperimentName(name);
  checkArtifactLocation(root);
  for (const tag of tags) checkExperimentTag(tag);
  return database.write(
    async (scope) => {
      const { sql } = scope;
      await assertNameFree(scope, name);
      const nowMs = clock.nowMs();
      const { id } = await sql
        .insertInto("registry_experiments")
        .columns(["name", "created_ms", "updated_ms", "artifact_root"])
        .values({
          name,
          created_ms: nowMs,
          updated_ms: nowMs,
          artifact_root: root === "" ? null : root.replace(/\/+$/, ""),
        } as ExperimentRow)
        .returning("id")
        .executeTakeFirstOrThrow();
      for (const { key, value } of tags)
        await sql.insertInto("registry_experiment_tags").values({ experiment: id, name: key, value }).execute();
      await told(scope, { id, name }, "created", by);
      return id;
    },
    { signal },
  );
}

/** Where artifacts of runs may lie: with the registry, or in a store that clients write to themselves. */
function checkArtifactLocation(root: string): void {
  checkLength("Artifact location", root, 2048);
  if (root === "") return;
  if (!/^[a-z][a-z\d+.-]+:/i.test(root) || /^file:/i.test(root) || /(^|[/\\])\.\.([/\\]|$)|[#?\\]|%2e/i.test(root))
    throw invalid(
      `Invalid artifact location: '${root}'. Name a store by its URI, such as s3://bucket/folder, or leave it out.`,
    );
}

async function assertNameFree({ sql }: WriteScope<RegistryTables>, name: string): Promise<void> {
  const taken = await sql
    .selectFrom("registry_experiments")
    .select("deleted_ms")
    .where("name", "=", name)
    .executeTakeFirst();
  if (taken === undefined) return;
  const advice = taken.deleted_ms === null ? "" : " It is deleted: restore it, or choose another name.";
  throw exists(`Experiment '${name}' already exists.${advice}`);
}

function told(
  scope: WriteScope<RegistryTables>,
  { id, name }: Pick<ExperimentRow, "id" | "name">,
  what: string,
  by: string | undefined,
  data: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  const subject = `experiment/${id}`;
  return newestEvent(scope, subject).then((causationid) =>
    emitAbout(scope, subject, {
      type: `run.experiment-${what}`,
      causationid,
      data: { experiment: name, ...data, ...(by === undefined ? {} : { by }) },
    }),
  );
}

async function moveExperiment(
  { database, clock }: MlflowScope,
  { fields, by, signal }: MlflowCall,
  isDeleted: boolean,
): Promise<object> {
  const row = await experimentOf(database.read, fields.text("experiment_id"));
  if ((row.deleted_ms !== null) === isDeleted)
    throw isDeleted ? noSuchExperiment(String(row.id)) : missing(`No deleted Experiment with id=${row.id} exists`);
  const nowMs = clock.nowMs();
  await database.write(
    async (write) => {
      const deleted_ms = isDeleted ? nowMs : null;
      await write.sql
        .updateTable("registry_experiments")
        .set({ deleted_ms, updated_ms: nowMs })
        .where("id", "=", row.id)
        .execute();
      // Its runs go and come back with it; those that were deleted before have another time of deletion.
      await write.sql
        .updateTable("registry_runs")
        .set({ deleted_ms })
        .where("experiment_id", "=", row.id)
        .where((run) =>
          row.deleted_ms === null ? run("deleted_ms", "is", null) : run("deleted_ms", "=", row.deleted_ms),
        )
        .execute();
      await told(write, row, isDeleted ? "deleted" : "restored", by);
    },
    { signal },
  );
  return {};
}

async function renameExperiment({ database, clock }: MlflowScope, { fields, by, signal }: MlflowCall): Promise<object> {
  const row = await activeExperiment(database.read, fields.text("experiment_id"));
  const name = fields.text("new_name");
  checkExperimentName(name);
  await database.write(
    async (write) => {
      if (name !== row.name) await assertNameFree(write, name);
      await write.sql
        .updateTable("registry_experiments")
        .set({ name, updated_ms: clock.nowMs() })
        .where("id", "=", row.id)
        .execute();
      if (name === row.name) return;
      await told(write, { id: row.id, name }, "updated", by, { name: { from: row.name, to: name } });
    },
    { signal },
  );
  return {};
}

function lifecycleRoutes(scope: MlflowScope, resource: MlflowRoute["resource"]): readonly MlflowRoute[] {
  const id = { "experiment_id!": "text" } as const;
  return [
    {
      method: "POST",
      path: "/experiments/delete",
      summary: "Deletes an experiment and its runs; they can be restored.",
      fields: id,
      action: "delete",
      resource,
      answer: (call) => moveExperiment(scope, call, true),
    },
    {
      method: "POST",
      path: "/experiments/restore",
      summary: "Restores a deleted experiment.",
      fields: id,
      action: "write",
      resource,
      answer: (call) => moveExperiment(scope, call, false),
    },
    {
      method: "POST",
      path: "/experiments/update",
      summary: "Renames an experiment.",
      fields: { ...id, "new_name!": "text" },
      action: "write",
      resource,
      answer: (call) => renameExperiment(scope, call),
    },
  ];
}

async function changeTag(
  { database, clock }: MlflowScope,
  { fields, by, signal }: MlflowCall,
  key: string,
  value: string | undefined,
): Promise<object> {
  const row = await activeExperiment(database.read, fields.text("experiment_id"));
  await database.write(
    async (write) => {
      const { sql } = write;
      const tag = { experiment: row.id, name: key };
      const old = await sql
        .deleteFrom("registry_experiment_tags")
        .where("experiment", "=", row.id)
        .where("name", "=", key)
        .returning("value")
        .executeTakeFirst();
      if (value === undefined && old === undefined)
        throw missing(`No tag with name: ${key} in experiment with id ${row.id}`);
      if (value !== undefined)
        await sql
          .insertInto("registry_experiment_tags")
          .values({ ...tag, value })
          .execute();
      await sql
        .updateTable("registry_experiments")
        .set({ updated_ms: clock.nowMs() })
        .where("id", "=", row.id)
        .execute();
      if (old?.value === value) return;
      const change = { from: old?.value ?? null, to: value ?? null };
      await told(write, row, "updated", by, { tags: { [key]: change } });
    },
    { signal },
  );
  return {};
}

function tagRoutes(scope: MlflowScope, resource: MlflowRoute["resource"]): readonly MlflowRoute[] {
  return [
    {
      method: "POST",
      path: "/experiments/set-experiment-tag",
      summary: "Sets a tag of an experiment.",
      fields: { "experiment_id!": "text", "key!": "text", "value!": "text" },
      action: "write",
      resource,
      answer(call) {
        const pair = { key: call.fields.present("key"), value: call.fields.present("value") };
        checkExperimentTag(pair);
        return changeTag(scope, call, pair.key, pair.value);
      },
    },
    {
      method: "POST",
      path: "/experiments/delete-experiment-tag",
      summary: "Deletes a tag of an experiment.",
      fields: { "experiment_id!": "text", "key!": "text" },
      action: "write",
      resource,
      answer: (call) => changeTag(scope, call, call.fields.text("key"), undefined),
    },
  ];
}
