import { sql } from "@millwright/storage";
import type { Fragment } from "../search/comparison-sql.ts";
import type { SearchSource } from "../search/search-source.ts";
import type { SearchView } from "../tracking/run-source.ts";

const texts = (table: string, ...owner: readonly string[]) =>
  ({ table, owner, name: "name", type: "text", value: "value" }) as const;
const text = (column: string, isNullable = false) => ({ column: sql.ref(column), type: "text", isNullable }) as const;
const integer = (column: string) => ({ column: sql.ref(column), type: "integer" }) as const;

/** Experiments, the newest number first. */
export const experimentSource = (view: SearchView): SearchSource => ({
  table: "registry_experiments",
  key: ["id"],
  select: sql`registry_experiments.*`,
  where:
    view === "all" ? [] : [sql`registry_experiments.deleted_ms ${view === "active" ? sql`is null` : sql`is not null`}`],
  attributes: {
    name: text("registry_experiments.name"),
    experiment_id: integer("registry_experiments.id"),
    creation_time: integer("registry_experiments.created_ms"),
    last_update_time: integer("registry_experiments.updated_ms"),
  },
  rows: { tag: texts("registry_experiment_tags", "experiment") },
  ties: [{ column: sql.ref("registry_experiments.id"), type: "integer", isDescending: true }],
});

/** Registered models, by name. @param where What else they must be. */
export const modelSource = (where: readonly Fragment[]): SearchSource => ({
  table: "registry_models",
  key: ["name"],
  select: sql`registry_models.*`,
  where,
  attributes: {
    name: text("registry_models.name"),
    creation_timestamp: integer("registry_models.created_ms"),
    last_updated_timestamp: integer("registry_models.updated_ms"),
  },
  rows: { tag: texts("registry_model_own_tags", "model") },
  ties: [{ column: sql.ref("registry_models.name"), type: "text", isDescending: false }],
});

const versionColumns =
  "model version digest approval run created_ms updated_ms deleted_ms registered_by description source"
    .split(" ")
    .map((column) => sql.ref(`registry_versions.${column}`));
const saidColumns = ["stage", "run_link", "logged_model"].map((column) =>
  sql.ref(`registry_mlflow_versions.${column}`),
);

/** Versions, those that were changed last first. @param where What else they must be. */
export const versionSource = (where: readonly Fragment[]): SearchSource => ({
  table: "registry_versions",
  key: ["model", "version"],
  select: sql.join([...versionColumns, ...saidColumns]),
  joins: sql`left join registry_mlflow_versions on registry_mlflow_versions.model = registry_versions.model and registry_mlflow_versions.version = registry_versions.version`,
  where: [sql`registry_versions.deleted_ms is null`, ...where],
  attributes: {
    name: text("registry_versions.model"),
    run_id: text("registry_versions.run", true),
    source_path: text("registry_versions.source", true),
    version_number: integer("registry_versions.version"),
    creation_timestamp: integer("registry_versions.created_ms"),
    last_updated_timestamp: integer("registry_versions.updated_ms"),
  },
  rows: { tag: texts("registry_model_tags", "model", "version") },
  ties: [
    { column: sql.ref("registry_versions.updated_ms"), type: "integer", isDescending: true },
    { column: sql.ref("registry_versions.model"), type: "text", isDescending: false },
    { column: sql.ref("registry_versions.version"), type: "integer", isDescending: true },
  ],
});

/** Logged models of some experiments, the newest first. @param where What else they must be. */
export const loggedModelSource = (experiments: readonly number[], where: readonly Fragment[]): SearchSource => ({
  table: "registry_logged_models",
  key: ["id"],
  select: sql`registry_logged_models.*`,
  where: [
    experiments.length === 0 ? sql`1 = 0` : sql`registry_logged_models.experiment in (${sql.join(experiments)})`,
    sql`registry_logged_models.deleted_ms is null`,
    ...where,
  ],
  attributes: {
    name: text("registry_logged_models.name"),
    model_id: text("registry_logged_models.id"),
    model_type: text("registry_logged_models.type", true),
    // As clients show it: READY for LOGGED_MODEL_READY.
    status: { column: sql`replace(registry_logged_models.status, 'LOGGED_MODEL_', '')`, type: "text" },
    source_run_id: text("registry_logged_models.source_run", true),
    creation_timestamp: integer("registry_logged_models.created_ms"),
    last_updated_timestamp: integer("registry_logged_models.updated_ms"),
  },
  rows: {
    tag: texts("registry_logged_model_tags", "model"),
    param: texts("registry_logged_model_params", "model"),
  },
  ties: [
    { column: sql.ref("registry_logged_models.created_ms"), type: "integer", isDescending: true },
    { column: sql.ref("registry_logged_models.id"), type: "text", isDescending: false },
  ],
});
