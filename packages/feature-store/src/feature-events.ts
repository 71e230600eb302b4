import {
  type CallOptions,
  createNewestEvents,
  type EntityReference,
  type EventDraft,
  type EventLog,
  type MillwrightEvent,
} from "@millwright/contracts";
import { digestOf, featureName, viewDigest, type FeatureView } from "./definition/definition.ts";
import type { FeatureService } from "./definition/service-definition.ts";
import { sourceSchema } from "./definition/source-columns.ts";
import type { HistoryBatch } from "./history/history-log.ts";
import type { IngestResult } from "./ingestion/ingest.ts";
import type { MaterializeResult } from "./online/online.ts";

/** Tells an event log what happened to views; each event is caused by the one before about the same view. Throws what the log throws. */
export interface FeatureEvents {
  /** Tells that the view is defined so, unless that was told last. */
  applied(view: FeatureView, options?: CallOptions): Promise<void>;
  /** Tells that the service is defined so, unless that was told last. */
  serviceApplied(service: FeatureService, options?: CallOptions): Promise<void>;
  /** Tells of a batch, unless it was told: a crash may have come between the batch and its event. */
  ingested(view: FeatureView, result: IngestResult, options?: CallOptions): Promise<void>;
  materialized(view: FeatureView, done: Materialized, options?: CallOptions): Promise<void>;
}

export interface Materialized extends MaterializeResult {
  /** What the history held. */
  readonly history: readonly HistoryBatch[];
}

const source = "millwright/feature-store";

/** The store's words for what it asks the log about. */
const viewKey = (view: string): string => JSON.stringify([view]);
const serviceKey = (service: string): string => JSON.stringify([service, "service"]);
const appliedKey = (view: string): string => JSON.stringify([view, "applied"]);
const definitionKey = (view: string, digest: unknown): string => JSON.stringify([view, "applied", digest]);
const batchKey = (view: string, batchId: unknown, digest: unknown): string =>
  JSON.stringify([view, "batch", batchId, digest]);

function subjectsOf({ source: from, type, subject: view, data }: MillwrightEvent): readonly string[] {
  if (from !== source || view === undefined) return [];
  if (type === "feature.service-applied") return [serviceKey(view), definitionKey(serviceKey(view), data["digest"])];
  if (type === "feature.view-applied") return [viewKey(view), appliedKey(view), definitionKey(view, data["digest"])];
  if (type === "feature.ingested") return [viewKey(view), batchKey(view, data["batchId"], data["digest"])];
  return [viewKey(view)];
}

/** @param log Without one nobody is told. */
export function createFeatureEvents(log: EventLog | undefined): FeatureEvents {
  if (log === undefined) {
    const untold = async (): Promise<void> => {};
    return { applied: untold, serviceApplied: untold, ingested: untold, materialized: untold };
  }
  const newest = createNewestEvents(log, { types: ["feature.*"], subjectsOf });
  let turn: Promise<void> = Promise.resolve();
  /** One at a time: what is told depends on what was. */
  const alone = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };
  const append = async (event: Omit<EventDraft, "source">, cause: string, options?: CallOptions): Promise<void> => {
    const causationid = await newest.find(cause, options);
    await log.append([{ source, ...event, ...(causationid === undefined ? {} : { causationid }) }], options);
  };
  const tell = (event: Omit<EventDraft, "source" | "subject">, view: string, options?: CallOptions): Promise<void> =>
    append({ ...event, subject: view }, viewKey(view), options);
  return {
    applied: (view, options) =>
      alone(async () => {
        const { id: name } = view;
        const digest = viewDigest(view);
        const told = await newest.find(definitionKey(name, digest), options);
        // A definition that was left and is taken up again is applied anew.
        if (told !== undefined && told === (await newest.find(appliedKey(name), options))) return;
        const data = { digest, ...columnsOf(view), made: [referenceTo(view)] };
        await tell({ type: "feature.view-applied", data }, name, options);
      }),
    serviceApplied: ({ id, digest, ...service }, options) =>
      alone(async () => {
        const told = await newest.find(definitionKey(serviceKey(id), digest), options);
        if (told !== undefined && told === (await newest.find(serviceKey(id), options))) return;
        const made: EntityReference = { kind: "feature-service", id: digest, name: id };
        const data = { digest, features: sourcesOf(service), made: [made], from: service.views.map(referenceTo) };
        await append({ type: "feature.service-applied", subject: id, data }, serviceKey(id), options);
      }),
    ingested: (view, { batchId, digest, rows, skippedRows }, options) =>
      alone(async () => {
        const { id: name } = view;
        if ((await newest.find(batchKey(name, batchId, digest), options)) !== undefined) return;
        const from: EntityReference = { kind: "dataset", id: digest, name: batchId };
        const data = { batchId, digest, rows, skippedRows, made: [referenceTo(view)], from: [from] };
        await tell({ type: "feature.ingested", data }, name, options);
      }),
    materialized: (view, { upToMs, rows, keptRows, history: held }, options) =>
      alone(async () => {
        const { id: name } = view;
        const history = digestOf(held.map(({ number, digest }) => [number, digest]));
        const id = digestOf({ view: viewDigest(view), history, upToMs });
        const made: EntityReference = { kind: "artifact", id, name: `${name}/online` };
        const data = { upToMs, rows, keptRows, history, made: [made], from: [referenceTo(view)] };
        await tell({ type: "feature.materialized", data }, name, options);
      }),
  };
}

/** The columns that the view reads, those that every feature depends on, and those that each is made of beside them. */
function columnsOf(view: FeatureView): object {
  const columns = sourceSchema(view).map(({ name }) => name);
  const own = new Set([...Object.keys(view.features), ...Object.keys(view.inputs)]);
  const features = [
    ...Object.keys(view.features).map((name) => [name, [name]] as const),
    ...Object.entries(view.aggregates).map(([name, { input }]) => {
      const inputs = [...(input === undefined ? [] : [input]), ...view.eventId];
      return [name, [...new Set(inputs)]] as const;
    }),
  ];
  return { columns, rowColumns: columns.filter((name) => !own.has(name)), features: Object.fromEntries(features) };
}

/** The views' features that each feature of the service is made of, as `[view, feature]`. */
function sourcesOf({ views, onDemand }: Pick<FeatureService, "views" | "onDemand">): object {
  const stored = views.flatMap((view) =>
    view.featureNames.map((name) => [featureName(view, name), [[view.id, name]]] as const),
  );
  const known = new Map(stored);
  const computed = onDemand.flatMap((each) => {
    const from = Object.keys(each.stored).flatMap((name) => known.get(name) ?? []);
    return each.featureNames.map((name) => [name, from] as const);
  });
  return Object.fromEntries([...stored, ...computed]);
}

const referenceTo = (view: FeatureView): EntityReference => ({
  kind: "feature-view",
  id: viewDigest(view),
  name: view.id,
});
