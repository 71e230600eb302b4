import {
  type Batch,
  type Column,
  type FeatureVectors,
  formatEventTime,
  type Schema,
  type ViewStatus,
} from "@millwright/contracts";
import type { FeatureService } from "../definition/service-definition.ts";
import type { FeatureStore } from "../feature-store.ts";
import type { CheckAccess } from "../http/access.ts";
import { columnOfJson, nullColumn } from "../http/batch-body.ts";
import { type ColumnWriter, feastColumnWriter } from "../http/column-text.ts";
import { bodyTooLarge } from "../http/errors.ts";
import type { FaceSetting } from "../http/face-options.ts";
import { JsonBytes, utf8 } from "../http/json-bytes.ts";
import { type HttpAnswer, type HttpRequest, jsonText } from "../http/message.ts";
import { NUMBER_BYTES } from "../http/number-text.ts";
import { feastValueReaders } from "../http/value-readers.ts";
import { feastBody } from "./body.ts";
import { feastRefusal } from "./refusal.ts";
import { featureOfReference, featuresOfService, planReads, type WantedFeature } from "./wanted.ts";

type Entities = Readonly<Record<string, readonly unknown[]>>;

interface OnlineRequest {
  readonly wanted: readonly WantedFeature[];
  readonly reads: ReadonlyMap<FeatureService, readonly WantedFeature[]>;
  readonly entities: Entities;
  readonly rows: number;
  readonly fullNames: boolean;
  readonly withVersions: boolean;
}

/** Answers `POST /get-online-features`: one column a feature, in the order asked, after those of the join keys. */
export async function getOnlineFeatures(
  store: Pick<FeatureStore, "read">,
  request: HttpRequest,
  setting: FaceSetting & { readonly versions: Readonly<Record<string, number>> },
  check: CheckAccess,
): Promise<HttpAnswer> {
  const asked = onlineRequestOf(request.body, setting);
  const timeMs = setting.clock.nowMs();
  const parts = new Map<WantedFeature, AnswerPart>();
  const keys = new Map<string, AnswerPart>();
  const present = presentText(asked.rows);
  for (const [service, features] of asked.reads) {
    await check(request, "features:read", `feature-service/${service.name}`);
    const { entities, inputs } = inputsOf(service, features, asked);
    const vectors =
      asked.rows === 0
        ? undefined
        : await store.read(service.id, { entities, request: inputs, timeMs, signal: request.signal });
    const views = vectors === undefined ? new Map() : statusTexts(vectors, timeMs);
    for (const feature of features) parts.set(feature, partOf(service, feature, vectors, views, present));
    for (const { name, type } of keysOf(service, features)) {
      keys.set(name, { write: feastColumnWriter(type), column: entities.columns[name]!, beside: present });
    }
  }
  const joinKeys = Object.keys(asked.entities).filter((name) => keys.has(name));
  const names = [...joinKeys, ...asked.wanted.map((feature) => nameOf(feature, asked.fullNames))];
  const results = [...joinKeys.map((name) => keys.get(name)!), ...asked.wanted.map((feature) => parts.get(feature)!)];
  const metadata = { feature_names: names, ...(asked.withVersions ? versionsOf(asked.wanted, setting.versions) : {}) };
  return jsonText(answerOf(results, metadata, asked.rows));
}

/** A column of an answer, and what stands beside its values: statuses and event times. */
interface AnswerPart {
  readonly write: ColumnWriter;
  readonly column: Column;
  readonly beside: Uint8Array;
}

const beforeFirst = utf8('{"values":');
const beforeNext = utf8(',{"values":');

function answerOf(results: readonly AnswerPart[], metadata: object, rows: number): Uint8Array {
  const last = utf8(`],"metadata":${JSON.stringify(metadata)}}`);
  const rowBytes = results.length * 24 + NUMBER_BYTES;
  const fixedBytes = results.reduce((sum, { beside }) => sum + beside.length + beforeNext.length, last.length + 64);
  const to = new JsonBytes(fixedBytes + rows * rowBytes);
  to.text('{"results":[');
  results.forEach(({ write, column, beside }, at) => {
    to.put(at === 0 ? beforeFirst : beforeNext);
    write(column, to);
    to.put(beside);
  });
  to.put(last);
  return to.done();
}

function onlineRequestOf(
  bytes: Uint8Array,
  { services, maxBodyRows, versions }: FaceSetting & { readonly versions: Readonly<Record<string, number>> },
): OnlineRequest {
  const body = feastBody(bytes);
  const service = body.optionalText("feature_service");
  const references = body.texts("features") ?? [];
  const entities = body.lists("entities");
  const fullNames = body.flag("full_feature_names");
  const withVersions = body.flag("include_feature_view_version_metadata");
  body.check();
  const rows = rowsOf(entities);
  if (rows > maxBodyRows) throw bodyTooLarge(maxBodyRows, "rows");
  const common = { entities, rows, fullNames, withVersions };
  if (service !== undefined) {
    const found = services.get(service);
    if (found === undefined) {
      throw feastRefusal(404, "FeatureServiceNotFoundException", `Feature service ${service} does not exist`);
    }
    const wanted = featuresOfService(found);
    checkNames(wanted, fullNames);
    return { ...common, wanted, reads: new Map([[found, wanted]]) };
  }
  if (references.length === 0) throw feastRefusal(422, "FeastError", "No features specified for retrieval");
  const all = [...services.values()];
  const known = all.reduce((sum, { features }) => sum + features.length, 0);
  if (references.length > known) {
    const message = `${references.length} features are asked for, and there are ${known}`;
    throw feastRefusal(422, "FeastError", message);
  }
  const wanted = references.map((text) => featureOfReference(text, all, versions));
  checkNames(wanted, fullNames);
  return { ...common, wanted, reads: planReads(all, wanted) };
}

function rowsOf(entities: Entities): number {
  const lengths = Object.values(entities).map((values) => values.length);
  if (new Set(lengths).size > 1) throw feastRefusal(422, "FeastError", "All entity rows must have the same columns.");
  return lengths[0] ?? 0;
}

const nameOf = ({ shortName, fullName }: WantedFeature, isFull: boolean): string => (isFull ? fullName : shortName);

function checkNames(wanted: readonly WantedFeature[], fullNames: boolean): void {
  const names = wanted.map((feature) => nameOf(feature, fullNames));
  if (new Set(names).size === names.length) return;
  const twice = [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];
  const mend = fullNames
    ? "To resolve this collision, ask for each feature once."
    : "To resolve this collision, either use the full feature name by setting 'full_feature_names=True', or ensure that the features in question have different names.";
  const message = `Duplicate features named ${twice.join(", ")} found.\n${mend}`;
  throw feastRefusal(422, "FeatureNameCollisionError", message);
}

/** The join keys of the views that the features come from; of all of the service's where they come from none. */
function keysOf(service: FeatureService, features: readonly WantedFeature[]): Schema {
  const views = features.flatMap(({ view }) => view ?? []);
  if (views.length === 0) return service.entityKeys;
  const needed = new Set(views.flatMap((view) => Object.keys(view.entity.keys)));
  return service.entityKeys.filter(({ name }) => needed.has(name));
}

/** The columns a service reads by. What the features asked for do not need is null. */
function inputsOf(
  service: FeatureService,
  features: readonly WantedFeature[],
  { entities, rows }: OnlineRequest,
): { readonly entities: Batch; readonly inputs: Batch } {
  const hasViews = features.some(({ view }) => view !== undefined);
  const keys = new Set(keysOf(service, features).map(({ name }) => name));
  const needed = new Set(features.flatMap(({ onDemand }) => Object.keys(onDemand?.inputs ?? {})));
  const given = (name: string): boolean => Object.hasOwn(entities, name);
  const absentKeys = [...keys].filter((name) => !given(name));
  if (hasViews && absentKeys.length > 0) {
    const provided = Object.keys(entities).filter((name) => keys.has(name));
    const message = `Missing join key values for keys: [${absentKeys.join(", ")}]. Provided join_key_values: [${provided.join(", ")}]`;
    throw feastRefusal(422, "FeastError", message);
  }
  const absentInputs = [...needed].filter((name) => !given(name));
  if (absentInputs.length > 0) {
    const message = `Required request data source features [${absentInputs.join(", ")}] not found in the entity rows, but required by feature views`;
    throw feastRefusal(404, "RequestDataNotFoundInEntityRowsException", message);
  }
  const batchOf = (fields: Schema, isTaken: (name: string) => boolean): Batch => {
    const columns = fields.map((field) => {
      const isThere = given(field.name) && isTaken(field.name);
      const values = entities[field.name];
      const column =
        isThere && values !== undefined
          ? columnOfJson("The entities", field, values, feastValueReaders)
          : nullColumn(field, rows);
      return [field.name, column] as const;
    });
    return { length: rows, columns: Object.fromEntries(columns) };
  };
  return {
    entities: batchOf(service.entityKeys, (name) => keys.has(name)),
    inputs: batchOf(service.requestInputs, (name) => needed.has(name)),
  };
}

const epoch = "1970-01-01T00:00:00Z";
const repeated = (value: string, rows: number): string => JSON.stringify(Array.from({ length: rows }, () => value));

/** What stands beside values that have no time of their own. */
const presentText = (rows: number): Uint8Array =>
  utf8(`,"statuses":${repeated("PRESENT", rows)},"event_timestamps":${repeated(epoch, rows)}}`);

/** By view, the statuses and event times that stand beside the values of each of its features. */
function statusTexts({ views }: FeatureVectors, timeMs: number): ReadonlyMap<string, Uint8Array> {
  const text = ({ status, ageMs }: ViewStatus): Uint8Array => {
    const statuses = status.map((each) => feastStatuses[each]);
    const times = status.map((each, row) =>
      each === "present" || each === "stale" || each === "expired"
        ? timeText(timeMs * 1000 - ageMs[row]! * 1000)
        : epoch,
    );
    return utf8(`,"statuses":${JSON.stringify(statuses)},"event_timestamps":${JSON.stringify(times)}}`);
  };
  return new Map(Object.entries(views).map(([name, status]) => [name, text(status)]));
}

const timeText = (us: number): string => (Number.isFinite(us) ? formatEventTime(BigInt(Math.round(us))) : epoch);

const feastStatuses = {
  present: "PRESENT",
  stale: "PRESENT",
  defaulted: "PRESENT",
  missing: "NOT_FOUND",
  deleted: "NOT_FOUND",
  expired: "OUTSIDE_MAX_AGE",
} as const;

function partOf(
  service: FeatureService,
  { view, column }: WantedFeature,
  vectors: FeatureVectors | undefined,
  views: ReadonlyMap<string, Uint8Array>,
  present: Uint8Array,
): AnswerPart {
  const field = service.features.find(({ name }) => name === column)!;
  return {
    write: feastColumnWriter(field.type),
    column: vectors?.features.columns[column] ?? nullColumn(field, 0),
    beside: view === undefined || vectors === undefined ? present : views.get(view.name)!,
  };
}

function versionsOf(wanted: readonly WantedFeature[], versions: Readonly<Record<string, number>>): object {
  const names = [...new Set(wanted.flatMap(({ view }) => view?.name ?? []))];
  return {
    feature_view_metadata: names.map((name) => ({
      name,
      ...(Object.hasOwn(versions, name) ? { version: versions[name] } : {}),
    })),
  };
}
