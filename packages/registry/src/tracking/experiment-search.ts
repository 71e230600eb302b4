import type { Database } from "@millwright/storage";
import { sql } from "@millwright/storage";
import { millwrightExperiments, mlflowExperiments } from "../search/grammar.ts";
import { type SearchOptions, parseSearch } from "../search/search-options.ts";
import { readSearchPage } from "../search/search-page.ts";
import type { SearchSource } from "../search/search-source.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type ExperimentRecord, experimentsOf } from "./experiments.ts";
import { checkView } from "./run-search.ts";
import type { SearchView } from "./run-source.ts";

export interface ExperimentSearchOptions extends SearchOptions {
  /** Default: `active`. */
  readonly view?: SearchView | undefined;
}

export interface ExperimentPage {
  readonly experiments: readonly ExperimentRecord[];
  /** For the page after; undefined at the end. */
  readonly nextPageToken?: string | undefined;
}

/** Experiments, found. */
export interface ExperimentSearch {
  /** By `name`, `creation_time`, `last_update_time`, `experiment_id` and tags; the newest first where nothing else decides. Throws as `searchRuns`. */
  searchExperiments(options?: ExperimentSearchOptions): Promise<ExperimentPage>;
}

type ExperimentRow = RegistryTables["registry_experiments"];

export function createExperimentSearch(database: Database<RegistryTables>): ExperimentSearch {
  return {
    searchExperiments: ({ view = "active", ...options } = {}) =>
      findExperiments(database, { ...options, view, language: "millwright" }),
  };
}

/** Searches in either language. */
export async function findExperiments(
  { read, dialect }: Database<RegistryTables>,
  {
    view,
    language,
    ...options
  }: SearchOptions & { readonly view: SearchView; readonly language: "millwright" | "mlflow" },
): Promise<ExperimentPage> {
  options.signal?.throwIfAborted();
  checkView(view);
  const search = parseSearch(options, language === "mlflow" ? mlflowExperiments : millwrightExperiments, [
    "experiments",
    view,
  ]);
  const page = await readSearchPage<ExperimentRow>(read, dialect, experimentSource(view), search);
  return { experiments: await experimentsOf(read, page.rows), nextPageToken: search.tokenOf(page) };
}

const id = sql.ref("registry_experiments.id");

const experimentSource = (view: SearchView): SearchSource => ({
  table: "registry_experiments",
  key: ["id"],
  select: sql`registry_experiments.*`,
  where:
    view === "all" ? [] : [sql`registry_experiments.deleted_ms ${view === "active" ? sql`is null` : sql`is not null`}`],
  attributes: {
    name: { column: sql.ref("registry_experiments.name"), type: "text", isSelective: true },
    experiment_id: { column: id, type: "integer" },
    creation_time: { column: sql.ref("registry_experiments.created_ms"), type: "integer" },
    last_update_time: { column: sql.ref("registry_experiments.updated_ms"), type: "integer" },
  },
  rows: {
    tag: {
      table: "registry_experiment_tags",
      owner: ["experiment"],
      name: "name",
      type: "text",
      value: "value",
    },
  },
  ties: [{ column: id, type: "integer", isDescending: true }],
});
