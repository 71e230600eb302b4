import {
  type OpenLineageDataset,
  type OpenLineageEvent,
  type OpenLineageEventType,
  type OpenLineageFacets,
  type OpenLineageJob,
  type OpenLineageName,
  type OpenLineageRunEvent,
  isDatasetEvent,
  isRunEvent,
} from "./event-types.ts";
import { openLineageId } from "./names.ts";

/** A run as all its events together tell of it, in whatever order and however often they came. */
export interface ReceivedRun {
  /** A UUID, in lower case. */
  readonly runId: string;
  readonly job: OpenLineageJob;
  /** How it ended, else the last that it was. `OTHER`: no event says. */
  readonly state: OpenLineageEventType;
  /** Of `START`; UTC, milliseconds. */
  readonly startedMs?: number | undefined;
  /** Of `COMPLETE`, `ABORT` or `FAIL`; UTC, milliseconds. */
  readonly endedMs?: number | undefined;
  /** Of the run: each as it was told last. */
  readonly facets: OpenLineageFacets;
  readonly inputs: readonly OpenLineageDataset[];
  readonly outputs: readonly OpenLineageDataset[];
}

const ranks: Readonly<Record<OpenLineageEventType, number>> = {
  START: 0,
  RUNNING: 1,
  OTHER: 2,
  COMPLETE: 3,
  ABORT: 3,
  FAIL: 3,
};

const isEnd = (type: OpenLineageEventType): boolean => ranks[type] === 3;

/** An event with what brings it in order. */
export interface KeyedEvent<Event extends OpenLineageEvent = OpenLineageEvent> {
  readonly key: string;
  readonly event: Event;
}

const typeOf = (event: OpenLineageEvent): OpenLineageEventType =>
  (isRunEvent(event) ? event.eventType : undefined) ?? "OTHER";

/** By when they happened; of one time a start before an end, else by their content. */
function inOrder<Event extends OpenLineageEvent>(events: readonly KeyedEvent<Event>[]): readonly Event[] {
  const keyed = events.map(({ key, event }) => ({ key, event, timeMs: Date.parse(event.eventTime) }));
  const byRank = (a: OpenLineageEvent, b: OpenLineageEvent): number => ranks[typeOf(a)] - ranks[typeOf(b)];
  return keyed
    .toSorted((a, b) => a.timeMs - b.timeMs || byRank(a.event, b.event) || (a.key < b.key ? -1 : 1))
    .map(({ event }) => event);
}

/** Everything that the events of one run say. Undefined without any. */
export function mergeRun(events: readonly KeyedEvent<OpenLineageRunEvent>[]): ReceivedRun | undefined {
  const ordered = inOrder(events);
  const last = ordered.at(-1);
  if (last === undefined) return undefined;
  const timeOf = (wanted: (type: OpenLineageEventType) => boolean): number | undefined => {
    const found = ordered.filter((event) => wanted(typeOf(event))).map(({ eventTime }) => Date.parse(eventTime));
    return found.at(-1);
  };
  const startedMs = timeOf((type) => type === "START");
  const endedMs = timeOf(isEnd);
  const states = ordered.map(typeOf);
  const state = states.findLast(isEnd) ?? states.findLast((type) => type !== "OTHER") ?? "OTHER";
  const facets = ordered.reduce((all, { run }) => mergeFacets(all, run.facets), noFacets);
  const jobFacets = ordered.reduce((all, { job }) => mergeFacets(all, job.facets), noFacets);
  return {
    runId: last.run.runId.toLowerCase(),
    job: { namespace: last.job.namespace, name: last.job.name, facets: jobFacets },
    state,
    ...(startedMs === undefined ? {} : { startedMs }),
    ...(endedMs === undefined ? {} : { endedMs }),
    facets,
    inputs: mergeDatasets(ordered.flatMap(({ inputs }) => inputs ?? [])),
    outputs: mergeDatasets(ordered.flatMap(({ outputs }) => outputs ?? [])),
  };
}

/** Everything that events say about one dataset. Undefined where none names it. */
export function mergeDataset(events: readonly KeyedEvent[], name: OpenLineageName): OpenLineageDataset | undefined {
  const id = openLineageId(name);
  const told = inOrder(events).flatMap((event) =>
    isDatasetEvent(event) ? [event.dataset] : [...(event.inputs ?? []), ...(event.outputs ?? [])],
  );
  return mergeDatasets(told.filter((dataset) => openLineageId(dataset) === id))[0];
}

/** One for each name, in the order in which they are named first. */
function mergeDatasets(datasets: readonly OpenLineageDataset[]): readonly OpenLineageDataset[] {
  const merged = new Map<string, OpenLineageDataset>();
  for (const dataset of datasets) {
    const { namespace, name } = dataset;
    const before = merged.get(openLineageId(dataset));
    const inputFacets = mergeFacets(before?.inputFacets ?? noFacets, dataset.inputFacets);
    const outputFacets = mergeFacets(before?.outputFacets ?? noFacets, dataset.outputFacets);
    merged.set(openLineageId(dataset), {
      namespace,
      name,
      facets: mergeFacets(before?.facets ?? noFacets, dataset.facets),
      ...(Object.keys(inputFacets).length === 0 ? {} : { inputFacets }),
      ...(Object.keys(outputFacets).length === 0 ? {} : { outputFacets }),
    });
  }
  return [...merged.values()];
}

const noFacets: OpenLineageFacets = {};

/** A facet told later takes the place of the earlier one as a whole; one that says `_deleted` takes it away. */
function mergeFacets(before: OpenLineageFacets, told: OpenLineageFacets | undefined): OpenLineageFacets {
  // A map, since a facet may have any name: `__proto__` too.
  const all = new Map(Object.entries(before));
  for (const [name, facet] of Object.entries(told ?? {})) {
    if (facet === null || facet["_deleted"] === true) all.delete(name);
    else all.set(name, facet);
  }
  return Object.fromEntries(all);
}
