import type { EntityReference } from "@millwright/contracts";
import type { WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { checkedPath } from "./artifact-paths.ts";
import { entriesOf, rowsAt } from "./artifact-rows.ts";
import { activeExperiment } from "./experiments.ts";
import type { KeyValue } from "./fields.ts";
import { type LoggedModelRow, loggedModelAnswers, loggedModelOf, loggedModelUri } from "./logged-model-answers.ts";
import { listed } from "./page-token.ts";
import { invalid, missing } from "./refusal.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { rootsOf } from "./run-answers.ts";
import { nameForRun } from "./run-names.ts";
import { checkLength, checkParam, checkTag, lastOfEach } from "./validation.ts";

const resource: MlflowRoute["resource"] = ({ params }) => `logged-model/${params["model_id"] ?? "*"}`;
const path = "/logged-models/:model_id";
const statuses = ["LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"];
const idOf = ({ params }: MlflowCall): string => params["model_id"] ?? "";

export function loggedModelRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const one = (id: string): Promise<object> => readOne(scope, id);
  return [
    {
      method: "POST",
      path: "/logged-models",
      summary: "Makes a model whose files are to come.",
      fields: {
        "experiment_id!": "text",
        name: "text",
        model_type: "text",
        source_run_id: "text",
        params: "pairs",
        tags: "pairs",
      },
      action: "write",
      resource: ({ fields }) => `experiment/${fields.optionalText("experiment_id") ?? "*"}`,
      answer: async (call) => one(await createLoggedModel(scope, call)),
    },
    {
      method: "GET",
      path,
      summary: "A logged model.",
      fields: {},
      action: "read",
      resource,
      answer: (call) => one(idOf(call)),
    },
    {
      method: "PATCH",
      path,
      summary: "Says that a model's files are there, or did not come.",
      fields: { "status!": "text" },
      action: "write",
      resource,
      answer: async (call) => one(await finish(scope, call)),
    },
    {
      method: "DELETE",
      path,
      summary: "Deletes a logged model.",
      fields: {},
      action: "delete",
      resource,
      answer: (call) => deleteLoggedModel(scope, call),
    },
    {
      method: "GET",
      path: `${path}/artifacts/directories`,
      summary: "The files in a folder of a logged model.",
      fields: { artifact_directory_path: "text", page_token: "text" },
      action: "read",
      resource,
      answer: (call) => listFolder(scope, call),
    },
    ...textRoutes(scope),
  ];
}

async function readOne({ database: { read } }: MlflowScope, id: string): Promise<object> {
  return { model: (await loggedModelAnswers(read, [await loggedModelOf(read, id)]))[0] };
}

async function deleteLoggedModel({ database, clock }: MlflowScope, call: MlflowCall): Promise<object> {
  await database.write(
    async (write) => {
      const row = await loggedModelOf(write.sql, idOf(call));
      await write.sql
        .updateTable("registry_logged_models")
        .set({ deleted_ms: clock.nowMs() })
        .where("id", "=", row.id)
        .execute();
      await told(write, row, "model.logged-deleted", {}, call.by);
    },
    { signal: call.signal },
  );
  return {};
}

async function listFolder({ database }: MlflowScope, call: MlflowCall): Promise<object> {
  const row = await loggedModelOf(database.read, idOf(call));
  const folder = checkedPath(call.fields.optionalText("artifact_directory_path") ?? "");
  const rows = await rowsAt(database.read, { kind: "model", id: row.id, path: folder });
  const root = (await rootsOf(database.read, [row.experiment])).get(row.experiment) ?? "";
  return { root_uri: loggedModelUri(root, row.id), ...listed("files", entriesOf(rows, folder)) };
}

async function createLoggedModel(
  { database, clock, ids }: MlflowScope,
  { fields, by, signal }: MlflowCall,
): Promise<string> {
  const experiment = await activeExperiment(database.read, fields.text("experiment_id"));
  const uuid = ids.next().replaceAll("-", "");
  const id = `m-${uuid}`;
  const name = fields.optionalText("name") || nameForRun(id);
  if (/[/:.%"']/.test(name))
    throw invalid(
      `Invalid model name: '${name}'. Model name must be non-empty and cannot contain '/', ':', '.', '%', '"' or "'".`,
    );
  checkLength("Model name", name, 500);
  const params = lastOfEach(fields.pairs("params"));
  const tags = lastOfEach(fields.pairs("tags"));
  for (const param of params) checkParam(param);
  for (const tag of tags) checkTag(tag);
  const nowMs = clock.nowMs();
  const row: LoggedModelRow = {
    id,
    experiment: experiment.id,
    name,
    type: fields.optionalText("model_type") || null,
    status: "LOGGED_MODEL_PENDING",
    source_run: fields.optionalText("source_run_id") || null,
    created_ms: nowMs,
    updated_ms: nowMs,
    deleted_ms: null,
  };
  await database.write(
    async (scope) => {
      await scope.sql.insertInto("registry_logged_models").values(row).execute();
      await putTexts(scope, "registry_logged_model_params", id, params);
      await putTexts(scope, "registry_logged_model_tags", id, tags);
      await told(scope, row, "model.logged", { status: row.status }, by);
    },
    { signal },
  );
  return id;
}

/** Once its files are there, they are what the run made. */
function finish({ database, clock }: MlflowScope, call: MlflowCall): Promise<string> {
  const status = call.fields.text("status");
  if (!statuses.includes(status))
    throw invalid(`Invalid model status: ${status}. Expected one of ${statuses.join(", ")}.`);
  return database.write(
    async (scope) => {
      const row = await loggedModelOf(scope.sql, idOf(call));
      await scope.sql
        .updateTable("registry_logged_models")
        .set({ status, updated_ms: clock.nowMs() })
        .where("id", "=", row.id)
        .execute();
      const files =
        status === "LOGGED_MODEL_READY"
          ? await scope.sql
              .selectFrom("registry_logged_model_artifacts")
              .select(["path", "digest"])
              .where("model", "=", row.id)
              .orderBy("path")
              .execute()
          : [];
      const made = files.map((file): EntityReference => ({ kind: "artifact", id: file.digest, name: file.path }));
      const from: EntityReference[] = row.source_run === null ? [] : [{ kind: "run", id: row.source_run }];
      await told(scope, row, "model.logged", { status, made, from }, call.by);
      return row.id;
    },
    { signal: call.signal },
  );
}

async function told(
  scope: WriteScope<RegistryTables>,
  { id, name }: Pick<LoggedModelRow, "id" | "name">,
  type: "model.logged" | "model.logged-deleted",
  data: Readonly<Record<string, unknown>>,
  by: string | undefined,
): Promise<void> {
  await emitAbout(scope, id, {
    type,
    causationid: await newestEvent(scope, id),
    data: { name, ...data, ...(by === undefined ? {} : { by }) },
  });
}

type TextTable = "registry_logged_model_tags" | "registry_logged_model_params";

async function putTexts(
  { sql }: WriteScope<RegistryTables>,
  table: TextTable,
  model: string,
  texts: readonly KeyValue[],
): Promise<void> {
  for (const { key, value } of texts)
    await sql
      .insertInto(table)
      .values({ model, name: key, value })
      .onConflict((conflict) => conflict.columns(["model", "name"]).doUpdateSet({ value }))
      .execute();
}

async function deleteTag({ database }: MlflowScope, call: MlflowCall): Promise<object> {
  const { id } = await loggedModelOf(database.read, idOf(call));
  const key = call.params["key"] ?? "";
  const { results } = await database.writeBatch(
    [{ sql: "delete from registry_logged_model_tags where model = ? and name = ?", rows: [[id, key]] }],
    { signal: call.signal },
  );
  if (results[0]?.changes === 0) throw missing(`No tag with key '${key}' found for model with ID '${id}'.`);
  return {};
}

function textRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const { database, clock } = scope;
  const put = async (call: MlflowCall, table: TextTable, texts: readonly KeyValue[]): Promise<object> => {
    await database.write(
      async (write) => {
        const row = await loggedModelOf(write.sql, idOf(call));
        await putTexts(write, table, row.id, texts);
        await write.sql
          .updateTable("registry_logged_models")
          .set({ updated_ms: clock.nowMs() })
          .where("id", "=", row.id)
          .execute();
      },
      { signal: call.signal },
    );
    return {};
  };
  return [
    {
      method: "PATCH",
      path: `${path}/tags`,
      summary: "Sets tags of a logged model.",
      fields: { tags: "pairs" },
      action: "write",
      resource,
      answer(call) {
        const tags = lastOfEach(call.fields.pairs("tags"));
        for (const tag of tags) checkTag(tag);
        return put(call, "registry_logged_model_tags", tags);
      },
    },
    {
      method: "POST",
      path: `${path}/params`,
      summary: "Adds params of a logged model.",
      fields: { params: "pairs" },
      action: "write",
      resource,
      answer(call) {
        const params = lastOfEach(call.fields.pairs("params"));
        for (const param of params) checkParam(param);
        return put(call, "registry_logged_model_params", params);
      },
    },
    {
      method: "DELETE",
      path: `${path}/tags/:key`,
      summary: "Deletes a tag of a logged model.",
      fields: {},
      action: "write",
      resource,
      answer: (call) => deleteTag(scope, call),
    },
  ];
}
