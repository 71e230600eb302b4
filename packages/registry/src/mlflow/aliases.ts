import { modelResource, toldOfModel } from "./model-writes.ts";
import { invalid, shown } from "./refusal.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { checkAliasName } from "./validation.ts";
import { aliasesOf, modelOf, versionAnswers, versionOf } from "./version-answers.ts";

export function aliasRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const path = "/registered-models/alias";
  const resource = modelResource;
  const named = { "name!": "text", "alias!": "text" } as const;
  return [
    {
      method: "POST",
      path,
      summary: "Lets an alias mean a version.",
      fields: { ...named, "version!": "text" },
      action: "write",
      resource,
      answer: (call) => setAlias(scope, call),
    },
    {
      method: "DELETE",
      path,
      summary: "Deletes an alias; one that is not there already is.",
      fields: named,
      action: "write",
      resource,
      answer: (call) => deleteAlias(scope, call),
    },
    {
      method: "GET",
      path,
      summary: "The version that an alias means.",
      fields: named,
      action: "read",
      resource,
      answer: (call) => readAlias(scope, call),
    },
  ];
}

async function setAlias(
  { registry, database, clock }: MlflowScope,
  { fields, by, signal }: MlflowCall,
): Promise<object> {
  const name = fields.text("name");
  const alias = fields.text("alias");
  checkAliasName(alias);
  const { version } = await versionOf(database.read, name, fields.text("version"));
  await registry.setAlias(name, alias, version, { by, signal });
  await database.write(({ sql }) => touch(sql, name, clock.nowMs()), { signal });
  return {};
}

async function deleteAlias({ database, clock }: MlflowScope, { fields, by, signal }: MlflowCall): Promise<object> {
  const name = fields.text("name");
  const alias = fields.text("alias");
  await database.write(
    async (write) => {
      await modelOf(write.sql, name);
      const newest = await write.sql
        .selectFrom("registry_aliases")
        .select(["version", "move"])
        .where("model", "=", name)
        .where("alias", "=", alias)
        .orderBy("move", "desc")
        .limit(1)
        .executeTakeFirst();
      if (newest === undefined || newest.version === 0) return;
      const nowMs = clock.nowMs();
      await write.sql
        .insertInto("registry_aliases")
        .values({ model: name, alias, version: 0, time_ms: nowMs, move: newest.move + 1 })
        .execute();
      await touch(write.sql, name, nowMs);
      const data = { name, alias, previous: newest.version };
      await toldOfModel(write, `${name}@${alias}`, "alias-deleted", data, by);
    },
    { signal },
  );
  return {};
}

async function readAlias({ database: { read } }: MlflowScope, { fields }: MlflowCall): Promise<object> {
  const { name } = await modelOf(read, fields.text("name"));
  const alias = fields.text("alias");
  const found = (await aliasesOf(read, [name])).find((each) => each.alias === alias);
  if (found === undefined) throw invalid(`Registered model alias ${shown(alias)} not found.`);
  const row = await versionOf(read, name, String(found.version));
  return { model_version: (await versionAnswers(read, [row]))[0] };
}

const touch = (sql: MlflowScope["database"]["read"], name: string, nowMs: number): Promise<unknown> =>
  sql.updateTable("registry_models").set({ updated_ms: nowMs }).where("name", "=", name).execute();
