import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import {
  createIdSource,
  silentMeter,
  systemClock,
  type Batch,
  type CallOptions,
  type Clock,
  type Dataset,
  type EventLog,
  type FeatureSource,
  type FeatureVectors,
  type IdSource,
  type Meter,
} from "@millwright/contracts";
import { openDuckDb, type DuckDb } from "@millwright/duckdb";
import type { BackfillOptions, BackfillResult } from "./ingestion/backfill.ts";
import { type Catalog, openCatalog } from "./catalog/catalog.ts";
import type { CompactOptions, CompactResult } from "./history/compaction.ts";
import type { Entity, FeatureView } from "./definition/definition.ts";
import type { ForgetOptions } from "./erasure/forget.ts";
import { openForgotten } from "./erasure/forgotten.ts";
import type { GivenRows } from "./definition/given-rows.ts";
import type { RowFor } from "./definition/row-type.ts";
import type { ErasureReceipt } from "./erasure/receipt.ts";
import type { FeatureService } from "./definition/service-definition.ts";
import { definitionInvalid, unknownView, writeFailure } from "./errors.ts";
import { createFeatureEvents } from "./feature-events.ts";
import type { HistoryRequest, ReadRequest } from "./given-requests.ts";
import type { Gate } from "./definition/gate.ts";
import { checkGate } from "./ingestion/gate-check.ts";
import { openHistoryLog, type HistoryLog } from "./history/history-log.ts";
import type { HistorySource } from "./history/history-sql.ts";
import type { IngestOptions, IngestResult, IngestTarget } from "./ingestion/ingest.ts";
import { openJournals } from "./online/journals.ts";
import { createKeyedOnline } from "./keyed/keyed-online.ts";
import type { KeyedOnlineStore } from "./keyed/keyed-store.ts";
import type { MaterializeOptions, MaterializeResult, PushResult } from "./online/online.ts";
import type { OnlineStore } from "./online/online-store.ts";
import { OpenedStore, type StoreParts } from "./opened-store.ts";
import type { ScanOptions } from "./records/record-scan.ts";
import type {
  DeleteOptions,
  FeatureRecord,
  GetManyOptions,
  GetOptions,
  PutOptions,
  PutResult,
  RecordOutcome,
  RecordRequest,
  UpdateOptions,
} from "./records/record-types.ts";
import { createRecords } from "./records/records.ts";
import { createResidentOnline } from "./online/resident-online.ts";
import { createSegmentCache } from "./segments/segment-cache.ts";
import type { SourceRow } from "./definition/source-columns.ts";
import type { ConsumeOptions, ConsumeResult, StreamRecord } from "./ingestion/stream-ingest.ts";
import type { ReplayOptions, TrainingSet, TrainingSetPin, WarmedView } from "./retrieval/training-pin.ts";
import type { VectorReader } from "./online/vector-reader.ts";

export interface FeatureStoreOptions extends CallOptions {
  /** The folder of the history: one folder a view, with Parquet files by day. Made where it is missing. */
  readonly history: string;
  /** All services that the store shall give features for; their views are the store's. */
  readonly services: readonly FeatureService[];
  /**
   * Keeps rows for online reads; not closed by the store. An `OnlineStore` for one process, which then holds all rows in its memory; a
   * `KeyedOnlineStore` for many processes, and for more entities than fit there. Default: there are no online reads.
   */
  readonly online?: OnlineStore | KeyedOnlineStore | undefined;
  /** Not closed by the store. Default: one of its own, in memory. */
  readonly duckdb?: DuckDb | undefined;
  /** What rows must be that are ingested, consumed, backfilled or put, by view (`clicks`, `clicks@v2`). Default: anything goes. */
  readonly gates?: Readonly<Record<string, Gate>> | undefined;
  /** How far behind a view's newest row online rows may come and reads may ask. Default: one hour. */
  readonly latenessMs?: number | undefined;
  /**
   * How much memory the rows of views without aggregates may take, which repeated calls of `history` read instead of files; more for a moment while they are
   * loaded. What was not asked for the longest goes first. 0 keeps none. Default: 1 GiB.
   */
  readonly segmentMemoryBytes?: number | undefined;
  /**
   * Whether the sorted rows that `warm`, `compact` or repeated calls of `history` make of a view without aggregates are kept in a file beside its history, about
   * as large as the rows in memory: later processes read them there from their first call on. Default: true.
   */
  readonly segmentFiles?: boolean | undefined;
  readonly clock?: Clock | undefined;
  /**
   * Takes `feature.view-applied`, `feature.ingested` and `feature.materialized`, each once for what it tells of, after that is done. A call whose event
   * the log refuses rejects: done again, it tells and changes nothing else. Default: nobody is told.
   */
  readonly events?: EventLog | undefined;
  /** Opens the store although a definition was changed that models are pinned to. Default: false. */
  readonly force?: boolean | undefined;
  readonly ids?: IdSource | undefined;
  /** Counts the ages of rows that are served. Default: counts nothing. */
  readonly meter?: Meter | undefined;
}

/**
 * Features by event time. Views and services may be named or given as they were defined. A bare name means version 1 of a view, and the promoted version of
 * a service; others are named `clicks@v2`, and a service by its digest as well: `late@sha256:…`.
 */
export interface FeatureStore extends FeatureSource, AsyncDisposable {
  /** Who uses which definitions, and which version of each service counts. */
  readonly catalog: Catalog;
  /**
   * Takes all that is known of an entity away: its rows in the history of every view, those put aside, online rows, and training sets that the store wrote and
   * that have it, wherever they are. Other entities are left as they are. Rows of up to now that come again are left out, unless `remember` is false. Where the call fails,
   * make it again; what it did not cover is listed under `left` of the receipt. Takes long: files are written anew, and the online store is cleaned up.
   * Throws `FEATURE_STORE_DEFINITION_UNKNOWN` where no view is of the entity, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`.
   */
  forget(entity: string | Entity, keys: SourceRow, options?: ForgetOptions): Promise<ErasureReceipt>;
  /**
   * Writes rows to a view's history, all or none, once: files as `await duckdb.scan(path)`, batches one after another, a batch, or a list of plain rows.
   * Throws `FEATURE_STORE_BATCH_CONFLICT`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`, `FEATURE_STORE_GATE_REFUSED`.
   */
  ingest<View extends string | FeatureView>(
    view: View,
    source: Dataset | AsyncIterable<Batch> | GivenRows<RowFor<View>>,
    options?: IngestOptions,
  ): Promise<IngestResult>;
  /**
   * Writes records of a stream to the history and online as they come, each once however often it comes, across crashes: `source` and offset tell which it is.
   * Memory is bounded by `maxBatchRows`. Throws `FEATURE_STORE_RECORD_REFUSED` where nobody takes dead letters.
   */
  consume(
    view: string | FeatureView,
    records: AsyncIterable<StreamRecord>,
    options: ConsumeOptions,
  ): Promise<ConsumeResult>;
  /**
   * Writes many rows of the past to the history, day by day, and again after a crash only the days that are left. Online nothing changes: `materialize` brings
   * the new batches there, where older rows do not count before newer ones.
   */
  backfill(view: string | FeatureView, source: Dataset, options?: BackfillOptions): Promise<BackfillResult>;
  /** The rows that a view's gate put aside, with the rules that they broke in `failed_rules`, separated by commas; oldest batch first. */
  quarantined(view: string | FeatureView, options?: CallOptions): Promise<Dataset>;
  /** The labels with the features that were known at their times: one row a label, in their order. */
  history(service: string | FeatureService, options: HistoryRequest): Promise<TrainingSet>;
  /**
   * The newest features of entities, one row an entity in their order. Throws `PORT_FEATURE_SERVICE_UNKNOWN`, `FEATURE_STORE_COLUMN_MISSING`,
   * `FEATURE_STORE_COLUMN_TYPE`, `FEATURE_STORE_STALE`, `FEATURE_STORE_TIME_TOO_OLD`; a RangeError where entities and request inputs differ in number.
   */
  read(service: string | FeatureService, request: ReadRequest): Promise<FeatureVectors>;
  /**
   * Loads the rows of a service's views without aggregates into memory, as many as fit in `segmentMemoryBytes`, so that the next call of `history` is a fast
   * one. @returns what was loaded, view by view, in their order.
   */
  warm(service: string | FeatureService, options?: CallOptions): Promise<readonly WarmedView[]>;
  /** Makes a pinned training set again, to the byte, whatever was ingested since. Throws `FEATURE_STORE_PIN_DIFFERS`. */
  replay(pin: TrainingSetPin, options?: ReplayOptions): Promise<TrainingSet>;
  /** The rows of a view's history, by time and key, as a dataset. */
  scan(view: string | FeatureView, options?: ScanOptions): Promise<Dataset>;
  /**
   * Writes records online and to the history at once. A record later than its entity's newest counts online; any other is historic. When it resolves the
   * disk has them; `flush` and every call that reads the history write them there as a batch.
   */
  put<View extends string | FeatureView>(
    view: View,
    records: GivenRows<RowFor<View>>,
    options?: PutOptions,
  ): Promise<PutResult>;
  /** Changes some features of a record, atomically. Throws `FEATURE_STORE_RECORD_MISSING`, `FEATURE_STORE_EVENT_TIME_CONFLICT`. */
  update(
    view: string | FeatureView,
    keys: SourceRow,
    patch: SourceRow,
    options?: UpdateOptions,
  ): Promise<FeatureRecord>;
  /** Deletes a record. Throws `FEATURE_STORE_DELETE_OUTDATED`. */
  delete(view: string | FeatureView, keys: SourceRow, options?: DeleteOptions): Promise<void>;
  /** The newest record of an entity. */
  get(view: string | FeatureView, keys: SourceRow, options?: GetOptions): Promise<FeatureRecord>;
  /** Records of several views, each with an outcome of its own, in the order asked. */
  getMany(requests: readonly RecordRequest[], options?: GetManyOptions): Promise<readonly RecordOutcome[]>;
  /** Writes what was put to the history, of one view or of all. */
  flush(view?: string | FeatureView, options?: CallOptions): Promise<void>;
  /**
   * Merges the small files that a history gets from many batches, of one view or of all, without changing what any read answers: run it now and then, in any
   * process. It may be stopped or killed at any time.
   */
  compact(view?: string | FeatureView, options?: CompactOptions): Promise<CompactResult>;
  /** Takes rows for online reads, at once and in any order. When it resolves they count, and are as durable as the online store. */
  push<View extends string | FeatureView>(
    view: View,
    rows: GivenRows<RowFor<View>>,
    options?: CallOptions,
  ): Promise<PushResult>;
  /**
   * Reads a service's features one entity at a time, as numbers, without waiting: for models in this process. Throws `PORT_UNSUPPORTED` for services with
   * texts or features on demand, and for online stores on other machines.
   */
  vectorReader(service: string | FeatureService): VectorReader;
  /**
   * Brings a view's history online: batches that came into it since the last time, each once, whatever their event times; a call that was stopped or killed is
   * gone on with by the next. With `upToMs` the online state is loaded anew: rows before it come from the history, rows pushed from it on stay.
   */
  materialize(view: string | FeatureView, options?: MaterializeOptions): Promise<MaterializeResult>;
}

/**
 * Opens the history and the online state. Throws `FEATURE_STORE_DEFINITION_INVALID` where two views or services share a name, and
 * `FEATURE_STORE_WRITE_FAILED` where the folder of the history cannot be made.
 */
export async function openFeatureStore(options: FeatureStoreOptions): Promise<FeatureStore> {
  const { clock = systemClock, segmentMemoryBytes = 2 ** 30, segmentFiles = true, force, signal } = options;
  signal?.throwIfAborted();
  checkStoreOptions(options);
  if (!(segmentMemoryBytes >= 0)) {
    throw new RangeError(`"segmentMemoryBytes" must be at least 0, not ${segmentMemoryBytes}. Give 0 to keep none.`);
  }
  const services = namedOnce("feature service", options.services);
  const views = namedOnce("feature view", [...new Set(options.services.flatMap((service) => service.views))]);
  const gates = gatesOf(views, options.gates);
  const directory = resolve(options.history);
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  const catalog = await openCatalog({ directory, services: options.services, clock, force });
  const duckdb = options.duckdb ?? (await openDuckDb({ signal }));
  const closeOwn = async (): Promise<void> => {
    if (options.duckdb === undefined) await duckdb[Symbol.asyncDispose]();
  };
  try {
    const segments = createSegmentCache({ limitBytes: segmentMemoryBytes, keepsFiles: segmentFiles });
    const forgotten = openForgotten(directory);
    const source: HistorySource = { duckdb, directory, segments, forgotten, log: historyLogs(directory, clock) };
    return await openParts(options, { services, views, gates, catalog, source, clock }, closeOwn);
  } catch (error) {
    await closeOwn();
    throw error;
  }
}

/** Throws a TypeError for what types would not let through. */
function checkStoreOptions({ history, services, online }: FeatureStoreOptions): void {
  if (typeof history !== "string" || history === "") {
    throw new TypeError(`\`history\` is ${String(history)}. Name the folder that keeps the rows, such as "features".`);
  }
  if (!Array.isArray(services)) {
    throw new TypeError("`services` is no list. Give what `defineFeatureService` returns, in a list: [service].");
  }
  if (online instanceof Promise) {
    throw new TypeError("`online` is a Promise. Await what opens the online store, and hand over what it gives.");
  }
}

/** The log of each view, opened when it is first asked for. */
function historyLogs(directory: string, clock: Clock): HistorySource["log"] {
  const logs = new Map<string, Promise<HistoryLog>>();
  return (view) => {
    let opened = logs.get(view);
    if (opened === undefined) logs.set(view, (opened = openHistoryLog(directory, view, { clock })));
    return opened;
  };
}

type Gates = ReadonlyMap<FeatureView, Gate>;
type KnownParts = Pick<StoreParts, "services" | "views" | "catalog" | "source" | "clock"> & { readonly gates: Gates };

/** Opens what holds rows, and brings in what processes that died left. @param closeOwn Called when the store is closed. */
async function openParts(
  { online, latenessMs = 3_600_000, meter = silentMeter, ids, events: log, signal }: FeatureStoreOptions,
  { gates, ...known }: KnownParts,
  closeOwn: () => Promise<void>,
): Promise<FeatureStore> {
  const { views, catalog, source, clock } = known;
  const parts = { views, source, latenessMs, clock, meter };
  const state =
    online !== undefined && "update" in online
      ? createKeyedOnline({ ...parts, store: online })
      : await createResidentOnline({ ...parts, store: online, signal });
  const hasOnline = online !== undefined;
  const events = createFeatureEvents(log);
  const targetOf = async (view: FeatureView): Promise<IngestTarget> => {
    const { duckdb, forgotten } = source;
    return { duckdb, log: await source.log(view.id), view, clock, events, gate: gates.get(view), forgotten };
  };
  const own = { views, source, targetOf, ids: ids ?? createIdSource(clock) };
  const journals = await openJournals({ ...own, online: state, hasOnline });
  const gateOf = (view: FeatureView): Gate | undefined => gates.get(view);
  const records = createRecords({ online: state, hasOnline, clock, journal: (view) => journals.of(view), gateOf });
  for (const view of views.values()) await events.applied(view, { signal });
  for (const service of known.services.values()) await events.serviceApplied(service, { signal });
  const close = async (): Promise<void> => {
    await catalog.reads.flush();
    await journals.close();
    await state.settle();
    known.source.segments.clear();
    await closeOwn();
  };
  return new OpenedStore({ ...known, online: state, hasOnline, targetOf, records, journals, events, close });
}

/** Throws `FEATURE_STORE_VIEW_UNKNOWN`, `FEATURE_STORE_DEFINITION_INVALID`. */
function gatesOf(views: ReadonlyMap<string, FeatureView>, gates: FeatureStoreOptions["gates"] = {}): Gates {
  return new Map(
    Object.entries(gates).map(([id, gate]) => {
      const view = views.get(id);
      if (view === undefined) throw unknownView(id, [...views.keys()]);
      checkGate(view, gate);
      return [view, gate] as const;
    }),
  );
}

function namedOnce<Named extends { readonly name: string; readonly id: string }>(
  what: string,
  all: readonly Named[],
): Map<string, Named> {
  const byId = new Map<string, Named>();
  for (const each of all) {
    if (byId.has(each.id)) {
      throw definitionInvalid(
        `The ${what} "${each.id}"`,
        "another one has the same name",
        "Give each a name or version of its own.",
      );
    }
    byId.set(each.id, each);
  }
  return byId;
}
