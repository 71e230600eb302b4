import { readMetricValue } from "../tracking/metric-value.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { groupBy } from "./groups.ts";
import { listed } from "./page-token.ts";
import { noSuchLoggedModel } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";
import { rootsOf, wireDouble } from "./run-answers.ts";

type Read = MlflowScope["database"]["read"];
export type LoggedModelRow = RegistryTables["registry_logged_models"];
type PointRow = RegistryTables["registry_logged_model_metrics"];

/** Throws a refusal for one that is not there, or is deleted. */
export async function loggedModelOf(read: Read, id: string): Promise<LoggedModelRow> {
  const row = await read
    .selectFrom("registry_logged_models")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_ms", "is", null)
    .executeTakeFirst();
  if (row === undefined) throw noSuchLoggedModel(id);
  return row;
}

/** `LoggedModel` of each row, in their order. */
export async function loggedModelAnswers(read: Read, rows: readonly LoggedModelRow[]): Promise<object[]> {
  const answers: object[] = [];
  for (let start = 0; start < rows.length; start += 500)
    answers.push(...(await someAnswers(read, rows.slice(start, start + 500))));
  return answers;
}

/** What belongs to the models, by their ids. */
async function partsOf(read: Read, ids: readonly string[]) {
  const [tags, params, points, versions] = await Promise.all([
    read.selectFrom("registry_logged_model_tags").selectAll().where("model", "in", ids).orderBy("name").execute(),
    read.selectFrom("registry_logged_model_params").selectAll().where("model", "in", ids).orderBy("name").execute(),
    read
      .selectFrom("registry_logged_model_metrics")
      .selectAll()
      .where("model", "in", ids)
      .orderBy("name")
      .orderBy("step")
      .orderBy("time_ms")
      .execute(),
    read
      .selectFrom("registry_mlflow_versions")
      .innerJoin("registry_versions", (join) =>
        join
          .onRef("registry_versions.model", "=", "registry_mlflow_versions.model")
          .onRef("registry_versions.version", "=", "registry_mlflow_versions.version"),
      )
      .select([
        "registry_mlflow_versions.logged_model",
        "registry_mlflow_versions.model",
        "registry_mlflow_versions.version",
      ])
      .where("registry_mlflow_versions.logged_model", "in", ids)
      .where("registry_versions.deleted_ms", "is", null)
      .orderBy("registry_mlflow_versions.model")
      .orderBy("registry_mlflow_versions.version")
      .execute(),
  ]);
  return {
    tags: groupBy(tags, ({ model }) => model),
    params: groupBy(params, ({ model }) => model),
    points: groupBy(points, ({ model }) => model),
    versions: groupBy(versions, (row) => row.logged_model),
  };
}

async function someAnswers(read: Read, rows: readonly LoggedModelRow[]): Promise<object[]> {
  if (rows.length === 0) return [];
  const roots = await rootsOf(
    read,
    rows.map(({ experiment }) => experiment),
  );
  const of = await partsOf(
    read,
    rows.map(({ id }) => id),
  );
  const pairs = (texts: readonly { readonly name: string; readonly value: string }[] | undefined): readonly object[] =>
    (texts ?? []).map(({ name, value }) => ({ key: name, value }));
  return rows.map((row) => ({
    info: {
      model_id: row.id,
      experiment_id: String(row.experiment),
      name: row.name,
      creation_timestamp_ms: row.created_ms,
      last_updated_timestamp_ms: row.updated_ms,
      artifact_uri: loggedModelUri(roots.get(row.experiment) ?? `mlflow-artifacts:/${row.experiment}`, row.id),
      status: row.status,
      model_type: row.type ?? "",
      source_run_id: row.source_run ?? "",
      tags: pairs(of.tags.get(row.id)),
      ...listed(
        "registrations",
        (of.versions.get(row.id) ?? []).map(({ model, version }) => ({ name: model, version: String(version) })),
      ),
    },
    data: {
      ...listed("params", pairs(of.params.get(row.id))),
      ...listed("metrics", newestPoints(of.points.get(row.id) ?? []).map(pointAnswer)),
    },
  }));
}

export const loggedModelUri = (root: string, id: string): string => `${root}/models/${id}/artifacts`;

/** Of each run, metric and dataset the last. @param points By step and time. */
function newestPoints(points: readonly PointRow[]): readonly PointRow[] {
  const newest = new Map<string, PointRow>();
  for (const point of points)
    newest.set(JSON.stringify([point.name, point.run, point.dataset, point.dataset_digest]), point);
  return [...newest.values()];
}

const pointAnswer = (point: PointRow): object => ({
  key: point.name,
  value: wireDouble(readMetricValue(point)),
  timestamp: Math.trunc(point.time_ms),
  step: point.step,
  ...(point.dataset === "" ? {} : { dataset_name: point.dataset, dataset_digest: point.dataset_digest }),
  model_id: point.model,
  run_id: point.run,
});
