import {
  type CallOptions,
  createNewestEvents,
  type EntityReference,
  type EventDraft,
  type EventLog,
  type MillwrightEvent,
} from "@millwright/contracts";
import { digestOf, viewDigest, type FeatureView } from "./definition/definition.ts";
import type { HistoryBatch } from "./history/history-log.ts";
import type { IngestResult } from "./ingestion/ingest.ts";
import type { MaterializeResult } from "./online/online.ts";

/** Tells an event log what happened to views; each event is caused by the one before about the same view. Throws what the log throws. */
export interface FeatureEvents {
  /** Tells that the view is defined so, unless that was told last. */
  applied(view: FeatureView, options?: CallOptions): Promise<void>;
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
const appliedKey = (view: string): string => JSON.stringify([view, "applied"]);
const definitionKey = (view: string, digest: unknown): string => JSON.stringify([view, "applied", digest]);
const batchKey = (view: string, batchId: unknown, digest: unknown): string =>
  JSON.stringify([view, "batch", batchId, digest]);

function subjectsOf({ source: from, type, subject: view, data }: MillwrightEvent): readonly string[] {
  if (from !== source || view === undefined) return [];
  if (type === "feature.view-applied") return [viewKey(view), appliedKey(view), definitionKey(view, data["digest"])];
  if (type === "feature.ingested") return [viewKey(view), batchKey(view, data["batchId"], data["digest"])];
  return [viewKey(view)];
}

/** @param log Without one nobody is told. */
export function createFeatureEvents(log: EventLog | undefined): FeatureEvents {
  if (log === undefined) return { applied: async () => {}, ingested: async () => {}, materialized: async () => {} };
  const newest = createNewestEvents(log, { types: ["feature.*"], subjectsOf });
  let turn: Promise<void> = Promise.resolve();
  /** One at a time: what is told depends on what was. */
  const alone = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };
  const tell = async (event: Omit<EventDraft, "source">, view: string, options?: CallOptions): Promise<void> => {
    const causationid = await newest.find(viewKey(view), options);
    await log.append(
      [{ source, ...event, subject: view, ...(causationid === undefined ? {} : { causationid }) }],
      options,
    );
  };
  return {
    applied: (view, options) =>
      alone(async () => {
        const { id: name } = view;
        const digest = viewDigest(view);
        const told = await newest.find(definitionKey(name, digest), options);
        // A definition that was left and is taken up again is applied anew.
        if (told !== undefined && told === (await newest.find(appliedKey(name), options))) return;
        await tell({ type: "feature.view-applied", data: { digest, made: [referenceTo(view)] } }, name, options);
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

const referenceTo = (view: FeatureView): EntityReference => ({
  kind: "feature-view",
  id: viewDigest(view),
  name: view.id,
});
