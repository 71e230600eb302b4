/** Some facts about a run, a job or a dataset, by one schema. */
export interface OpenLineageFacet {
  /** Whose facts they are: a URI. */
  readonly _producer: string;
  /** Where the facet's schema is. */
  readonly _schemaURL: string;
  readonly [name: string]: unknown;
}

/** By the facets' names. */
export type OpenLineageFacets = Readonly<Record<string, OpenLineageFacet>>;

/** Namespace and name: what identifies a job or a dataset for everybody who speaks OpenLineage. */
export interface OpenLineageName {
  readonly namespace: string;
  readonly name: string;
}

export interface OpenLineageDataset extends OpenLineageName {
  readonly facets?: OpenLineageFacets | undefined;
  /** Only of inputs. */
  readonly inputFacets?: OpenLineageFacets | undefined;
  /** Only of outputs. */
  readonly outputFacets?: OpenLineageFacets | undefined;
}

export interface OpenLineageJob extends OpenLineageName {
  readonly facets?: OpenLineageFacets | undefined;
}

export interface OpenLineageRun {
  /** A UUID. */
  readonly runId: string;
  readonly facets?: OpenLineageFacets | undefined;
}

/** What a run has come to. `OTHER` tells more of it and changes nothing of that. */
export type OpenLineageEventType = "START" | "RUNNING" | "COMPLETE" | "ABORT" | "FAIL" | "OTHER";

interface Told {
  /** RFC 3339 with a zone. */
  readonly eventTime: string;
  /** Who tells: a URI. */
  readonly producer: string;
  readonly schemaURL: string;
}

/** Something that happened to a run of a job. */
export interface OpenLineageRunEvent extends Told {
  readonly eventType?: OpenLineageEventType | undefined;
  readonly run: OpenLineageRun;
  readonly job: OpenLineageJob;
  readonly inputs?: readonly OpenLineageDataset[] | undefined;
  readonly outputs?: readonly OpenLineageDataset[] | undefined;
}

/** What a job is, without any run of it. */
export interface OpenLineageJobEvent extends Told {
  readonly job: OpenLineageJob;
  readonly inputs?: readonly OpenLineageDataset[] | undefined;
  readonly outputs?: readonly OpenLineageDataset[] | undefined;
}

/** What a dataset is, without anything that reads or writes it. */
export interface OpenLineageDatasetEvent extends Told {
  readonly dataset: OpenLineageDataset;
}

/**
 * An event of OpenLineage 2.0.2.
 * @see https://openlineage.io/spec/2-0-2/OpenLineage.json
 */
export type OpenLineageEvent = OpenLineageRunEvent | OpenLineageJobEvent | OpenLineageDatasetEvent;

export const isRunEvent = (event: OpenLineageEvent): event is OpenLineageRunEvent => "run" in event;

export const isDatasetEvent = (event: OpenLineageEvent): event is OpenLineageDatasetEvent => "dataset" in event;

/** Where the definition of a kind of events is. */
export const schemaOf = (kind: "RunEvent" | "JobEvent" | "DatasetEvent"): string =>
  `https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/${kind}`;
