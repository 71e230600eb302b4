import { type MillwrightEvent, digestOfJson } from "@millwright/contracts";
import type { LineageReference, SaidEvent, Statement } from "../lineage/lineage-types.ts";
import {
  type OpenLineageDataset,
  type OpenLineageEvent,
  type OpenLineageName,
  type OpenLineageRunEvent,
  isDatasetEvent,
  isRunEvent,
} from "./event-types.ts";
import { isUuid, openLineageColumnId, openLineageId } from "./names.ts";
import { checkEntity, parseToldEvent } from "./parse-event.ts";

/** What an event of OpenLineage says of lineage, as an event of a log would say it. */
export interface ReadEvent {
  /** The digest of its content: the same event has the same, whoever brings it. */
  readonly key: string;
  /** What it is about, for lists of events. */
  readonly subject: string;
  readonly runId?: string | undefined;
  readonly job?: OpenLineageName | undefined;
  /** UTC, milliseconds. */
  readonly timeMs: number;
  /** Ids of the datasets that it names, as `openLineageId` gives them. */
  readonly datasets: readonly string[];
  /** The event that lineage is read off; of ours the very one that was told. */
  readonly told: SaidEvent;
}

const typeOf: Readonly<Record<string, MillwrightEvent["type"]>> = {
  START: "run.started",
  RUNNING: "run.updated",
  COMPLETE: "run.finished",
  ABORT: "run.killed",
  FAIL: "run.failed",
  OTHER: "run.updated",
};

/** @param event As `parseOpenLineageEvent` gives it. Throws `REGISTRY_OPENLINEAGE_INVALID` where a facet of ours is not as we write it. */
export function readEvent(event: OpenLineageEvent): ReadEvent {
  const key = digestOfJson(event);
  const timeMs = Date.parse(event.eventTime);
  const time = new Date(timeMs).toISOString();
  const datasets = datasetsOf(event);
  const ours = ourEvent(event);
  const common = { key, timeMs, datasets: [...new Set(datasets.map(openLineageId))] };
  const tell = (type: MillwrightEvent["type"], statements: readonly Statement[]): SaidEvent =>
    ours ?? { id: key, type, time, data: { statements } };
  if (isDatasetEvent(event)) {
    const id = openLineageId(event.dataset);
    const told = tell("job.dataset-described", describing(event.dataset, key));
    return { ...common, subject: `dataset/${id}`, told };
  }
  const job = { namespace: event.job.namespace, name: event.job.name };
  if (!isRunEvent(event)) {
    const told = tell("job.described", passing(jobReference(job), event.inputs ?? [], event.outputs ?? []));
    return { ...common, subject: `job/${openLineageId(job)}`, job, told };
  }
  const runId = event.run.runId.toLowerCase();
  const type = typeOf[event.eventType ?? "OTHER"] ?? "run.updated";
  return { ...common, subject: `run/${runId}`, runId, job, told: tell(type, ofRun(event, runId)) };
}

/** Every dataset that an event has facets of. */
export function datasetsOf(event: OpenLineageEvent): readonly OpenLineageDataset[] {
  return isDatasetEvent(event) ? [event.dataset] : [...(event.inputs ?? []), ...(event.outputs ?? [])];
}

function ourEvent(event: OpenLineageEvent): SaidEvent | undefined {
  const [holder, path] = isDatasetEvent(event)
    ? [event.dataset, "dataset"]
    : isRunEvent(event)
      ? [event.run, "run"]
      : [event.job, "job"];
  const facet = holder.facets?.["millwright_event"];
  return facet === undefined || facet === null ? undefined : parseToldEvent(facet, `${path}.facets.millwright_event`);
}

function ofRun(event: OpenLineageRunEvent, runId: string): Statement[] {
  const { job, inputs = [], outputs = [] } = event;
  const run: LineageReference = { kind: "run", id: runId, name: job.name };
  const parents = parentsOf(event).filter(({ id }) => id !== runId);
  return [
    { made: run, from: jobReference(job), association: "AssociatedWith" },
    ...parents.map((parent): Statement => ({ made: run, from: parent, association: "AssociatedWith" })),
    ...passing(run, inputs, outputs),
  ];
}

/** The run that started this one, and the one at the root of all. */
function parentsOf({ run }: OpenLineageRunEvent): LineageReference[] {
  const parent = fieldsOf(run.facets?.["parent"]);
  const root = fieldsOf(parent["root"]);
  const found = [parent, root].flatMap((each): LineageReference[] => {
    const { runId } = fieldsOf(each["run"]);
    const { name } = fieldsOf(each["job"]);
    if (typeof runId !== "string" || !isUuid(runId)) return [];
    return [{ kind: "run", id: runId.toLowerCase(), ...(isText(name) ? { name } : {}) }];
  });
  return found.filter(({ id }, index) => found.findIndex((each) => each.id === id) === index);
}

/** What goes into a run or job, and what comes out. */
function passing(
  work: LineageReference,
  inputs: readonly OpenLineageDataset[],
  outputs: readonly OpenLineageDataset[],
): Statement[] {
  const read = inputs.flatMap((dataset) => [
    ...[entityOf(dataset), ...versionOf(dataset)].map((from): Statement => ({
      made: work,
      from,
      association: "ContributedTo",
    })),
    ...aboutDataset(dataset),
  ]);
  const written = outputs.flatMap((dataset) => [
    ...[entityOf(dataset), ...versionOf(dataset)].map((made): Statement => ({
      made,
      from: work,
      association: "Produced",
    })),
    ...aboutDataset(dataset),
  ]);
  return [...read, ...written];
}

/** What an event says that is about a dataset alone: no entity stands without an edge. */
function describing(dataset: OpenLineageDataset, key: string): Statement[] {
  const action: LineageReference = { kind: "action", id: key, name: "job.dataset-described" };
  const about = aboutDataset(dataset);
  return [{ made: entityOf(dataset), from: action, association: "AssociatedWith" }, ...about];
}

/** Its columns, its other names, and what it was called before. */
function aboutDataset(dataset: OpenLineageDataset): Statement[] {
  const entity = entityOf(dataset);
  const others = listOf(fieldsOf(dataset.facets?.["symlinks"])["identifiers"]).flatMap(namesIn);
  const versions = versionOf(dataset);
  const before = namesIn(fieldsOf(dataset.facets?.["lifecycleStateChange"])["previousIdentifier"]);
  return [
    ...others.map((name): Statement => ({ made: reference(name), from: entity, association: "SameAs" })),
    ...versions.map((version): Statement => ({ made: version, from: entity, association: "AssociatedWith" })),
    ...before.map((name): Statement => ({ made: entity, from: reference(name), association: "DerivedFrom" })),
    ...columnsOf(dataset, entity),
  ];
}

/** Each column of a dataset from those it is computed from; columns that decide about whole rows from the dataset. */
function columnsOf(dataset: OpenLineageDataset, entity: LineageReference): Statement[] {
  const facet = fieldsOf(dataset.facets?.["columnLineage"]);
  const byColumn = Object.entries(fieldsOf(facet["fields"])).flatMap(([name, value]) => {
    const column = columnReference(dataset, name);
    const sources = listOf(fieldsOf(value)["inputFields"]).flatMap((each) => {
      const { field, transformations } = fieldsOf(each);
      const isIndirect =
        listOf(transformations).length > 0 &&
        listOf(transformations).every((one) => String(fieldsOf(one)["type"]).toUpperCase() === "INDIRECT");
      return namesIn(each).flatMap((from): Statement[] =>
        isText(field)
          ? [
              {
                made: column,
                from: columnReference(from, field),
                association: isIndirect ? "ContributedTo" : "DerivedFrom",
              },
            ]
          : [],
      );
    });
    return [...sources, { made: column, from: entity, association: "AssociatedWith" } as const];
  });
  const ofRows = listOf(facet["dataset"]).flatMap((each) => {
    const { field } = fieldsOf(each);
    return namesIn(each).flatMap((from): Statement[] =>
      isText(field) ? [{ made: entity, from: columnReference(from, field), association: "ContributedTo" }] : [],
    );
  });
  return [...byColumn, ...ofRows];
}

const reference = (name: OpenLineageName): LineageReference => ({
  kind: "dataset",
  id: openLineageId(name),
  name: name.name,
});

const jobReference = (job: OpenLineageName): LineageReference => ({
  kind: "job",
  id: openLineageId(job),
  name: job.name,
});

const columnReference = (dataset: OpenLineageName, column: string): LineageReference => ({
  kind: "column",
  id: openLineageColumnId(dataset, column),
  name: `${dataset.name}.${column}`,
});

/** What we know a dataset as, where somebody passes on what we told; else its names. */
function entityOf(dataset: OpenLineageDataset): LineageReference {
  const facet: unknown = dataset.facets?.["millwright_entity"];
  if (facet === undefined || facet === null) return reference(dataset);
  checkEntity(facet, "millwright_entity");
  const { kind, id, name } = facet as unknown as LineageReference;
  return { kind, id, ...(name === undefined ? {} : { name }) };
}

/** The content that a dataset has at this version, where the version is a digest. */
function versionOf(dataset: OpenLineageDataset): LineageReference[] {
  const { datasetVersion } = fieldsOf(dataset.facets?.["version"]);
  if (typeof datasetVersion !== "string" || !/^sha256:[0-9a-f]{64}$/.test(datasetVersion)) return [];
  return entityOf(dataset).id === datasetVersion ? [] : [{ kind: "dataset", id: datasetVersion, name: dataset.name }];
}

function namesIn(value: unknown): OpenLineageName[] {
  const { namespace, name } = fieldsOf(value);
  return isText(namespace) && isText(name) ? [{ namespace, name }] : [];
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

/** Facets of others may be anything: what is not as it should be is as good as not there. */
const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : []);
