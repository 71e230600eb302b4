import { sql } from "@millwright/storage";
import type { Fragment } from "../search/comparison-sql.ts";
import type { AttributeColumn, NamedRows, SearchSource } from "../search/search-source.ts";

/** Which records: those that are there, those that were deleted, or both. */
export type SearchView = "active" | "deleted" | "all";

export interface RunSourceOptions {
  readonly view: SearchView;
  /** Numbers of experiments. Default: all. */
  readonly experiments?: readonly number[] | undefined;
  readonly language: "millwright" | "mlflow";
}

const column = (name: string): Fragment => sql.ref(`registry_runs.${name}`);

const metricRows = (value: string, isIndexed: boolean): NamedRows => ({
  table: "registry_series",
  owner: ["run"],
  name: "name",
  type: "double",
  value,
  isIndexed,
});

const lastMetric = metricRows("last_value", true);
const leastMetric = metricRows("min_value", false);
const greatestMetric = metricRows("max_value", false);
const params: NamedRows = {
  table: "registry_params",
  owner: ["run"],
  name: "name",
  type: "param",
  value: "text",
  number: "number",
  isIndexed: true,
};
const paramTexts: NamedRows = { ...params, type: "text", number: undefined };
const tags: NamedRows = {
  table: "registry_run_tags",
  owner: ["run"],
  name: "name",
  type: "text",
  value: "value",
  isIndexed: true,
};
const datasets: NamedRows = {
  table: "registry_run_datasets",
  owner: ["run"],
  type: "text",
  value: { name: "name", digest: "digest", context: "context" },
};

const attributes: Readonly<Record<string, AttributeColumn>> = {
  run_id: { column: column("id"), type: "text", isSelective: true },
  run_name: { column: column("name"), type: "text" },
  user_id: { column: column("started_by"), type: "text", isNullable: true },
  parent_run_id: { column: column("parent"), type: "text", isNullable: true, isSelective: true },
  experiment: { column: sql.ref("registry_experiments.name"), type: "text" },
  notes: { column: column("notes"), type: "text", isNullable: true },
  start_time: { column: column("started_ms"), type: "integer" },
  end_time: { column: column("ended_ms"), type: "integer", isNullable: true },
};

/** Where an MLflow client is told that a run's artifacts lie. */
const artifactUri = sql`(coalesce(registry_experiments.artifact_root, 'mlflow-artifacts:/' || cast(registry_experiments.id as text)) || '/' || registry_runs.id || '/artifacts')`;

/** Runs, to be searched; of each the row and `experiment`, the name of its experiment. */
export function runSource({ view, experiments, language }: RunSourceOptions): SearchSource {
  const isMlflow = language === "mlflow";
  const within = experiments === undefined ? undefined : withinSql(experiments);
  const where = [sql`registry_experiments.id = registry_runs.experiment_id`];
  if (within !== undefined) where.push(within);
  if (view !== "all") where.push(sql`registry_runs.deleted_ms ${view === "active" ? sql`is null` : sql`is not null`}`);
  const status = isMlflow ? sql`upper(registry_runs.status)` : column("status");
  return {
    table: "registry_runs",
    key: ["id"],
    select: sql`registry_runs.*, registry_experiments.name as experiment`,
    joins: sql`cross join registry_experiments`,
    where,
    few: within === undefined ? undefined : sql`select 1 from registry_runs where ${within}`,
    attributes: {
      ...attributes,
      status: { column: status, type: "text" },
      artifact_uri: { column: artifactUri, type: "text" },
    },
    rows: {
      metric: lastMetric,
      min_metric: leastMetric,
      max_metric: greatestMetric,
      param: isMlflow ? paramTexts : params,
      tag: tags,
      dataset: datasets,
    },
    isWalkable: true,
    ties: [
      { column: column("started_ms"), type: "integer", isDescending: true },
      { column: column("id"), type: "text", isDescending: !isMlflow },
    ],
  };
}

const withinSql = (experiments: readonly number[]): Fragment =>
  experiments.length === 0 ? sql`1 = 0` : sql`registry_runs.experiment_id in (${sql.join(experiments)})`;
