import {
  type Batch,
  type CallOptions,
  type Clock,
  type Column,
  type FeatureRequest,
  type FeatureSource,
  featureServiceUnknown,
  type FeatureStatus,
  type FeatureVectors,
  systemClock,
} from "@millwright/contracts";
import { columnOf, toArray, type ValueInput } from "@millwright/data";
import { featureName, type FeatureView } from "../definition/definition.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import { batchOfRows, checkBatch, entityKeysOf, type SourceRow, sourceSchema } from "../definition/source-columns.ts";
import { unknownView } from "../errors.ts";
import { keyOf } from "../records/record-key.ts";
import { sideBySide } from "../remote/side-by-side.ts";
import { createOnDemand } from "../online/on-demand.ts";
import { withOnDemand } from "../online/on-demand-read.ts";
import { servedStatus } from "../online/read-vectors.ts";
import {
  calling,
  type FoundRecord,
  getRecords,
  type SageMakerClient,
  type SageMakerGroup,
} from "../sagemaker/client.ts";
import { columnOfValues, eventTimeText, textsOfColumn, timeOfText, valueOfText } from "../sagemaker/record-text.ts";

export type { SageMakerClient } from "../sagemaker/client.ts";

/** The feature group that a view stands in. */
export interface SageMakerFeatureGroup {
  /** Its name, or its ARN for one of another account. Default: the view's name. */
  readonly name?: string | undefined;
  /**
   * Its record identifier. Default: the view's key; for several keys `record_id`, whose values are the keys one after another, each with its
   * length before it: `2:eu1:7`.
   */
  readonly recordIdentifier?: string | undefined;
  /** Whether its event times are written as texts with milliseconds, or as seconds since 1970. Both are read. Default: `"text"`. */
  readonly eventTime?: "text" | "seconds" | undefined;
}

export interface SageMakerFeatureStoreOptions {
  /** A `SageMakerFeatureStoreRuntime` of `@aws-sdk/client-sagemaker-featurestore-runtime`; the caller destroys it. */
  readonly client: SageMakerClient;
  /** What is read there: each feature of a view is a feature of its group, under the same name. */
  readonly services: readonly FeatureService[];
  /** By view: where it stands, if not where the defaults say. */
  readonly groups?: Readonly<Record<string, SageMakerFeatureGroup>> | undefined;
  /** How long a call may go on with a service that is busy, in milliseconds. Default: 10,000. */
  readonly maxRetryMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface SageMakerPutOptions extends CallOptions {
  /** How long these records are good, in whole seconds, rounded up. Default: as the group says. */
  readonly ttlMs?: number | undefined;
  /** Default: as the group says. */
  readonly to?: "both" | "online" | "history" | undefined;
}

export interface SageMakerDeleteOptions extends CallOptions {
  /** UTC milliseconds; a delete counts if it is later than the record. Default: now. */
  readonly eventTimeMs?: number | undefined;
  /** Default: false. */
  readonly hard?: boolean | undefined;
}

/** Feature groups of Amazon SageMaker Feature Store. */
export interface SageMakerFeatureStore extends FeatureSource {
  /** Writes records one by one; a row whose view's `deleted` column is true deletes. Rows with a null key or event time are left out. */
  put(
    view: string,
    rows: Batch | readonly SourceRow[],
    options?: SageMakerPutOptions,
  ): Promise<{ readonly rows: number; readonly skippedRows: number }>;
  delete(view: string, keys: SourceRow, options?: SageMakerDeleteOptions): Promise<void>;
}

/**
 * Reads and writes records of SageMaker Feature Store through AWS's client. It answers with the newest records whatever `timeMs` says, so that
 * this only tells their age and what has expired; records that it deleted are `missing`. Bools are written as 0 and 1.
 *
 * Reads throw `PORT_FEATURE_SERVICE_UNKNOWN`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`, `FEATURE_STORE_RECORD_INVALID`;
 * all calls `FEATURE_STORE_ONLINE_UNREACHABLE`, `FEATURE_STORE_ONLINE_BUSY`, `FEATURE_STORE_ONLINE_REFUSED`.
 */
export function openSageMakerFeatureStore(options: SageMakerFeatureStoreOptions): SageMakerFeatureStore {
  const { client, clock = systemClock, maxRetryMs = 10_000 } = options;
  if (typeof client?.batchGetRecord !== "function") {
    throw new TypeError("The client is no `SageMakerFeatureStoreRuntime`: it has no `batchGetRecord`.");
  }
  if (!(maxRetryMs >= 0)) throw new RangeError(`maxRetryMs is ${maxRetryMs}, and must be 0 or more.`);
  const services = new Map(options.services.map((service) => [service.name, service]));
  const places = new Map(
    options.services.flatMap(({ views }) => views).map((view) => [view.name, placeOf(view, options)] as const),
  );
  const serviceOf = (name: string): FeatureService => {
    const found = services.get(name);
    if (found === undefined) throw featureServiceUnknown(name, [...services.keys()]);
    return found;
  };
  const viewPlace = (name: string): Place => {
    const found = places.get(name);
    if (found === undefined) throw unknownView(name, [...places.keys()]);
    return found;
  };
  const onDemand = createOnDemand({ clock });
  return {
    async describe(service, { signal } = {}) {
      signal?.throwIfAborted();
      const { name, digest, entityKeys, requestInputs, features } = serviceOf(service);
      return { name, digest, entityKeys, requestInputs, features };
    },
    async read(name, request) {
      request.signal?.throwIfAborted();
      const service = serviceOf(name);
      checkBatch("The entities", service.entityKeys, request.entities);
      const timeMs = request.timeMs ?? clock.nowMs();
      const read = await Promise.all(
        service.views.map((view) => readView(viewPlace(view.name), service, { request, timeMs })),
      );
      const columns: Record<string, Column> = Object.assign({}, ...read.map((each) => each.columns));
      const views = Object.fromEntries(read.map(({ view, status }) => [view, status] as const));
      const stored: FeatureVectors = { features: { length: request.entities.length, columns }, views };
      return service.onDemand.length === 0 ? stored : await withOnDemand(service, request, stored, onDemand);
    },
    async put(view, rows, putting = {}) {
      putting.signal?.throwIfAborted();
      return await putRows(viewPlace(view), rows, putting);
    },
    async delete(view, keys, { eventTimeMs = clock.nowMs(), hard = false, signal } = {}) {
      signal?.throwIfAborted();
      const place = viewPlace(view);
      const identifier = keyOf(place.view, keys);
      await deleteOne(place, { identifier, timeUs: BigInt(Math.round(eventTimeMs * 1000)), hard }, signal);
    },
  };
}

/** A view, and the group that it stands in. */
interface Place {
  readonly view: FeatureView;
  readonly group: SageMakerGroup;
  readonly recordIdentifier: string;
  readonly eventTime: "text" | "seconds";
}

function placeOf(view: FeatureView, { client, groups = {}, maxRetryMs = 10_000 }: SageMakerFeatureStoreOptions): Place {
  const {
    name = view.name,
    recordIdentifier,
    eventTime = "text",
  } = Object.hasOwn(groups, view.name) ? groups[view.name]! : {};
  const keys = Object.keys(view.entity.keys);
  return {
    view,
    group: { client, name, maxRetryMs },
    recordIdentifier: recordIdentifier ?? (keys.length === 1 ? keys[0]! : "record_id"),
    eventTime,
  };
}

async function readView(
  { view, group }: Place,
  service: FeatureService,
  { request, timeMs }: { readonly request: FeatureRequest; readonly timeMs: number },
): Promise<{
  readonly view: string;
  readonly columns: Record<string, Column>;
  readonly status: FeatureVectors["views"][string];
}> {
  const identifiers = entityKeysOf(view.entity.keys, request.entities);
  const asked = [...new Set(identifiers.filter((each) => each !== undefined))];
  const features = [view.eventTime, ...view.featureNames];
  const found = await getRecords(group, asked, { features, signal: request.signal });
  const records = new Map([...found].map(([id, record]) => [id, readRecord(view, group.name, record, timeMs)]));
  const ageMs = new Float64Array(identifiers.length).fill(Number.NaN);
  const status = identifiers.map((identifier, row): FeatureStatus => {
    const record = records.get(identifier ?? "");
    if (identifier === undefined || record === undefined) {
      return servedStatus(view, { status: "missing", ageMs: Number.NaN }, identifier);
    }
    ageMs[row] = record.ageMs;
    return servedStatus(view, record, identifier);
  });
  const columns: Record<string, Column> = {};
  for (const feature of view.featureNames) {
    const name = featureName(view, feature);
    const { type } = service.features.find((field) => field.name === name)!;
    const where = { group: group.name, feature };
    const values = status.map((each, row): ValueInput => {
      if (each === "defaulted") return view.defaults[feature] ?? null;
      const text =
        each === "present" || each === "stale" ? records.get(identifiers[row]!)!.texts.get(feature) : undefined;
      return text === undefined ? null : valueOfText(type, text, where);
    });
    columns[name] = columnOfValues(type, values);
  }
  return { view: view.name, columns, status: { status, ageMs } };
}

interface ReadRecord {
  readonly status: "present" | "expired";
  readonly ageMs: number;
  readonly texts: ReadonlyMap<string, string | undefined>;
}

function readRecord(
  view: FeatureView,
  group: string,
  { Record: values = [], ExpiresAt }: FoundRecord,
  timeMs: number,
): ReadRecord {
  const texts = new Map(values.map(({ FeatureName = "", ValueAsString }) => [FeatureName, ValueAsString]));
  const where = { group, feature: view.eventTime };
  const ageMs = timeMs - timeOfText(texts.get(view.eventTime) ?? "", where) / 1000;
  const hasExpired =
    (view.ttlMs !== undefined && ageMs >= view.ttlMs) ||
    (ExpiresAt !== undefined && ExpiresAt !== "" && timeMs >= timeOfText(ExpiresAt, where) / 1000);
  return { status: hasExpired ? "expired" : "present", ageMs, texts };
}

const STORES = { online: ["OnlineStore"], history: ["OfflineStore"], both: ["OnlineStore", "OfflineStore"] } as const;

async function putRows(
  place: Place,
  rows: Batch | readonly SourceRow[],
  { ttlMs, to, signal }: SageMakerPutOptions,
): Promise<{ readonly rows: number; readonly skippedRows: number }> {
  const { view, group, recordIdentifier } = place;
  const where = `The rows for "${view.name}"`;
  const batch = "columns" in rows ? rows : batchOfRows(where, view, rows);
  checkBatch(where, sourceSchema(view), batch);
  const identifiers = entityKeysOf(view.entity.keys, batch);
  const times = toArray(columnOf(batch, view.eventTime)) as (bigint | null)[];
  const gone = view.deleted === undefined ? [] : toArray(columnOf(batch, view.deleted));
  const names = [...new Set([...Object.keys(view.entity.keys), ...Object.keys(view.features)])];
  const texts = names.map((name) => [name, textsOfColumn(columnOf(batch, name))] as const);
  const whole = identifiers.flatMap((identifier, row) => {
    const timeUs = times[row];
    return identifier === undefined || timeUs == null ? [] : [{ identifier, timeUs, row }];
  });
  await sideBySide(whole, async ({ identifier, timeUs, row }) => {
    signal?.throwIfAborted();
    if (gone[row] === true) return await deleteOne(place, { identifier, timeUs, hard: false }, signal);
    const values = new Map<string, string>([
      [recordIdentifier, identifier],
      [view.eventTime, eventTimeText(timeUs, place.eventTime)],
    ]);
    for (const [name, all] of texts) if (all[row] !== undefined && !values.has(name)) values.set(name, all[row]);
    const input = {
      FeatureGroupName: group.name,
      Record: [...values].map(([FeatureName, ValueAsString]) => ({ FeatureName, ValueAsString })),
      ...(to === undefined ? {} : { TargetStores: [...STORES[to]] }),
      ...(ttlMs === undefined ? {} : { TtlDuration: { Unit: "Seconds" as const, Value: Math.ceil(ttlMs / 1000) } }),
    };
    await calling(group, signal, (options) => group.client.putRecord(input, options));
  });
  return { rows: whole.length, skippedRows: batch.length - whole.length };
}

async function deleteOne(
  { group, eventTime }: Place,
  { identifier, timeUs, hard }: { readonly identifier: string; readonly timeUs: bigint; readonly hard: boolean },
  signal: AbortSignal | undefined,
): Promise<void> {
  const input = {
    FeatureGroupName: group.name,
    RecordIdentifierValueAsString: identifier,
    EventTime: eventTimeText(timeUs, eventTime),
    DeletionMode: hard ? ("HardDelete" as const) : ("SoftDelete" as const),
  };
  await calling(group, signal, (options) => group.client.deleteRecord(input, options));
}
