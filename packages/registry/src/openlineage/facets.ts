import type { OpenLineageFacet } from "./event-types.ts";

/** Versions of OpenLineage's own facets that are written here, by the names of their definitions. */
const versions = {
  ColumnLineageDatasetFacet: "1-2-0",
  DatasetTypeDatasetFacet: "1-0-1",
  DatasetVersionDatasetFacet: "1-0-1",
  DatasourceDatasetFacet: "1-0-1",
  DocumentationDatasetFacet: "1-1-0",
  ErrorMessageRunFacet: "1-0-1",
  InputStatisticsInputDatasetFacet: "1-0-0",
  JobTypeJobFacet: "2-0-4",
  LifecycleStateChangeDatasetFacet: "1-0-1",
  NominalTimeRunFacet: "1-0-1",
  OutputStatisticsOutputDatasetFacet: "1-0-2",
  ParentRunFacet: "1-2-0",
  ProcessingEngineRunFacet: "1-1-1",
  SchemaDatasetFacet: "1-2-0",
  TagsDatasetFacet: "1-0-0",
  TagsJobFacet: "1-0-0",
  TagsRunFacet: "1-0-0",
} as const;

export type FacetKind = keyof typeof versions;

/** Facets of our own; their schemas are in this package, in the file beside this one that the address ends with. */
export type OwnFacetKind = "MillwrightEventFacet" | "MillwrightEntityDatasetFacet" | "MillwrightRunFacet";

const ownSchemas = "https://unpkg.com/@millwright/registry/src/openlineage/millwright-facets-1-0-0.json";

/** Makes facets of one producer. */
export interface FacetMaker {
  (kind: FacetKind | OwnFacetKind, content: Readonly<Record<string, unknown>>): OpenLineageFacet;
}

export const facetsBy =
  (producer: string): FacetMaker =>
  (kind, content) => ({ _producer: producer, _schemaURL: urlOf(kind), ...defined(content) });

const urlOf = (kind: FacetKind | OwnFacetKind): string =>
  kind in versions
    ? `https://openlineage.io/spec/facets/${versions[kind as FacetKind]}/${kind}.json#/$defs/${kind}`
    : `${ownSchemas}#/$defs/${kind}`;

const defined = (content: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(content).filter(([, value]) => value !== undefined));

/** Only those that are there; undefined where none is. */
export function facetsOf(
  all: Readonly<Record<string, OpenLineageFacet | undefined>>,
): Readonly<Record<string, OpenLineageFacet>> | undefined {
  const there = Object.entries(all).filter((entry): entry is [string, OpenLineageFacet] => entry[1] !== undefined);
  return there.length === 0 ? undefined : Object.fromEntries(there);
}
