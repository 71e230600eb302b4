import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import {
  closed,
  featureServiceUnknown,
  systemClock,
  type Batch,
  type CallOptions,
  type Clock,
  type Dataset,
  type EventLog,
  type FeatureSource,
} from "@millwright/contracts";
import { openDuckDb, type DuckDb } from "@millwright/duckdb";
import type { FeatureService, FeatureView } from "./definition.ts";
import { definitionInvalid, unknownView } from "./errors.ts";
import { createFeatureEvents, type FeatureEvents } from "./feature-events.ts";
import { openHistoryLog, type HistoryLog } from "./history-log.ts";
import { ingestRows, type IngestOptions, type IngestResult } from "./ingest.ts";
import {
  createOnline,
  type MaterializeOptions,
  type MaterializeResult,
  type Online,
  type PushResult,
} from "./online.ts";
import type { OnlineStore } from "./online-store.ts";
import { batchOfRows, type SourceRow } from "./source-columns.ts";
import { writeTrainingSet, type HistoryOptions, type HistorySource } from "./training-set.ts";

export interface FeatureStoreOptions extends CallOptions {
  /** The folder of the history: one folder a view, with Parquet files by day. Made where it is missing. */
  readonly history: string;
  /** All services that the store shall give features for; their views are the store's. */
  readonly services: readonly FeatureService[];
  /** Keeps rows for online reads; not closed by the store. Default: there are no online reads. */
  readonly online?: OnlineStore | undefined;
  /** Not closed by the store. Default: one of its own, in memory. */
  readonly duckdb?: DuckDb | undefined;
  /** How far behind a view's newest row online rows may come and reads may ask. Default: one hour. */
  readonly latenessMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /**
   * Takes `feature.view-applied`, `feature.ingested` and `feature.materialized`, each once for what it tells of, after that is done. A call whose event
   * the log refuses rejects: done again, it tells and changes nothing else. Default: nobody is told.
   */
  readonly events?: EventLog | undefined;
}

/** Features by event time. Views and services may be named by their name or given as they were defined. */
export interface FeatureStore extends FeatureSource, AsyncDisposable {
  /** Writes rows to a view's history, all or none, once. Throws `FEATURE_STORE_BATCH_CONFLICT`. */
  ingest(
    view: string | FeatureView,
    source: Dataset | AsyncIterable<Batch>,
    options?: IngestOptions,
  ): Promise<IngestResult>;
  /** The labels with the features that were known at their times: one row a label, in their order. */
  history(service: string | FeatureService, options: HistoryOptions): Promise<Dataset>;
  /** Takes rows for online reads, at once and in any order. When it resolves they count, and are as durable as the online store. */
  push(view: string | FeatureView, rows: Batch | readonly SourceRow[], options?: CallOptions): Promise<PushResult>;
  /** Loads a view's online state from its history: rows before `upToMs` come from there, rows pushed from it on stay. */
  materialize(view: string | FeatureView, options: MaterializeOptions): Promise<MaterializeResult>;
}

/** Opens the history and the online state. Throws `FEATURE_STORE_DEFINITION_INVALID` where two views or services share a name. */
export async function openFeatureStore(options: FeatureStoreOptions): Promise<FeatureStore> {
  const { services, online, latenessMs = 3_600_000, clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  const directory = resolve(options.history);
  const byName = namedOnce("feature service", services);
  const views = namedOnce("feature view", [...new Set(services.flatMap((service) => service.views))]);
  await mkdir(directory, { recursive: true });
  const duckdb = options.duckdb ?? (await openDuckDb({ signal }));
  const logs = new Map<string, Promise<HistoryLog>>();
  const log = (view: string): Promise<HistoryLog> => {
    let opened = logs.get(view);
    if (opened === undefined) logs.set(view, (opened = openHistoryLog(directory, view)));
    return opened;
  };
  const source: HistorySource = { duckdb, directory, log };
  const closeOwn = async (): Promise<void> => {
    if (options.duckdb === undefined) await duckdb[Symbol.asyncDispose]();
  };
  const opening = createOnline({ views, source, store: online, latenessMs, clock, signal });
  const state = await opening.catch(async (error: unknown) => {
    await closeOwn();
    throw error;
  });
  const close = async (): Promise<void> => {
    await state.settle();
    await closeOwn();
  };
  const events = createFeatureEvents(options.events);
  try {
    for (const view of views.values()) await events.applied(view);
  } catch (error) {
    await close();
    throw error;
  }
  return createStore({ services: byName, views, source, state, events, close });
}

interface Parts {
  readonly services: ReadonlyMap<string, FeatureService>;
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  readonly state: Online;
  readonly events: FeatureEvents;
  readonly close: () => Promise<void>;
}

function createStore({ services, views, source, state, events, close }: Parts): FeatureStore {
  let isClosed = false;
  const check = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The feature store");
  };
  const viewOf = (view: string | FeatureView): FeatureView => {
    const name = typeof view === "string" ? view : view.name;
    const found = views.get(name);
    if (found === undefined || (typeof view !== "string" && view !== found)) throw unknownView(name, [...views.keys()]);
    return found;
  };
  const serviceOf = (service: string | FeatureService): FeatureService => {
    const name = typeof service === "string" ? service : service.name;
    const found = services.get(name);
    if (found === undefined) throw featureServiceUnknown(name, [...services.keys()]);
    return found;
  };
  return {
    async describe(service, { signal } = {}) {
      check(signal);
      const { name, digest, entityKeys, requestInputs, features } = serviceOf(service);
      return { name, digest, entityKeys, requestInputs, features };
    },
    async read(service, request) {
      check(request.signal);
      return state.read(serviceOf(service), request);
    },
    async ingest(view, rows, options = {}) {
      check(options.signal);
      const found = viewOf(view);
      const result = await ingestRows(source.duckdb, await source.log(found.name), found, rows, options);
      await events.ingested(found, result, { signal: options.signal });
      return result;
    },
    async history(service, options) {
      check(options.signal);
      return await writeTrainingSet(source, serviceOf(service), options);
    },
    async push(view, rows, { signal } = {}) {
      check(signal);
      const found = viewOf(view);
      const where = `The rows pushed to the view "${found.name}"`;
      const batch = "columns" in rows ? rows : batchOfRows(where, found, rows);
      return await state.push(found, batch, signal);
    },
    async materialize(view, options) {
      check(options.signal);
      return await materializeView({ source, state, events }, viewOf(view), options);
    },
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      await close();
    },
  };
}

async function materializeView(
  { source, state, events }: Pick<Parts, "source" | "state" | "events">,
  view: FeatureView,
  options: MaterializeOptions,
): Promise<MaterializeResult> {
  const result = await state.materialize(view, options);
  const { upToMs, signal } = options;
  const batches = await (await source.log(view.name)).batches();
  await events.materialized(view, { ...result, upToMs, batches }, { signal });
  return result;
}

function namedOnce<Named extends { readonly name: string }>(what: string, all: readonly Named[]): Map<string, Named> {
  const byName = new Map<string, Named>();
  for (const each of all) {
    if (byName.has(each.name)) {
      throw definitionInvalid(
        `The ${what} "${each.name}"`,
        "another one has the same name",
        "Give each a name of its own.",
      );
    }
    byName.set(each.name, each);
  }
  return byName;
}
