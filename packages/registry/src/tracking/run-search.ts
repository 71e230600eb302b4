import type { Database } from "@millwright/storage";
import { queryInvalid } from "../errors.ts";
import { millwrightRuns, mlflowRuns } from "../search/grammar.ts";
import { type SearchOptions, parseSearch } from "../search/search-options.ts";
import { type SearchEffort, readSearchPage } from "../search/search-page.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { Run } from "./run-records.ts";
import { type RunRow, readRuns } from "./run-rows.ts";
import { type SearchView, runSource } from "./run-source.ts";

export interface RunSearchOptions extends SearchOptions {
  /** Names of experiments; one that is not there has no runs. Default: all. */
  readonly experiments?: readonly string[] | undefined;
  /** Default: `active`. */
  readonly view?: SearchView | undefined;
}

export interface RunPage {
  readonly runs: readonly Run[];
  /** For the page after; undefined at the end. */
  readonly nextPageToken?: string | undefined;
}

/** Runs, found. */
export interface RunSearch {
  /**
   * Runs that fulfil a filter, in order; the newest first where nothing else decides. A run that stays as it is comes once in the pages of a
   * query, however many others are written meanwhile. Throws `REGISTRY_QUERY_INVALID` and `REGISTRY_PAGE_TOKEN_INVALID`.
   */
  searchRuns(options?: RunSearchOptions): Promise<RunPage>;
}

export interface FindRunsOptions extends SearchOptions {
  /** Numbers of experiments. Default: all. */
  readonly experiments?: readonly number[] | undefined;
  readonly view: SearchView;
  readonly language: "millwright" | "mlflow";
  readonly effort?: SearchEffort | undefined;
}

export function createRunSearch(database: Database<RegistryTables>): RunSearch {
  return {
    async searchRuns({ experiments, view = "active", ...options } = {}) {
      options.signal?.throwIfAborted();
      checkView(view);
      const numbers = experiments === undefined ? undefined : await numbersOf(database, experiments);
      return findRuns(database, { ...options, experiments: numbers, view, language: "millwright" });
    },
  };
}

/** Searches in either language. */
export async function findRuns(
  { read, dialect }: Database<RegistryTables>,
  { experiments, view, language, effort, ...options }: FindRunsOptions,
): Promise<RunPage> {
  const query = ["runs", view, experiments === undefined ? null : [...experiments]];
  const search = parseSearch(options, language === "mlflow" ? mlflowRuns : millwrightRuns, query);
  const page = await readSearchPage<RunRow>(read, dialect, runSource({ view, experiments, language }), {
    ...search,
    effort,
  });
  return { runs: await readRuns(read, page.rows), nextPageToken: search.tokenOf(page) };
}

export function checkView(view: SearchView): void {
  if (!["active", "deleted", "all"].includes(view))
    throw queryInvalid(`A search looks at "active", "deleted" or "all" records, not ${JSON.stringify(view)}.`);
}

async function numbersOf({ read }: Database<RegistryTables>, names: readonly string[]): Promise<readonly number[]> {
  if (!Array.isArray(names)) throw new TypeError("The experiments of a search are a list of names.");
  if (names.length === 0) return [];
  if (names.length > 1000) throw queryInvalid(`A search looks at 1000 experiments at most, not ${names.length}.`);
  const rows = await read
    .selectFrom("registry_experiments")
    .select("id")
    .where("name", "in", names)
    .orderBy("id")
    .execute();
  return rows.map(({ id }) => id);
}
