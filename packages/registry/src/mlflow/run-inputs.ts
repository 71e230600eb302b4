import type { Statement } from "@millwright/storage";
import type { Fields } from "./fields.ts";
import { isRecord } from "./message.ts";
import { invalid } from "./refusal.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { activeRun, writeToActiveRun } from "./run-answers.ts";
import { runResource } from "./run-fields.ts";
import { checkKey, checkLength } from "./validation.ts";

const insertDataset =
  "insert into registry_run_datasets (run, name, digest, source_type, source, schema, profile, context) values (?, ?, ?, ?, ?, ?, ?, ?) " +
  "on conflict (run, name, digest) do update set context = excluded.context";
const insertModel =
  "insert into registry_run_models (run, model, role, step) values (?, ?, ?, ?) on conflict (run, role, model) do update set step = excluded.step";

export function runInputRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  return [
    {
      method: "POST",
      path: "/runs/log-inputs",
      summary: "Logs the datasets and models that a run reads.",
      fields: { "run_id!": "text", datasets: "datasets", models: "models" },
      action: "write",
      resource: runResource,
      answer({ fields, signal }) {
        const datasets = fields.objects("datasets").map(datasetRow);
        const models = fields.objects("models").map((each) => each.text("model_id"));
        return writeRows(
          scope,
          fields,
          (run) => [
            { sql: insertDataset, rows: datasets.map((row) => [run, ...row]) },
            { sql: insertModel, rows: models.map((model) => [run, model, "input", 0]) },
          ],
          signal,
        );
      },
    },
    {
      method: "POST",
      path: "/runs/outputs",
      summary: "Logs the models that a run makes.",
      fields: { "run_id!": "text", "models!": "models" },
      action: "write",
      resource: runResource,
      answer({ fields, signal }) {
        const models = fields
          .objects("models")
          .map((each) => [each.text("model_id"), each.optionalInteger("step") ?? 0] as const);
        return writeRows(
          scope,
          fields,
          (run) => [{ sql: insertModel, rows: models.map(([model, step]) => [run, model, "output", step]) }],
          signal,
        );
      },
    },
    {
      method: "POST",
      path: "/runs/log-model",
      summary: "Tells of a model among a run's artifacts, as clients of MLflow 2 do.",
      fields: { "run_id!": "text", "model_json!": "text" },
      action: "write",
      resource: runResource,
      answer: (call) => logModel(scope, call),
    },
  ];
}

async function writeRows(
  { database }: MlflowScope,
  fields: Fields,
  statementsFor: (run: string) => readonly Statement[],
  signal: AbortSignal,
): Promise<object> {
  const { id } = await activeRun(database.read, fields.text("run_id"));
  const statements = statementsFor(id).filter(({ rows = [] }) => rows.length > 0);
  if (statements.length > 0) await writeToActiveRun(database, id, statements, signal);
  return {};
}

/** Adds the model to the tag that pages of MLflow list a run's models by. */
async function logModel({ database }: MlflowScope, { fields, signal }: MlflowCall): Promise<object> {
  const told = modelTold(fields.text("model_json"));
  await database.write(
    async ({ sql }) => {
      const { id } = await activeRun(sql, fields.text("run_id"));
      const name = "mlflow.log-model.history";
      const tag = await sql
        .selectFrom("registry_run_tags")
        .select("value")
        .where("run", "=", id)
        .where("name", "=", name)
        .executeTakeFirst();
      const value = JSON.stringify([...historyOf(tag?.value), told]);
      await sql
        .insertInto("registry_run_tags")
        .values({ run: id, name, value })
        .onConflict((conflict) => conflict.columns(["run", "name"]).doUpdateSet({ value }))
        .execute();
    },
    { signal },
  );
  return {};
}

function datasetRow(fields: Fields): readonly (string | null)[] {
  const dataset = fields.optionalObject("dataset");
  if (dataset === undefined) throw invalid("Missing value for required parameter 'dataset'.");
  const name = dataset.text("name");
  const digest = dataset.text("digest");
  checkLength("Dataset name", name, 500);
  checkLength("Dataset digest", digest, 64);
  const source = dataset.text("source");
  const schema = dataset.optionalText("schema") ?? null;
  const profile = dataset.optionalText("profile") ?? null;
  checkLength("Dataset source", source, 65_535);
  checkLength("Dataset schema", schema ?? "", 1_048_576);
  checkLength("Dataset profile", profile ?? "", 16_777_215);
  const tags = fields.pairs("tags");
  for (const { key } of tags) checkKey("tag", key);
  const context = tags.find(({ key }) => key === "mlflow.data.context")?.value ?? "";
  return [name, digest, dataset.text("source_type"), source, schema, profile, context];
}

const keptKeys = [
  "artifact_path",
  "flavors",
  "utc_time_created",
  "run_id",
  "model_uuid",
  "signature",
  "mlflow_version",
];

/** What a client says of a model, without what nobody reads. */
function modelTold(json: string): object {
  let model: unknown;
  try {
    model = JSON.parse(json);
  } catch {
    throw invalid(`Malformed model info. \n ${json.slice(0, 200)} \n is not a valid JSON.`);
  }
  if (!isRecord(model)) throw invalid("Model json is not an object.");
  const lacking = ["artifact_path", "flavors", "utc_time_created", "run_id"].filter((key) => model[key] === undefined);
  if (lacking.length > 0) throw invalid(`Model json is missing mandatory fields: ${lacking.join(", ")}`);
  return Object.fromEntries(Object.entries(model).filter(([key]) => keptKeys.includes(key)));
}

function historyOf(tag: string | undefined): readonly unknown[] {
  if (tag === undefined) return [];
  try {
    const value: unknown = JSON.parse(tag);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
