import {
  closed,
  featureServiceUnknown,
  type Batch,
  type CallOptions,
  type Clock,
  type Dataset,
  type FeatureServiceDescription,
  type FeatureVectors,
} from "@millwright/contracts";
import type { Catalog, OpenedCatalog } from "./catalog/catalog.ts";
import { backfillRows, type BackfillOptions, type BackfillResult } from "./ingestion/backfill.ts";
import { compactHistory, type CompactOptions, type CompactResult } from "./history/compaction.ts";
import { type Entity, type FeatureView, viewDigest } from "./definition/definition.ts";
import { batchesOfGiven, batchOfGiven, type GivenRows } from "./definition/given-rows.ts";
import { forgetEntity, type ForgetOptions } from "./erasure/forget.ts";
import type { ErasureReceipt } from "./erasure/receipt.ts";
import type { FeatureService } from "./definition/service-definition.ts";
import { otherDefinition, unknownView } from "./errors.ts";
import type { FeatureEvents } from "./feature-events.ts";
import type { FeatureStore } from "./feature-store.ts";
import { columnsOfRequest, type HistoryRequest, labelsOfRequest, type ReadRequest } from "./given-requests.ts";
import type { HistoryBatch } from "./history/history-log.ts";
import type { HistorySource } from "./history/history-sql.ts";
import { ingestRows, type IngestOptions, type IngestResult, type IngestTarget } from "./ingestion/ingest.ts";
import type { Journals } from "./online/journals.ts";
import { onlineRows } from "./online/online-rows.ts";
import type { MaterializeOptions, MaterializeResult, Online, PushResult } from "./online/online.ts";
import { scanQuarantine } from "./ingestion/quarantine.ts";
import { type ScanOptions, scanRecords } from "./records/record-scan.ts";
import type {
  DeleteOptions,
  FeatureRecord,
  GetManyOptions,
  GetOptions,
  PutOptions,
  PutResult,
  RecordOutcome,
  RecordRequest,
  Records,
  UpdateOptions,
} from "./records/record-types.ts";
import { checkBatch, type SourceRow, sourceSchema } from "./definition/source-columns.ts";
import {
  type ConsumeOptions,
  type ConsumeResult,
  consumeStream,
  type StreamRecord,
} from "./ingestion/stream-ingest.ts";
import {
  keepSegmentFile,
  makeTrainingSet,
  replayTrainingSet,
  type ReplayOptions,
  type TrainingSet,
  type TrainingSetPin,
  type WarmedView,
  warmViews,
} from "./retrieval/training-pin.ts";
import { checkNumbers, createVectorReader, type VectorReader } from "./online/vector-reader.ts";

/** What a feature store is put together from. */
export interface StoreParts {
  readonly catalog: OpenedCatalog;
  readonly services: ReadonlyMap<string, FeatureService>;
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  readonly online: Online;
  /** Whether there is anywhere to read from online. */
  readonly hasOnline: boolean;
  /** Where rows of a view are ingested. */
  readonly targetOf: (view: FeatureView) => Promise<IngestTarget>;
  readonly records: Records;
  readonly journals: Journals;
  readonly events: FeatureEvents;
  readonly clock: Clock;
  readonly close: () => Promise<void>;
}

/** Reads of a vector reader between one that is noted and the next: noting costs as much as reading. */
const READS_BETWEEN_NOTES = 1000;

type View = string | FeatureView;
type Service = string | FeatureService;

/** Finds what is named, and hands each call to the part that does it. */
export class OpenedStore implements FeatureStore {
  readonly #parts: StoreParts;
  #isClosed = false;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  get catalog(): Catalog {
    return this.#parts.catalog;
  }

  async describe(service: string, { signal }: CallOptions = {}): Promise<FeatureServiceDescription> {
    this.#check(signal);
    const { name, digest, entityKeys, requestInputs, features } = this.#service(service);
    return { name, digest, entityKeys, requestInputs, features };
  }

  async read(service: Service, request: ReadRequest): Promise<FeatureVectors> {
    this.#check(request.signal);
    const found = this.#service(service);
    this.#parts.catalog.reads.note(found.id);
    return await this.#parts.online.read(found, columnsOfRequest(found, request));
  }

  vectorReader(service: Service): VectorReader {
    this.#check(undefined);
    const found = this.#service(service);
    checkNumbers(found);
    const { online, clock, catalog } = this.#parts;
    let reads = 0;
    return createVectorReader(found, {
      begin: () => {
        this.#check(undefined);
        if (reads++ % READS_BETWEEN_NOTES === 0) catalog.reads.note(found.id);
      },
      nowUs: () => Math.round(clock.nowMs() * 1000),
      numbers: online.numbers(found),
      observe: (view, ageMs) => online.observe(view, ageMs),
    });
  }

  async ingest(
    view: View,
    source: Dataset | AsyncIterable<Batch> | GivenRows,
    options: IngestOptions = {},
  ): Promise<IngestResult> {
    this.#check(options.signal);
    const found = this.#view(view);
    const rows = batchesOfGiven(`The rows for the view "${found.name}"`, found, source);
    return await ingestRows(await this.#target(found, options), { rows, origin: "ingest" }, options);
  }

  async consume(view: View, records: AsyncIterable<StreamRecord>, options: ConsumeOptions): Promise<ConsumeResult> {
    this.#check(options.signal);
    const { online, hasOnline } = this.#parts;
    const target = await this.#target(view, options);
    const catchUp = async (select: (batch: HistoryBatch) => boolean): Promise<void> => {
      if (hasOnline) await online.catchUp(target.view, { select, signal: options.signal });
    };
    return await consumeStream({ ...target, catchUp }, records, options);
  }

  async backfill(view: View, rows: Dataset, options: BackfillOptions = {}): Promise<BackfillResult> {
    this.#check(options.signal);
    if (!("schema" in Object(rows))) {
      throw new TypeError(
        "`backfill` takes a Dataset: what `scan` of @millwright/duckdb gives when awaited, or `datasetOf([batch])`.",
      );
    }
    return await backfillRows(await this.#target(view, options), rows, options);
  }

  async quarantined(view: View, { signal }: CallOptions = {}): Promise<Dataset> {
    this.#check(signal);
    return await scanQuarantine(this.#parts.source, this.#view(view), { signal });
  }

  async history(service: Service, options: HistoryRequest): Promise<TrainingSet> {
    this.#check(options.signal);
    const found = this.#service(service);
    const labels = labelsOfRequest(found, options);
    for (const view of found.views) await this.#parts.journals.flush(view, options);
    return await makeTrainingSet(this.#parts.source, found, { ...options, labels });
  }

  async warm(service: Service, options: CallOptions = {}): Promise<readonly WarmedView[]> {
    this.#check(options.signal);
    const found = this.#service(service);
    for (const view of found.views) await this.#parts.journals.flush(view, options);
    return await warmViews(this.#parts.source, found, options);
  }

  async replay(pin: TrainingSetPin, options: ReplayOptions = {}): Promise<TrainingSet> {
    this.#check(options.signal);
    return await replayTrainingSet(this.#parts.source, this.#service(pin.service), pin, options);
  }

  async scan(view: View, options: ScanOptions = {}): Promise<Dataset> {
    this.#check(options.signal);
    const found = this.#view(view);
    await this.#parts.journals.flush(found, options);
    return await scanRecords(this.#parts.source, found, options);
  }

  async compact(view?: View, options: CompactOptions = {}): Promise<CompactResult> {
    this.#check(options.signal);
    const { views } = this.#parts;
    const total = { mergedFiles: 0, writtenFiles: 0, rows: 0, deletedFiles: 0 };
    for (const found of view === undefined ? views.values() : [this.#view(view)]) {
      const done = await compactHistory(await this.#target(found, options), options);
      total.mergedFiles += done.mergedFiles;
      total.writtenFiles += done.writtenFiles;
      total.rows += done.rows;
      total.deletedFiles += done.deletedFiles;
      await keepSegmentFile(this.#parts.source, found, options);
    }
    return total;
  }

  async forget(entity: string | Entity, keys: SourceRow, options: ForgetOptions = {}): Promise<ErasureReceipt> {
    this.#check(options.signal);
    const targetOf = (view: FeatureView): Promise<IngestTarget> => this.#target(view, options);
    const name = typeof entity === "string" ? entity : entity.name;
    return await forgetEntity({ ...this.#parts, targetOf }, name, keys, options);
  }

  async put(view: View, rows: Batch | readonly SourceRow[], options: PutOptions = {}): Promise<PutResult> {
    this.#check(options.signal);
    const found = this.#view(view);
    const { batch, forgotten } = this.#remembered(found, `The rows put into the view "${found.name}"`, rows);
    return { ...(await this.#parts.records.put(found, batch, options)), ...forgotten };
  }

  async update(view: View, keys: SourceRow, patch: SourceRow, options: UpdateOptions = {}): Promise<FeatureRecord> {
    this.#check(options.signal);
    return await this.#parts.records.update(this.#view(view), keys, patch, options);
  }

  async delete(view: View, keys: SourceRow, options: DeleteOptions = {}): Promise<void> {
    this.#check(options.signal);
    await this.#parts.records.delete(this.#view(view), keys, options);
  }

  async get(view: View, keys: SourceRow, options: GetOptions = {}): Promise<FeatureRecord> {
    this.#check(options.signal);
    return await this.#parts.records.get(this.#view(view), keys, options);
  }

  async getMany(requests: readonly RecordRequest[], options: GetManyOptions = {}): Promise<readonly RecordOutcome[]> {
    this.#check(options.signal);
    return await this.#parts.records.getMany(requests, (view) => this.#view(view), options);
  }

  async flush(view?: View, options: CallOptions = {}): Promise<void> {
    this.#check(options.signal);
    await this.#parts.journals.flush(view === undefined ? undefined : this.#view(view), options);
  }

  async push(view: View, rows: Batch | readonly SourceRow[], { signal }: CallOptions = {}): Promise<PushResult> {
    this.#check(signal);
    const found = this.#view(view);
    const { batch, forgotten } = this.#remembered(found, `The rows pushed to the view "${found.name}"`, rows);
    const taken = onlineRows(found, batch);
    const arrival = await this.#parts.online.add(found, taken, signal);
    return { rows: taken.length, skippedRows: batch.length - taken.length, ...forgotten, ...arrival };
  }

  async materialize(view: View, options: MaterializeOptions = {}): Promise<MaterializeResult> {
    this.#check(options.signal);
    const found = this.#view(view);
    const { journals, online, source, events, clock } = this.#parts;
    const { upToMs: wantedMs, signal } = options;
    const nowMs = clock.nowMs();
    const flush = () => journals.flush(found, { signal });
    await flush();
    const upToMs = Math.min(wantedMs ?? nowMs, nowMs);
    const loaded =
      wantedMs === undefined
        ? await online.catchUp(found, { signal })
        : await online.reload(found, { upToMs, flush, signal });
    const result = { ...loaded, clamped: wantedMs !== undefined && wantedMs > nowMs };
    const all = await (await source.log(found.id)).batches();
    const history = all.filter(({ origin }) => origin !== "compaction");
    await events.materialized(found, { ...result, history }, { signal });
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#parts.close();
  }

  #check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closed("The feature store");
  }

  /** The rows without those of entities that were forgotten after they happened, and how many those are. */
  #remembered(
    view: FeatureView,
    where: string,
    rows: Batch | readonly SourceRow[],
  ): { readonly batch: Batch; readonly forgotten: Pick<PushResult, "forgottenRows"> } {
    const given = batchOfGiven(where, view, rows);
    checkBatch(where, sourceSchema(view), given);
    const batch = this.#parts.source.forgotten.without(view, given);
    const forgottenRows = given.length - batch.length;
    return { batch, forgotten: forgottenRows === 0 ? {} : { forgottenRows } };
  }

  /** Where rows of a view go. What was put before comes before, where ranks are equal. */
  async #target(view: View, { signal }: CallOptions): Promise<IngestTarget> {
    const found = this.#view(view);
    await this.#parts.journals.flush(found, { signal });
    return await this.#parts.targetOf(found);
  }

  #view(view: View): FeatureView {
    const { views } = this.#parts;
    const id = typeof view === "string" ? view.replace(/@v1$/, "") : (view as FeatureView | undefined)?.id;
    if (id === undefined) throw new TypeError("Give a feature view: its name, or what `defineFeatureView` returned.");
    const found = views.get(id);
    if (found === undefined) throw unknownView(id, [...views.keys()]);
    // Defined twice alike, as where a module is loaded twice, it is the same view.
    if (typeof view !== "string" && view !== found && viewDigest(view) !== viewDigest(found)) throw otherDefinition(id);
    return found;
  }

  #service(service: Service): FeatureService {
    const { services } = this.#parts;
    if (typeof service !== "string" && (service as FeatureService | undefined)?.id === undefined) {
      throw new TypeError("Give a feature service: its name, or what `defineFeatureService` returned.");
    }
    const found = typeof service === "string" ? this.#named(service) : services.get(service.id);
    if (found === undefined) {
      throw featureServiceUnknown(typeof service === "string" ? service : service.id, [...services.keys()]);
    }
    return found;
  }

  /** A service by name, version or digest. */
  #named(text: string): FeatureService | undefined {
    const { services, catalog } = this.#parts;
    const [name = "", wanted] = text.split("@");
    const versions = [...services.values()].filter((service) => service.name === name);
    if (wanted === undefined) {
      const version = catalog.state.promoted(name);
      return versions.find((service) => service.version === version) ?? versions[0];
    }
    return versions.find((service) => wanted === `v${service.version}` || wanted === service.digest);
  }
}
