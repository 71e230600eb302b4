import { isMillwrightError } from "@millwright/contracts";
import {
  defineEntity,
  defineFeatureView,
  type Entity,
  type FeatureType,
  type FeatureView,
  type KeyType,
} from "../definition/definition.ts";
import { defineFeatureService, type FeatureService } from "../definition/service-definition.ts";
import { isRecord, type JsonRecord } from "../http/message.ts";
import { feastRegistryInvalid } from "./errors.ts";

/** Something of a registry that has no equal here, or not the whole of it. */
export interface UnmappedFeastObject {
  /** What Feast calls it: `featureView`, `featureService`, `onDemandFeatureView`, … */
  readonly kind: string;
  readonly name: string;
  /** Why, and what is done in its place, as a sentence. */
  readonly reason: string;
}

export interface FeastDefinitions {
  readonly entities: readonly Entity[];
  readonly views: readonly FeatureView[];
  readonly services: readonly FeatureService[];
  /** By the name of a push source, the views behind it: the `pushSources` of `feastRoutes`. */
  readonly pushSources: Readonly<Record<string, readonly string[]>>;
  /** What was left out or taken otherwise; nothing else was. */
  readonly unmapped: readonly UnmappedFeastObject[];
}

const keyTypes: ReadonlyMap<string, KeyType> = new Map([
  ["STRING", "utf8"],
  ["INT32", "int32"],
  ["INT64", "int64"],
]);
const featureTypes: ReadonlyMap<string, FeatureType> = new Map<string, FeatureType>([
  ...keyTypes,
  ["DOUBLE", "float64"],
  ["FLOAT", "float32"],
  ["BOOL", "bool"],
  ["UNIX_TIMESTAMP", "timestamp"],
]);

type Note = (kind: string, name: string, reason: string) => void;

/**
 * The definitions in what `feast registry-dump` prints, parsed: entities, feature views of files and push sources, and services of those.
 * Code in Python, and types that no feature can have, are left out and listed. Reads nothing but its argument.
 * Throws `FEATURE_STORE_FEAST_REGISTRY_INVALID` for what is no such object.
 */
export function definitionsOfFeastRegistry(registry: unknown): FeastDefinitions {
  if (!isRecord(registry)) throw feastRegistryInvalid("it is not a JSON object");
  const unmapped: UnmappedFeastObject[] = [];
  const note: Note = (kind, name, reason) => void unmapped.push({ kind, name, reason });
  const joinKeys = joinKeysOf(registry);
  const views = new Map<string, FeatureView>();
  const pushSources = new Map<string, string[]>();
  for (const spec of specsOf(registry, "featureViews")) {
    const view = viewOf(spec, joinKeys, note);
    if (view === undefined) continue;
    views.set(view.name, view);
    const source = recordOf(spec["streamSource"]);
    if (source["type"] !== "PUSH_SOURCE") continue;
    const name = textOf(source["name"]);
    pushSources.set(name, [...(pushSources.get(name) ?? []), view.name]);
  }
  const services = specsOf(registry, "featureServices").flatMap((spec) => serviceOf(spec, views, note) ?? []);
  for (const [member, kind, reason] of unmappedKinds) {
    for (const spec of specsOf(registry, member)) note(kind, textOf(spec["name"]), reason);
  }
  const entities = new Map([...views.values()].map(({ entity }) => [entity.name, entity]));
  return {
    entities: [...entities.values()],
    views: [...views.values()],
    services,
    pushSources: Object.fromEntries(pushSources),
    unmapped,
  };
}

const unmappedKinds = [
  [
    "onDemandFeatureViews",
    "onDemandFeatureView",
    "Its transformation is Python: write it with `defineOnDemandFeatures`.",
  ],
  [
    "streamFeatureViews",
    "streamFeatureView",
    "Its transformation is Python: push the rows that come out of it to a view of their own.",
  ],
  ["labelViews", "labelView", "Labels are given to `history`, and are not kept by the store."],
  ["savedDatasets", "savedDataset", "Training sets are made again with `history`."],
  ["permissions", "permission", "Access is decided by the `Authorizer` that a face is given."],
] as const;

const recordOf = (value: unknown): JsonRecord => (isRecord(value) ? value : {});
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const recordsOf = (value: unknown): readonly JsonRecord[] => (Array.isArray(value) ? value.filter(isRecord) : []);

/** The specs of one kind. Throws where the registry has no list of them. */
function specsOf(registry: JsonRecord, member: string): readonly JsonRecord[] {
  const listed = registry[member] ?? [];
  if (!Array.isArray(listed)) throw feastRegistryInvalid(`its ${member} are not a list`);
  return listed.map((each) => {
    if (!isRecord(each)) throw feastRegistryInvalid(`one of its ${member} is not an object`);
    return recordOf(each["spec"] ?? each);
  });
}

/** By entity name: its key column, and the type it was given. */
type JoinKeys = ReadonlyMap<string, { readonly column: string; readonly type: string }>;

const joinKeysOf = (registry: JsonRecord): JoinKeys =>
  new Map(
    specsOf(registry, "entities").map((spec) => [
      textOf(spec["name"]),
      { column: textOf(spec["joinKey"]), type: textOf(spec["valueType"]) },
    ]),
  );

function viewOf(spec: JsonRecord, joinKeys: JoinKeys, note: Note): FeatureView | undefined {
  const name = textOf(spec["name"]);
  const leaveOut = (reason: string): undefined => note("featureView", name, reason) as undefined;
  if (spec["featureTransformation"] !== undefined || spec["userDefinedFunction"] !== undefined) {
    return leaveOut("Its transformation is Python: ingest the rows that come out of it.");
  }
  const source = recordOf(spec["batchSource"]);
  const eventTime = textOf(source["timestampField"]);
  if (eventTime === "")
    return leaveOut("Its source names no timestamp field, so that nobody knows when a row is known.");
  const features = featuresOf(name, spec, note);
  if (Object.keys(features).length === 0) return leaveOut("None of its features has a type that features can have.");
  const keys = keysOf(spec, joinKeys);
  if (typeof keys === "string") return leaveOut(keys);
  const created = textOf(source["createdTimestampColumn"]);
  const ttlMs = Number.parseFloat(textOf(spec["ttl"])) * 1000;
  if (Object.keys(recordOf(source["fieldMapping"])).length > 0) {
    note(
      "dataSource",
      textOf(source["name"]),
      "Its field mapping is not kept: rename the columns before they are ingested.",
    );
  }
  try {
    return defineFeatureView({
      name,
      entity: defineEntity({ name: (spec["entities"] as readonly string[]).join("__"), keys }),
      eventTime,
      createdTime: created === "" ? undefined : created,
      features,
      ttlMs: ttlMs > 0 ? ttlMs : undefined,
    });
  } catch (error) {
    if (!isMillwrightError(error)) throw error;
    return leaveOut(error.message);
  }
}

function featuresOf(view: string, spec: JsonRecord, note: Note): Readonly<Record<string, FeatureType>> {
  const features: Record<string, FeatureType> = {};
  for (const column of recordsOf(spec["features"])) {
    const name = textOf(column["name"]);
    const type = featureTypes.get(textOf(column["valueType"]));
    if (type !== undefined) features[name] = type;
    else
      note("feature", `${view}:${name}`, `No feature can have the type ${textOf(column["valueType"]) || "INVALID"}.`);
  }
  return features;
}

/** The key columns of a view with their types, or why it cannot have them. */
function keysOf(spec: JsonRecord, joinKeys: JoinKeys): Readonly<Record<string, KeyType>> | string {
  const names = Array.isArray(spec["entities"]) ? (spec["entities"] as readonly unknown[]) : [];
  const declared = new Map(
    recordsOf(spec["entityColumns"]).map((column) => [textOf(column["name"]), textOf(column["valueType"])]),
  );
  const keys: Record<string, KeyType> = {};
  for (const name of names) {
    const entity = joinKeys.get(textOf(name));
    if (entity === undefined) return `Its entity ${textOf(name)} is not in the registry.`;
    if (entity.column === "__dummy_id") return "It has no entity, and views are by entity.";
    const type = declared.get(entity.column) ?? entity.type;
    const key = keyTypes.get(type);
    if (key === undefined)
      return `Its key ${entity.column} is ${type || "of no type"}; keys are text or whole numbers.`;
    keys[entity.column] = key;
  }
  return names.length === 0 ? "It has no entity, and views are by entity." : keys;
}

function serviceOf(spec: JsonRecord, views: ReadonlyMap<string, FeatureView>, note: Note): FeatureService | undefined {
  const name = textOf(spec["name"]);
  const taken: FeatureView[] = [];
  for (const projection of recordsOf(spec["features"])) {
    const viewName = textOf(projection["featureViewName"]);
    const view = views.get(viewName);
    const alias = textOf(projection["featureViewNameAlias"]);
    const isRenamed =
      (alias !== "" && alias !== viewName) || Object.keys(recordOf(projection["joinKeyMap"])).length > 0;
    if (view === undefined || isRenamed) {
      const reason = isRenamed
        ? `It takes "${viewName}" under another name or by other keys: define a view of its own for that.`
        : `It takes "${viewName}", which was left out.`;
      note("featureService", name, reason);
      return undefined;
    }
    const columns = recordsOf(projection["featureColumns"]).map((column) => textOf(column["name"]));
    const more = view.featureNames.filter((feature) => !columns.includes(feature));
    if (columns.length > 0 && more.length > 0) {
      note("featureService", name, `It gives all of "${viewName}", and so ${more.join(", ")} too.`);
    }
    taken.push(view);
  }
  try {
    return defineFeatureService({ name, views: taken });
  } catch (error) {
    if (!isMillwrightError(error)) throw error;
    note("featureService", name, error.message);
    return undefined;
  }
}
