import type { Database } from "@millwright/storage";
import { sql } from "@millwright/storage";
import { millwrightModels, millwrightVersions, mlflowModels, mlflowVersions } from "../search/grammar.ts";
import { type SearchOptions, parseSearch } from "../search/search-options.ts";
import { readSearchPage } from "../search/search-page.ts";
import type { NamedRows, SearchSource } from "../search/search-source.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type RegisteredVersion, readVersions } from "./version-records.ts";

/** A registered model. */
export interface ModelRecord {
  readonly name: string;
  readonly description?: string | undefined;
  /** UTC, milliseconds. */
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface ModelPage {
  readonly models: readonly ModelRecord[];
  /** For the page after; undefined at the end. */
  readonly nextPageToken?: string | undefined;
}

export interface VersionPage {
  readonly versions: readonly RegisteredVersion[];
  /** For the page after; undefined at the end. */
  readonly nextPageToken?: string | undefined;
}

/** Models and versions, found. */
export interface ModelSearch {
  /** By `name`, `description`, `creation_timestamp`, `last_updated_timestamp` and tags; by name where nothing else decides. Throws as `searchRuns`. */
  searchModels(options?: SearchOptions): Promise<ModelPage>;
  /**
   * By `name`, `version_number`, `run_id`, `source_path`, `approval`, `digest`, `registered_by`, `description`, both timestamps and tags; the last
   * changed first where nothing else decides. Deleted ones are not found. Throws as `searchRuns`.
   */
  searchVersions(options?: SearchOptions): Promise<VersionPage>;
}

type Language = "millwright" | "mlflow";
type ModelRow = RegistryTables["registry_models"];
type VersionRow = RegistryTables["registry_versions"];

export function createModelSearch(database: Database<RegistryTables>): ModelSearch {
  return {
    searchModels: (options = {}) => findModels(database, options, "millwright"),
    searchVersions: (options = {}) => findVersions(database, options, "millwright"),
  };
}

/** Searches in either language. */
export async function findModels(
  { read, dialect }: Database<RegistryTables>,
  options: SearchOptions,
  language: Language,
): Promise<ModelPage> {
  options.signal?.throwIfAborted();
  const search = parseSearch(options, language === "mlflow" ? mlflowModels : millwrightModels, "models");
  const page = await readSearchPage<ModelRow>(read, dialect, modelSource, search);
  const models = await modelsOf(read, page.rows);
  return { models, nextPageToken: search.tokenOf(page) };
}

/** Searches in either language. */
export async function findVersions(
  { read, dialect }: Database<RegistryTables>,
  options: SearchOptions,
  language: Language,
): Promise<VersionPage> {
  options.signal?.throwIfAborted();
  const search = parseSearch(options, language === "mlflow" ? mlflowVersions : millwrightVersions, "versions");
  const page = await readSearchPage<VersionRow>(read, dialect, versionSource, search);
  return { versions: await readVersions(read, page.rows), nextPageToken: search.tokenOf(page) };
}

/** The models of `rows`, in their order. */
async function modelsOf(
  read: Database<RegistryTables>["read"],
  rows: readonly ModelRow[],
): Promise<readonly ModelRecord[]> {
  const tags = new Map<string, Record<string, string>>();
  for (let start = 0; start < rows.length; start += 500) {
    const names = rows.slice(start, start + 500).map(({ name }) => name);
    const some = read
      .selectFrom("registry_model_tags")
      .selectAll()
      .where("model", "in", names)
      .where("version", "=", 0);
    for (const { model, name, value } of await some.orderBy("name").execute())
      tags.set(model, { ...tags.get(model), [name]: value });
  }
  return rows.map((row) => ({
    name: row.name,
    description: row.description ?? undefined,
    createdMs: row.created_ms,
    updatedMs: row.updated_ms,
    tags: tags.get(row.name) ?? {},
  }));
}

const tagRows = (owner: readonly string[]): NamedRows => ({
  table: "registry_model_tags",
  owner,
  name: "name",
  type: "text",
  value: "value",
});

const ofModel = (column: string) => sql.ref(`registry_models.${column}`);

const modelSource: SearchSource = {
  table: "registry_models",
  // A model's own tags are those of its version 0.
  key: ["name", "zero"],
  keyColumns: { zero: sql`0` },
  select: sql`registry_models.*`,
  where: [],
  attributes: {
    name: { column: ofModel("name"), type: "text", isSelective: true },
    description: { column: ofModel("description"), type: "text", isNullable: true },
    creation_timestamp: { column: ofModel("created_ms"), type: "integer" },
    last_updated_timestamp: { column: ofModel("updated_ms"), type: "integer" },
  },
  rows: { tag: tagRows(["model", "version"]) },
  ties: [{ column: ofModel("name"), type: "text", isDescending: false }],
};

const ofVersion = (column: string) => sql.ref(`registry_versions.${column}`);

const versionSource: SearchSource = {
  table: "registry_versions",
  key: ["model", "version"],
  select: sql`registry_versions.*`,
  where: [sql`registry_versions.deleted_ms is null`],
  attributes: {
    name: { column: ofVersion("model"), type: "text", isSelective: true },
    version_number: { column: ofVersion("version"), type: "integer" },
    run_id: { column: ofVersion("run"), type: "text", isNullable: true },
    source_path: { column: ofVersion("source"), type: "text", isNullable: true },
    description: { column: ofVersion("description"), type: "text", isNullable: true },
    registered_by: { column: ofVersion("registered_by"), type: "text", isNullable: true },
    approval: { column: ofVersion("approval"), type: "text" },
    digest: { column: ofVersion("digest"), type: "text" },
    creation_timestamp: { column: ofVersion("created_ms"), type: "integer" },
    last_updated_timestamp: { column: ofVersion("updated_ms"), type: "integer" },
  },
  rows: { tag: tagRows(["model", "version"]) },
  ties: [
    { column: ofVersion("updated_ms"), type: "integer", isDescending: true },
    { column: ofVersion("model"), type: "text", isDescending: false },
    { column: ofVersion("version"), type: "integer", isDescending: true },
  ],
};
