import type { EntityReference, JsonValue, MillwrightEvent } from "@millwright/contracts";
import type { DescribedVersion } from "../models/version-records.ts";
import type { Run, RunDataset } from "../tracking/run-records.ts";
import type { OpenLineageDataset, OpenLineageFacet, OpenLineageName } from "./event-types.ts";
import { type FacetMaker, facetsOf } from "./facets.ts";
import { datasetNameOf } from "./names.ts";

/** What the registry knows beside the event. */
export interface EventFacts {
  /** The run that the event is about. */
  readonly run?: Run | undefined;
  /** The run above it. */
  readonly parent?: Run | undefined;
  /** Versions that the event names, by their names such as `late/3`. */
  readonly versions?: ReadonlyMap<string, DescribedVersion> | undefined;
}

export interface DatasetTelling {
  readonly event: MillwrightEvent;
  readonly facts: EventFacts;
  /** Of what has no name of its own elsewhere. */
  readonly namespace: string;
  readonly facet: FacetMaker;
}

const folders: Partial<Record<EntityReference["kind"], string>> = {
  dataset: "datasets",
  model: "models",
  artifact: "artifacts",
  code: "code",
  "feature-view": "feature-views",
  "feature-service": "feature-services",
};

/** Whether OpenLineage's datasets include the kind of thing. */
export const isData = ({ kind }: EntityReference): boolean => folders[kind] !== undefined;

/** What an entity is called, wherever it is named: by its content where only that tells it from others. */
export function nameOf(entity: EntityReference, { facts, namespace }: DatasetTelling): OpenLineageName {
  const logged = loggedAs(entity, facts);
  const elsewhere = entity.kind === "dataset" ? datasetNameOf(sourceOf(logged) ?? "") : undefined;
  // A package names its data by what it was for; the run that read it, by what it is.
  const known = facts.run?.from.find(({ kind, id }) => kind === entity.kind && id === entity.id) ?? entity;
  const name = entity.kind === "dataset" ? (logged?.name ?? known.name) : entity.name;
  return elsewhere ?? { namespace, name: `${folders[entity.kind] ?? entity.kind}/${calledBy({ ...entity, name })}` };
}

const calledBy = ({ kind, id, name }: EntityReference): string => {
  if (name === undefined || kind === "artifact" || kind === "code") return id;
  return kind === "model" ? (name.split("/")[0] as string) : name;
};

/** Which of the name's versions it is: of a model its number, of all else its id. */
const versionOf = ({ kind, id, name }: EntityReference): string =>
  kind === "model" && name !== undefined ? name.slice(name.indexOf("/") + 1) : id;

const loggedAs = ({ id }: EntityReference, { run }: EventFacts): RunDataset | undefined =>
  run?.datasets.find(({ digest }) => digest === id);

/** Where a dataset lies: an address, or JSON with one as `uri`, `url` or `path`. */
function sourceOf(logged: RunDataset | undefined): string | undefined {
  if (logged === undefined) return undefined;
  const told = parsed(logged.source);
  if (!isRecord(told)) return logged.source;
  for (const key of ["uri", "url", "path"]) if (typeof told[key] === "string") return told[key];
  return undefined;
}

/** An entity as a dataset that was read. */
export function inputOf(entity: EntityReference, telling: DatasetTelling): OpenLineageDataset {
  const rows = rowsRead(entity, telling);
  const inputFacets = facetsOf({
    inputStatistics:
      rows === undefined ? undefined : telling.facet("InputStatisticsInputDatasetFacet", { rowCount: rows }),
  });
  return { ...datasetOf(entity, telling), ...(inputFacets === undefined ? {} : { inputFacets }) };
}

/** An entity as a dataset that was written. */
export function outputOf(entity: EntityReference, telling: DatasetTelling): OpenLineageDataset {
  const { event, facts, facet } = telling;
  const file = facts.run?.artifacts.find(({ digest, path }) => digest === entity.id && path === entity.name);
  const statistics =
    entity.kind === "artifact" && file !== undefined
      ? { size: file.sizeBytes, fileCount: 1 }
      : event.type === "feature.materialized" && isCount(event.data["keptRows"])
        ? { rowCount: event.data["keptRows"] }
        : undefined;
  const outputFacets = facetsOf({
    outputStatistics: statistics === undefined ? undefined : facet("OutputStatisticsOutputDatasetFacet", statistics),
  });
  const dataset = datasetOf(entity, telling);
  const facets = { ...dataset.facets, ...facetsOf({ columnLineage: columnLineageOf(entity, telling) }) };
  return { ...dataset, facets, ...(outputFacets === undefined ? {} : { outputFacets }) };
}

/** An entity as a dataset. */
export function datasetOf(entity: EntityReference, telling: DatasetTelling): OpenLineageDataset {
  const { event, facts, facet } = telling;
  const named = entity.name === undefined ? undefined : facts.versions?.get(entity.name);
  // Another registry may have a version of this name.
  const version = named?.digest === entity.id ? named : undefined;
  const source = entity.kind === "dataset" ? sourceOf(loggedAs(entity, facts)) : undefined;
  const tags = Object.entries(version?.tags ?? {}).map(([key, value]) => ({ key, value, source: "USER" }));
  const fields = fieldsOf(entity, telling);
  const change = lifecycleOf(entity, event);
  const facets = facetsOf({
    millwright_entity: facet("MillwrightEntityDatasetFacet", { ...entity }),
    version: facet("DatasetVersionDatasetFacet", { datasetVersion: versionOf(entity) }),
    datasetType: facet("DatasetTypeDatasetFacet", { datasetType: entity.kind.toUpperCase().replace("-", "_") }),
    schema: fields === undefined ? undefined : facet("SchemaDatasetFacet", { fields }),
    dataSource:
      source === undefined || !URL.canParse(source)
        ? undefined
        : facet("DatasourceDatasetFacet", { name: loggedAs(entity, facts)?.name, uri: source }),
    documentation:
      version?.description === undefined
        ? undefined
        : facet("DocumentationDatasetFacet", { description: version.description }),
    tags: tags.length === 0 ? undefined : facet("TagsDatasetFacet", { tags }),
    lifecycleStateChange:
      change === undefined ? undefined : facet("LifecycleStateChangeDatasetFacet", { lifecycleStateChange: change }),
  });
  return { ...nameOf(entity, telling), ...(facets === undefined ? {} : { facets }) };
}

function lifecycleOf(entity: EntityReference, { type, data }: MillwrightEvent): "CREATE" | "DROP" | undefined {
  if (entity.kind !== "model" || entity.id !== (data.made?.[0]?.id ?? data["digest"])) return undefined;
  return type === "model.registered" ? "CREATE" : type === "model.deleted" ? "DROP" : undefined;
}

interface Field {
  readonly name: string;
  readonly type?: string;
}

/** Columns: of a view those it reads, of a service its features, of a dataset what was logged with it. */
function fieldsOf(entity: EntityReference, { event, facts }: DatasetTelling): readonly Field[] | undefined {
  const { data } = event;
  if (entity.id === data["digest"] && isRecord(data["features"]))
    return Object.keys(data["features"]).map((name) => ({ name }));
  const logged = entity.kind === "dataset" ? parsed(loggedAs(entity, facts)?.schema) : undefined;
  const columns = isRecord(logged) ? (logged["mlflow_colspec"] ?? logged["fields"] ?? logged["columns"]) : logged;
  if (!Array.isArray(columns)) return undefined;
  const fields = columns.flatMap((column: JsonValue): Field[] => {
    if (!isRecord(column) || typeof column["name"] !== "string") return [];
    const { name, type } = column;
    return [{ name, ...(typeof type === "string" ? { type } : {}) }];
  });
  return fields.length === 0 ? undefined : fields;
}

/** What each feature is made of: of a service features of views, of a view columns of its source, which has the view's name. */
function columnLineageOf(entity: EntityReference, telling: DatasetTelling): OpenLineageFacet | undefined {
  const { event, namespace, facet } = telling;
  const { data, type } = event;
  if (entity.id !== data["digest"] || !isRecord(data["features"])) return undefined;
  const isService = type === "feature.service-applied";
  const source = { namespace, name: `feature-sources/${event.subject ?? ""}` };
  const field = (from: unknown, kind: "DIRECT" | "INDIRECT"): object => {
    const transformations = [{ type: kind }];
    if (!isService) return { ...source, field: String(from), transformations };
    const [view, name] = from as readonly [string, string];
    return { namespace, name: `feature-views/${view}`, field: name, transformations };
  };
  const fields = Object.entries(data["features"]).map(([name, from]) => [
    name,
    { inputFields: (Array.isArray(from) ? (from as readonly unknown[]) : []).map((each) => field(each, "DIRECT")) },
  ]);
  const ofRows = Array.isArray(data["rowColumns"])
    ? (data["rowColumns"] as readonly unknown[]).map((each) => field(each, "INDIRECT"))
    : undefined;
  return facet("ColumnLineageDatasetFacet", { fields: Object.fromEntries(fields), dataset: ofRows });
}

/** Rows of a batch, or of a dataset whose profile says how many it has. */
function rowsRead(entity: EntityReference, { event, facts }: DatasetTelling): number | undefined {
  const { data, type } = event;
  if (type === "feature.ingested" && isCount(data["rows"])) return data["rows"];
  const profile = entity.kind === "dataset" ? parsed(loggedAs(entity, facts)?.profile) : undefined;
  const rows = isRecord(profile) ? profile["num_rows"] : undefined;
  return isCount(rows) ? rows : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** JSON that somebody wrote; undefined where it is none. */
function parsed(text: string | undefined): JsonValue | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
