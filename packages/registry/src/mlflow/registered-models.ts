import { assertDeletable } from "../models/keeping.ts";
import { type Write, changeTag, dropAliases, insertTags, modelResource, toldOfModel } from "./model-writes.ts";
import { listed } from "./page-token.ts";
import { exists } from "./refusal.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { parseStage } from "./stages.ts";
import { checkRegisteredName, checkRegistryTag, lastOfEach } from "./validation.ts";
import { approvalTag, latestVersions, modelAnswers, modelOf, versionAnswers } from "./version-answers.ts";

export function registeredModelRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const { read } = scope.database;
  const one = async (name: string): Promise<object> => ({
    registered_model: (await modelAnswers(read, [await modelOf(read, name)]))[0],
  });
  const latest = async ({ fields }: MlflowCall): Promise<object> => {
    const { name } = await modelOf(read, fields.text("name"));
    const stages = new Set<string>(fields.texts("stages").map(parseStage));
    const rows = await latestVersions(read, [name]);
    const wanted = rows.filter(({ stage }) => stages.size === 0 || stages.has(stage ?? "None"));
    return listed("model_versions", await versionAnswers(read, wanted));
  };
  const latestRoute = {
    path: "/registered-models/get-latest-versions",
    summary: "The newest version of each stage.",
    fields: { "name!": "text", stages: "texts" },
    action: "read",
    resource: modelResource,
    answer: latest,
  } as const;
  return [
    {
      method: "POST",
      path: "/registered-models/create",
      summary: "Makes a model without versions.",
      fields: { "name!": "text", tags: "pairs", description: "text" },
      action: "write",
      resource: modelResource,
      async answer(call) {
        await createModel(scope, call);
        return one(call.fields.text("name"));
      },
    },
    {
      method: "GET",
      path: "/registered-models/get",
      summary: "A model with the newest version of each stage.",
      fields: { "name!": "text" },
      action: "read",
      resource: modelResource,
      answer: ({ fields }) => one(fields.text("name")),
    },
    { ...latestRoute, method: "POST" },
    { ...latestRoute, method: "GET" },
    ...changeRoutes(scope, one),
    ...modelTagRoutes(scope),
  ];
}

async function createModel({ database, clock }: MlflowScope, { fields, by, signal }: MlflowCall): Promise<void> {
  const name = fields.text("name");
  checkRegisteredName(name);
  const description = fields.optionalText("description") || null;
  const tags = lastOfEach(fields.pairs("tags")).filter(({ key }) => key !== approvalTag);
  for (const tag of tags) checkRegistryTag(tag);
  await database.write(
    async (scope) => {
      const { sql } = scope;
      const known = await sql.selectFrom("registry_models").select("name").where("name", "=", name).executeTakeFirst();
      if (known !== undefined) throw exists(`Registered Model (name=${name}) already exists.`);
      const nowMs = clock.nowMs();
      await sql
        .insertInto("registry_models")
        .values({ name, description, created_ms: nowMs, updated_ms: nowMs })
        .execute();
      await insertTags(scope, name, 0, tags);
      await toldOfModel(scope, name, "created", { name }, by);
    },
    { signal },
  );
}

/** Tables with a column `model` that is the model's name. */
const tablesOfModels = [
  "registry_versions",
  "registry_model_tags",
  "registry_approvals",
  "registry_aliases",
  "registry_mlflow_versions",
  "registry_stages",
  "registry_requests",
  "registry_deployments",
  "registry_baselines",
  "registry_holds",
  "registry_cards",
  "registry_materials",
  "registry_late_services",
] as const;

function changeRoutes(scope: MlflowScope, one: (name: string) => Promise<object>): readonly MlflowRoute[] {
  const { database, clock } = scope;
  return [
    {
      method: "PATCH",
      path: "/registered-models/update",
      summary: "Describes a model anew.",
      fields: { "name!": "text", description: "text" },
      action: "write",
      resource: modelResource,
      async answer({ fields, by, signal }) {
        const name = fields.text("name");
        const description = fields.optionalText("description") ?? "";
        await database.write(
          async (write) => {
            await modelOf(write.sql, name);
            await write.sql
              .updateTable("registry_models")
              .set({ description, updated_ms: clock.nowMs() })
              .where("name", "=", name)
              .execute();
            await toldOfModel(write, name, "described", { name, description }, by);
          },
          { signal },
        );
        return one(name);
      },
    },
    {
      method: "POST",
      path: "/registered-models/rename",
      summary: "Gives a model and its versions another name.",
      fields: { "name!": "text", "new_name!": "text" },
      action: "write",
      resource: modelResource,
      async answer({ fields, by, signal }) {
        const name = fields.text("name");
        const newName = fields.text("new_name");
        checkRegisteredName(newName);
        await database.write((write) => renameModel(write, clock.nowMs(), name, newName, by), { signal });
        return one(newName);
      },
    },
    {
      method: "DELETE",
      path: "/registered-models/delete",
      summary: "Deletes a model with its versions and aliases.",
      fields: { "name!": "text" },
      action: "delete",
      resource: modelResource,
      async answer({ fields, by, signal }) {
        const name = fields.text("name");
        await database.write((write) => deleteModel(write, clock.nowMs(), name, by), { signal });
        return {};
      },
    },
  ];
}

async function renameModel(
  scope: Write,
  nowMs: number,
  name: string,
  newName: string,
  by: string | undefined,
): Promise<void> {
  const { sql } = scope;
  const row = await modelOf(sql, name);
  if (newName === name) return;
  const taken = await sql.selectFrom("registry_models").select("name").where("name", "=", newName).executeTakeFirst();
  if (taken !== undefined) throw exists(`Registered Model (name=${newName}) already exists.`);
  // The numbers of a deleted model's versions are never given again: its name cannot become another's.
  const used = await sql
    .selectFrom("registry_versions")
    .select("version")
    .where("model", "=", newName)
    .limit(1)
    .executeTakeFirst();
  if (used !== undefined)
    throw exists(`Registered Model (name=${newName}) was deleted; its versions keep the name. Choose another.`);
  for (const table of tablesOfModels)
    await sql.updateTable(table).set({ model: newName }).where("model", "=", name).execute();
  await sql
    .insertInto("registry_models")
    .values({ ...row, name: newName, updated_ms: nowMs })
    .execute();
  await sql.deleteFrom("registry_models").where("name", "=", name).execute();
  await toldOfModel(scope, newName, "renamed", { name: newName, previous: name }, by);
}

async function deleteModel(scope: Write, nowMs: number, name: string, by: string | undefined): Promise<void> {
  const { sql } = scope;
  await modelOf(sql, name);
  const there = await sql
    .selectFrom("registry_versions")
    .select("version")
    .where("model", "=", name)
    .where("deleted_ms", "is", null)
    .orderBy("version")
    .execute();
  for (const { version } of there) await assertDeletable(scope, name, version);
  await sql
    .updateTable("registry_versions")
    .set({ deleted_ms: nowMs })
    .where("model", "=", name)
    .where("deleted_ms", "is", null)
    .execute();
  await dropAliases(scope, nowMs, name);
  await sql.deleteFrom("registry_model_tags").where("model", "=", name).where("version", "=", 0).execute();
  await sql.deleteFrom("registry_models").where("name", "=", name).execute();
  await toldOfModel(scope, name, "deleted", { name, versions: there.map(({ version }) => version) }, by);
}

function modelTagRoutes({ database, clock }: MlflowScope): readonly MlflowRoute[] {
  const change = async (
    { by, signal }: MlflowCall,
    name: string,
    key: string,
    value: string | undefined,
  ): Promise<object> => {
    await database.write(
      async (write) => {
        await modelOf(write.sql, name);
        await changeTag(write, { model: name, version: 0, key, value });
        await write.sql
          .updateTable("registry_models")
          .set({ updated_ms: clock.nowMs() })
          .where("name", "=", name)
          .execute();
        await toldOfModel(write, name, "tagged", { name, tag: key, ...(value === undefined ? {} : { value }) }, by);
      },
      { signal },
    );
    return {};
  };
  return [
    {
      method: "POST",
      path: "/registered-models/set-tag",
      summary: "Sets a tag of a model.",
      fields: { "name!": "text", "key!": "text", "value!": "text" },
      action: "write",
      resource: modelResource,
      answer(call) {
        const pair = { key: call.fields.present("key"), value: call.fields.present("value") };
        checkRegistryTag(pair);
        return change(call, call.fields.text("name"), pair.key, pair.value);
      },
    },
    {
      method: "DELETE",
      path: "/registered-models/delete-tag",
      summary: "Deletes a tag of a model.",
      fields: { "name!": "text", "key!": "text" },
      action: "write",
      resource: modelResource,
      answer: (call) => change(call, call.fields.text("name"), call.fields.text("key"), undefined),
    },
  ];
}
