import { type SelectQueryBuilder, sql } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import { groupBy } from "./groups.ts";
import type { KeyValue } from "./fields.ts";
import { noSuchModel, noSuchVersion } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";

type Read = MlflowScope["database"]["read"];
export type ModelRow = RegistryTables["registry_models"];

/** A version with what MLflow's clients said of it. */
export interface VersionRow extends Omit<RegistryTables["registry_versions"], "manifest"> {
  readonly stage: string | null;
  readonly run_link: string | null;
  readonly logged_model: string | null;
}

/** The tag that says how a version is decided on; it is read only. */
export const approvalTag = "millwright.approval";

/** Versions that are not deleted, without their manifests. */
export const selectVersions = (
  read: Read,
): SelectQueryBuilder<RegistryTables, "registry_versions" | "registry_mlflow_versions", VersionRow> =>
  read
    .selectFrom("registry_versions")
    .leftJoin("registry_mlflow_versions", (join) =>
      join
        .onRef("registry_mlflow_versions.model", "=", "registry_versions.model")
        .onRef("registry_mlflow_versions.version", "=", "registry_versions.version"),
    )
    .select([
      "registry_versions.model",
      "registry_versions.version",
      "registry_versions.digest",
      "registry_versions.approval",
      "registry_versions.run",
      "registry_versions.created_ms",
      "registry_versions.updated_ms",
      "registry_versions.deleted_ms",
      "registry_versions.registered_by",
      "registry_versions.description",
      "registry_versions.source",
      "registry_mlflow_versions.stage",
      "registry_mlflow_versions.run_link",
      "registry_mlflow_versions.logged_model",
    ])
    .where("registry_versions.deleted_ms", "is", null) as unknown as SelectQueryBuilder<
    RegistryTables,
    "registry_versions" | "registry_mlflow_versions",
    VersionRow
  >;

/** Throws a refusal. */
export async function modelOf(read: Read, name: string): Promise<ModelRow> {
  const row = await read.selectFrom("registry_models").selectAll().where("name", "=", name).executeTakeFirst();
  if (row === undefined) throw noSuchModel(name);
  return row;
}

/** Throws a refusal. */
export async function versionOf(read: Read, name: string, version: string): Promise<VersionRow> {
  const row = /^\d{1,15}$/.test(version)
    ? await selectVersions(read)
        .where("registry_versions.model", "=", name)
        .where("registry_versions.version", "=", Number(version))
        .executeTakeFirst()
    : undefined;
  if (row === undefined) throw noSuchVersion(name, version);
  return row;
}

export interface AliasRow {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
}

/** What each alias of the models means now. */
export async function aliasesOf(read: Read, models: readonly string[]): Promise<readonly AliasRow[]> {
  if (models.length === 0) return [];
  return read
    .selectFrom("registry_aliases")
    .select(["model", "alias", "version"])
    .where("model", "in", models)
    .where("version", ">", 0)
    .where(
      "move",
      "=",
      sql<number>`(select max(later.move) from registry_aliases as later
        where later.model = registry_aliases.model and later.alias = registry_aliases.alias)`,
    )
    .orderBy("alias")
    .execute();
}

const at = (model: string, version: number): string => `${version} ${model}`;

/** `ModelVersion` of each row, in their order. */
export async function versionAnswers(read: Read, rows: readonly VersionRow[]): Promise<object[]> {
  const answers: object[] = [];
  for (let start = 0; start < rows.length; start += 500)
    answers.push(...(await someVersions(read, rows.slice(start, start + 500))));
  return answers;
}

async function someVersions(read: Read, rows: readonly VersionRow[]): Promise<object[]> {
  const models = [...new Set(rows.map(({ model }) => model))];
  if (models.length === 0) return [];
  const [tags, aliases] = await Promise.all([
    read
      .selectFrom("registry_model_tags")
      .selectAll()
      .where("model", "in", models)
      .where("version", "in", [...new Set(rows.map(({ version }) => version))])
      .orderBy("name")
      .execute(),
    aliasesOf(read, models),
  ]);
  const tagsAt = groupBy(tags, ({ model, version }) => at(model, version));
  const aliasesAt = groupBy(aliases, ({ model, version }) => at(model, version));
  return rows.map((row) => {
    const key = at(row.model, row.version);
    const pairs: KeyValue[] = (tagsAt.get(key) ?? []).map(({ name, value }) => ({ key: name, value }));
    return {
      name: row.model,
      version: String(row.version),
      creation_timestamp: row.created_ms,
      last_updated_timestamp: row.updated_ms,
      ...(row.registered_by === null ? {} : { user_id: row.registered_by }),
      current_stage: row.stage ?? "None",
      description: row.description ?? "",
      source: row.source ?? downloadUri(row),
      run_id: row.run ?? "",
      status: "READY",
      tags: [...pairs, { key: approvalTag, value: row.approval }],
      ...(row.run_link === null ? {} : { run_link: row.run_link }),
      aliases: (aliasesAt.get(key) ?? []).map(({ alias }) => alias),
      ...(row.logged_model === null ? {} : { model_id: row.logged_model }),
    };
  });
}

/** Where a version's files are read from: they are those that were registered, whatever became of the run's. */
export const downloadUri = ({ model, version }: Pick<VersionRow, "model" | "version">): string =>
  `mlflow-artifacts:/versions/${model}/${version}`;

/** The newest versions of each stage, by version. */
export async function latestVersions(read: Read, models: readonly string[]): Promise<readonly VersionRow[]> {
  if (models.length === 0) return [];
  const newest = await read
    .selectFrom("registry_versions")
    .leftJoin("registry_mlflow_versions", (join) =>
      join
        .onRef("registry_mlflow_versions.model", "=", "registry_versions.model")
        .onRef("registry_mlflow_versions.version", "=", "registry_versions.version"),
    )
    .select(["registry_versions.model", sql<number>`max(registry_versions.version)`.as("newest")])
    .where("registry_versions.deleted_ms", "is", null)
    .where("registry_versions.model", "in", models)
    .groupBy(["registry_versions.model", sql`coalesce(registry_mlflow_versions.stage, 'None')`])
    .execute();
  if (newest.length === 0) return [];
  const wanted = new Set(newest.map((row) => at(row.model, row.newest)));
  const rows = await selectVersions(read)
    .where("registry_versions.model", "in", models)
    .where("registry_versions.version", "in", [...new Set(newest.map((row) => row.newest))])
    .orderBy("registry_versions.version")
    .execute();
  return rows.filter((row) => wanted.has(at(row.model, row.version)));
}

/** `RegisteredModel` of each row, in their order. */
export async function modelAnswers(read: Read, rows: readonly ModelRow[]): Promise<object[]> {
  const names = rows.map(({ name }) => name);
  if (names.length === 0) return [];
  const [tags, aliases, latest] = await Promise.all([
    read
      .selectFrom("registry_model_tags")
      .selectAll()
      .where("model", "in", names)
      .where("version", "=", 0)
      .orderBy("name")
      .execute(),
    aliasesOf(read, names),
    latestVersions(read, names),
  ]);
  const answers = await versionAnswers(read, latest);
  const tagsOf = groupBy(tags, ({ model }) => model);
  const aliasesOfModel = groupBy(aliases, ({ model }) => model);
  return rows.map((row) => {
    const ofModel = answers.filter((_, index) => latest[index]?.model === row.name);
    const pairs = (tagsOf.get(row.name) ?? []).map(({ name, value }) => ({ key: name, value }));
    const named = (aliasesOfModel.get(row.name) ?? []).map(({ alias, version }) => ({
      alias,
      version: String(version),
    }));
    return {
      name: row.name,
      creation_timestamp: row.created_ms,
      last_updated_timestamp: row.updated_ms,
      description: row.description ?? "",
      ...(ofModel.length === 0 ? {} : { latest_versions: ofModel }),
      ...(pairs.length === 0 ? {} : { tags: pairs }),
      ...(named.length === 0 ? {} : { aliases: named }),
    };
  });
}
