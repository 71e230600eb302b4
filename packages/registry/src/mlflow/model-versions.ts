import { insertVersion } from "../models/version-writes.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { noSuchModel } from "./refusal.ts";
import { changeTag, modelResource, toldOfModel } from "./model-writes.ts";
import { checkLength, checkRegistryTag, lastOfEach } from "./validation.ts";
import { approvalTag, downloadUri, modelOf, versionAnswers, versionOf } from "./version-answers.ts";
import { packageModel } from "./version-package.ts";
import { findSource } from "./version-source.ts";

const named = { "name!": "text", "version!": "text" } as const;

export function modelVersionRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const { read } = scope.database;
  const one = async (name: string, version: string): Promise<object> => ({
    model_version: (await versionAnswers(read, [await versionOf(read, name, version)]))[0],
  });
  return [
    {
      method: "POST",
      path: "/model-versions/create",
      summary: "Registers what lies under a source as the next version.",
      fields: {
        "name!": "text",
        "source!": "text",
        run_id: "text",
        tags: "pairs",
        run_link: "text",
        description: "text",
        model_id: "text",
      },
      action: "write",
      resource: modelResource,
      answer: async (call) => one(call.fields.text("name"), String(await createVersion(scope, call))),
    },
    {
      method: "GET",
      path: "/model-versions/get",
      summary: "A version.",
      fields: named,
      action: "read",
      resource: modelResource,
      answer: ({ fields }) => one(fields.text("name"), fields.text("version")),
    },
    {
      method: "GET",
      path: "/model-versions/get-download-uri",
      summary: "Where a version's files are read from.",
      fields: named,
      action: "read",
      resource: modelResource,
      answer: async ({ fields }) => ({ artifact_uri: await uriOf(scope, fields.text("name"), fields.text("version")) }),
    },
    ...changeRoutes(scope, one),
    ...tagRoutes(scope),
  ];
}

/** The files that were registered; what lies in another store is read from there. */
async function uriOf({ database }: MlflowScope, name: string, version: string): Promise<string> {
  const row = await versionOf(database.read, name, version);
  if (row.source === null) return downloadUri(row);
  const { manifest } = await database.read
    .selectFrom("registry_versions")
    .select("manifest")
    .where("model", "=", name)
    .where("version", "=", row.version)
    .executeTakeFirstOrThrow();
  const files: unknown = (JSON.parse(manifest) as { readonly files?: unknown }).files;
  return Array.isArray(files) && files.length > 0 ? downloadUri(row) : row.source;
}

async function createVersion(
  { database, artifacts, clock }: MlflowScope,
  { fields, by, signal }: MlflowCall,
): Promise<number> {
  const { name } = await modelOf(database.read, fields.text("name"));
  const source = fields.text("source");
  checkLength("Model version source", source, 500);
  const tags = lastOfEach(fields.pairs("tags")).filter(({ key }) => key !== approvalTag);
  for (const tag of tags) checkRegistryTag(tag);
  const found = await findSource(database.read, source);
  const runId = fields.optionalText("run_id") || found.run;
  const loggedModel = fields.optionalText("model_id") || found.loggedModel;
  const runLink = fields.optionalText("run_link") || null;
  const packed = await packageModel(
    artifacts,
    { name, source, files: found.files, runId, nowMs: clock.nowMs() },
    { signal },
  );
  return database.write(
    async (scope) => {
      const { sql } = scope;
      const known = await sql.selectFrom("registry_models").select("name").where("name", "=", name).executeTakeFirst();
      if (known === undefined) throw noSuchModel(name);
      const { version } = await insertVersion(scope, clock, {
        ...packed,
        name,
        runId,
        by,
        source,
        baselines: new Map(),
        signatures: [],
        tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
        description: fields.optionalText("description") || undefined,
        isAnother: true,
      });
      await sql
        .insertInto("registry_mlflow_versions")
        .values({ model: name, version, stage: "None", run_link: runLink, logged_model: loggedModel ?? null })
        .execute();
      // Of a model that was found by its run alone, that server says nothing.
      if (loggedModel !== undefined && !source.startsWith("runs:"))
        await addRegistration(scope.sql, loggedModel, { name, version });
      return version;
    },
    { signal },
  );
}

/** The logged model's tag says where it is registered, as clients expect. */
async function addRegistration(
  sql: MlflowScope["database"]["read"],
  model: string,
  registration: { readonly name: string; readonly version: number },
): Promise<void> {
  const known = await sql.selectFrom("registry_logged_models").select("id").where("id", "=", model).executeTakeFirst();
  if (known === undefined) return;
  const tag = "mlflow.modelVersions";
  const row = await sql
    .selectFrom("registry_logged_model_tags")
    .select("value")
    .where("model", "=", model)
    .where("name", "=", tag)
    .executeTakeFirst();
  const value = JSON.stringify([...registrationsIn(row?.value), registration]);
  await sql
    .insertInto("registry_logged_model_tags")
    .values({ model, name: tag, value })
    .onConflict((conflict) => conflict.columns(["model", "name"]).doUpdateSet({ value }))
    .execute();
}

/** What the tag of a logged model says; nothing where somebody wrote something else. */
function registrationsIn(tag: string | undefined): readonly unknown[] {
  if (tag === undefined) return [];
  try {
    const value: unknown = JSON.parse(tag);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** Who deletes, where nobody said. */
const nobody = "an MLflow client";

function changeRoutes(
  { registry, database, clock }: MlflowScope,
  one: (name: string, version: string) => Promise<object>,
): readonly MlflowRoute[] {
  return [
    {
      method: "PATCH",
      path: "/model-versions/update",
      summary: "Describes a version anew.",
      fields: { ...named, description: "text" },
      action: "write",
      resource: modelResource,
      async answer({ fields, by, signal }) {
        const name = fields.text("name");
        const description = fields.optionalText("description") ?? "";
        await database.write(
          async (write) => {
            const { version } = await versionOf(write.sql, name, fields.text("version"));
            await write.sql
              .updateTable("registry_versions")
              .set({ description, updated_ms: clock.nowMs() })
              .where("model", "=", name)
              .where("version", "=", version)
              .execute();
            await toldOfModel(write, `${name}/${version}`, "described", { name, version, description }, by);
          },
          { signal },
        );
        return one(name, fields.text("version"));
      },
    },
    {
      method: "DELETE",
      path: "/model-versions/delete",
      summary: "Deletes a version and its aliases; its number is not given again.",
      fields: named,
      action: "delete",
      resource: modelResource,
      async answer({ fields, by = nobody, signal }) {
        const name = fields.text("name");
        const { version } = await versionOf(database.read, name, fields.text("version"));
        await registry.deleteVersion(name, version, { by, signal });
        return {};
      },
    },
  ];
}

function tagRoutes({ database, clock }: MlflowScope): readonly MlflowRoute[] {
  const change = async (
    { fields, by, signal }: MlflowCall,
    key: string,
    value: string | undefined,
  ): Promise<object> => {
    const name = fields.text("name");
    await database.write(
      async (write) => {
        const { version } = await versionOf(write.sql, name, fields.text("version"));
        await changeTag(write, { model: name, version, key, value });
        await write.sql
          .updateTable("registry_versions")
          .set({ updated_ms: clock.nowMs() })
          .where("model", "=", name)
          .where("version", "=", version)
          .execute();
        const data = { name, version, tag: key, ...(value === undefined ? {} : { value }) };
        await toldOfModel(write, `${name}/${version}`, "tagged", data, by);
      },
      { signal },
    );
    return {};
  };
  return [
    {
      method: "POST",
      path: "/model-versions/set-tag",
      summary: "Sets a tag of a version.",
      fields: { ...named, "key!": "text", "value!": "text" },
      action: "write",
      resource: modelResource,
      answer(call) {
        const pair = { key: call.fields.present("key"), value: call.fields.present("value") };
        checkRegistryTag(pair);
        return change(call, pair.key, pair.value);
      },
    },
    {
      method: "DELETE",
      path: "/model-versions/delete-tag",
      summary: "Deletes a tag of a version.",
      fields: { ...named, "key!": "text" },
      action: "write",
      resource: modelResource,
      answer: (call) => change(call, call.fields.text("key"), undefined),
    },
  ];
}
