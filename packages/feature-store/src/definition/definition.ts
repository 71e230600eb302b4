import { createHash } from "node:crypto";
import type { DataSchema, Digest, NumericType } from "@millwright/contracts";
import type { Aggregate } from "./aggregate.ts";
import {
  type AnyDefinition,
  checkDeclared,
  checkDefault,
  checkOptions,
  checkTags,
  checkTypes,
  KEY_TYPES,
  METADATA,
} from "./definition-check.ts";
import { checkName } from "./definition-name.ts";
import { definitionInvalid, nameReserved } from "../errors.ts";
import { type ColumnsMetadata, declaredSchema, type Metadata } from "./metadata.ts";
import type { RowOf } from "./row-type.ts";
import { type SourceRow, sourceSchema } from "./source-columns.ts";
import { RESERVED_COLUMNS } from "./system-columns.ts";
import { aggregateProblem } from "../windows/aggregate-rules.ts";

/** Types a key may have: text and whole numbers. */
export type KeyType = "utf8" | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32";
/** Types a feature may have. */
export type FeatureType = NumericType | "bool" | "utf8";
/** Types an aggregate can be taken of; of text there are `distinct`, `first`, `last`, `firstValue` and `lastValue`, of timestamps `min` and `max` as well. */
export type InputType =
  | "bool"
  | "utf8"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "float32"
  | "float64"
  | "timestamp";

/** What features are about. */
export interface Entity<
  Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>,
> extends Metadata {
  readonly name: string;
  /** The columns that name one, and their types. */
  readonly keys: Keys;
}

/** The name of an input, or of several. */
export type EventIdOf<Inputs> = Extract<keyof Inputs, string> | readonly Extract<keyof Inputs, string>[];

export interface FeatureViewDefinition<
  Name extends string,
  Features extends Readonly<Record<string, FeatureType>>,
  Inputs extends Readonly<Record<string, InputType>>,
  Aggregates extends Readonly<Record<string, Aggregate<Extract<keyof Inputs, string>>>>,
  Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>,
  EventTime extends string = string,
  CreatedTime extends string = string,
  Mark extends string = string,
> extends Metadata {
  readonly name: Name;
  /** Versions of a view have a history and online rows each of their own. Default: 1. */
  readonly version?: number | undefined;
  readonly entity: Entity<Keys>;
  /** The timestamp column from which on a row is known. */
  readonly eventTime: EventTime;
  /** The timestamp column that decides between rows of one event time: the later one wins, then the one ingested later. */
  readonly createdTime?: CreatedTime | undefined;
  /**
   * The bool column that is true in rows which say that the entity is gone: from such a row on its features are null, until a newer row. Windows of times
   * after it leave out the entity's rows at its event time or before, whenever they come. Default: nothing is deleted.
   */
  readonly deleted?: Mark | undefined;
  /**
   * The bool column that is true in rows which take back another row of the same entity, event time and inputs, whichever of the two comes first.
   * Only for views without `features`. Default: nothing is taken back.
   */
  readonly retracted?: Mark | undefined;
  /**
   * The inputs that, with entity and event time, tell one event from another: rows that are equal in them are one event and count once in windows, however often
   * and by whatever way they come. Of rows of one event the one created last counts. Default: each row is an event of its own.
   */
  readonly eventId?: EventIdOf<Inputs> | undefined;
  /** Columns whose newest value is a feature. Default: none. */
  readonly features?: Features | undefined;
  /** Columns that aggregates are taken of. Default: none. */
  readonly inputs?: Inputs | undefined;
  /** Features over windows. Default: none. */
  readonly aggregates?: Aggregates | undefined;
  /** How long a row is good: at `eventTime + ttlMs` it has expired. Default: for ever. */
  readonly ttlMs?: number | undefined;
  /** Floating-point inputs are rounded to so many decimals, so that sums are exact in any order. Default: 6. */
  readonly decimals?: number | undefined;
  /** Which of rows with equal event and created times counts: the one written first, as in SageMaker, or last. Default: `"last"`. */
  readonly ties?: "first" | "last" | undefined;
  /** How old a row may be when it is served, and what then. Default: any age. */
  readonly freshness?: Freshness | undefined;
  /** What stands in online, by feature, for a row that is missing, expired, deleted, or stale under the policy `"default"`. Default: null. */
  readonly defaults?:
    | Partial<Readonly<Record<Extract<keyof Features | keyof Aggregates, string>, FeatureDefault>>>
    | undefined;
  /** How long after its event time a row is available at the latest; what comes later is told by the check for leakage. Default: any time. */
  readonly availabilityLagMs?: number | undefined;
  /** What is said of columns and features, by name. Default: nothing. */
  readonly columns?: ColumnsMetadata | undefined;
}

/** Rows of one source, by entity and event time, and the features they give. */
export interface FeatureView<
  Name extends string = string,
  FeatureName extends string = string,
  Row extends SourceRow = SourceRow,
> extends Metadata {
  /** For the compiler alone, what a plain row of the view is: there is no value. */
  readonly "~row"?: Row | undefined;
  readonly name: Name;
  readonly version: number;
  /** What tells it from all others: its name, and from version 2 on `name@v2`. */
  readonly id: string;
  readonly entity: Entity;
  readonly eventTime: string;
  readonly createdTime: string | undefined;
  readonly deleted: string | undefined;
  readonly retracted: string | undefined;
  /** Empty where each row is an event of its own. */
  readonly eventId: readonly string[];
  readonly features: Readonly<Record<string, FeatureType>>;
  readonly inputs: Readonly<Record<string, InputType>>;
  readonly aggregates: Readonly<Record<string, Aggregate>>;
  readonly ttlMs: number | undefined;
  readonly decimals: number;
  readonly ties: "first" | "last";
  readonly freshness: Freshness | undefined;
  readonly defaults: Readonly<Record<string, FeatureDefault>>;
  readonly availabilityLagMs: number | undefined;
  readonly columns: ColumnsMetadata;
  /** The columns it reads from its source. */
  readonly schema: DataSchema;
  readonly featureNames: readonly FeatureName[];
}

/** How old a served row may be. */
export interface Freshness {
  /** Milliseconds between its event time and the reading: at this age it is stale. */
  readonly maxAgeMs: number;
  /** Serve it all the same, marked `stale`; put the view's defaults in its place; or fail the read with `FEATURE_STORE_STALE`. */
  readonly onStale: "serve" | "default" | "fail";
}

/** A value that stands in: bigint for 64-bit integers and timestamps (microseconds). */
export type FeatureDefault = null | number | bigint | string | boolean;

/** The values that a function of request inputs gets: timestamps as milliseconds, 64-bit integers as bigint, all else as JavaScript has it. */
export type InputValue<Type extends FeatureType> =
  | null
  | (Type extends "utf8" ? string : Type extends "bool" ? boolean : Type extends "int64" | "uint64" ? bigint : number);

export type InputRow<Inputs extends Readonly<Record<string, FeatureType>>> = {
  readonly [Name in keyof Inputs]: InputValue<Inputs[Name]>;
};

/** Columns that the history adds. */
const RESERVED = new Set(RESERVED_COLUMNS);

/** Throws `FEATURE_STORE_DEFINITION_INVALID`. */
export function defineEntity<const Keys extends Readonly<Record<string, KeyType>>>(
  entity: Metadata & { readonly name: string; readonly keys: Keys },
): Entity<Keys> {
  checkName("The entity", entity.name);
  const what = `The entity "${entity.name}"`;
  checkTypes(what, "keys", entity.keys, KEY_TYPES);
  if (Object.keys(entity.keys).length === 0) {
    throw definitionInvalid(what, "it has no keys", "Name at least one key column.");
  }
  checkOptions(what, entity, ["name", "keys", ...METADATA]);
  checkTags(what, entity.tags);
  return { ...metadataOf(entity), name: entity.name, keys: { ...entity.keys } };
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID`. */
export function defineFeatureView<
  const Name extends string,
  const Features extends Readonly<Record<string, FeatureType>> = Readonly<Record<never, FeatureType>>,
  const Inputs extends Readonly<Record<string, InputType>> = Readonly<Record<never, InputType>>,
  const Aggregates extends Readonly<Record<string, Aggregate<Extract<keyof Inputs, string>>>> = Readonly<
    Record<never, Aggregate<never>>
  >,
  const Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>,
  const EventTime extends string = string,
  const CreatedTime extends string = never,
  const Mark extends string = never,
>(
  definition: FeatureViewDefinition<Name, Features, Inputs, Aggregates, Keys, EventTime, CreatedTime, Mark>,
): FeatureView<
  Name,
  Extract<keyof Features | keyof Aggregates, string>,
  RowOf<Keys, Features, Inputs, { eventTime: EventTime; createdTime: CreatedTime; marks: Mark }>
> {
  checkDeclared(definition);
  const view = viewOf(definition);
  checkView(view);
  return { ...view, schema: schemaOfView(view) } as never;
}

/** The definition with its defaults. */
function viewOf(definition: AnyDefinition): Unschemed {
  const features: Readonly<Record<string, FeatureType>> = { ...definition.features };
  const inputs: Readonly<Record<string, InputType>> = { ...definition.inputs };
  const aggregates: Readonly<Record<string, Aggregate>> = { ...definition.aggregates };
  const {
    name,
    entity,
    eventTime,
    createdTime,
    deleted,
    retracted,
    eventId = [],
    ttlMs,
    decimals = 6,
    ties = "last",
    freshness,
    version = 1,
  } = definition;
  return {
    ...metadataOf(definition),
    name,
    version,
    id: versionedName(name, version),
    columns: { ...definition.columns } as ColumnsMetadata,
    availabilityLagMs: definition.availabilityLagMs,
    entity,
    eventTime,
    createdTime,
    deleted,
    retracted,
    eventId: Array.isArray(eventId) ? eventId.map(String) : [String(eventId)],
    features,
    inputs,
    aggregates,
    ttlMs,
    decimals,
    ties,
    freshness,
    defaults: { ...definition.defaults } as Readonly<Record<string, FeatureDefault>>,
    featureNames: [...Object.keys(features), ...Object.keys(aggregates)],
  };
}

/** What tells a version of a definition from all others. */
export const versionedName = (name: string, version: number): string => (version === 1 ? name : `${name}@v${version}`);

export const metadataOf = ({ description, owner, tags }: Metadata): Metadata => ({
  ...(description === undefined ? {} : { description }),
  ...(owner === undefined ? {} : { owner }),
  ...(tags === undefined ? {} : { tags: { ...tags } }),
});

type Unschemed = Omit<FeatureView, "schema">;

/** Keys and event time are never null: rows where they are have no place in the history. */
const schemaOfView = (view: Unschemed): DataSchema =>
  declaredSchema(sourceSchema(view), view.columns, new Set([...Object.keys(view.entity.keys), view.eventTime]));

export function checkVersion(what: string, version: number): void {
  if (!(Number.isInteger(version) && version >= 1))
    throw definitionInvalid(what, `its version is ${version}`, "Count versions from 1.");
}

function checkView(view: Unschemed): void {
  checkVersion(`The feature view "${view.name}"`, view.version);
  const fail = (problem: string, remedy: string): never => {
    throw definitionInvalid(`The feature view "${view.name}"`, problem, remedy);
  };
  if (view.featureNames.length === 0) fail("it has no features", "Name `features` or `aggregates`.");
  const columns = [...Object.keys(view.entity.keys), view.eventTime, ...Object.keys(view.features)];
  if (view.createdTime !== undefined) columns.push(view.createdTime);
  if (view.deleted !== undefined) columns.push(view.deleted);
  if (view.retracted !== undefined) columns.push(view.retracted);
  if (view.retracted !== undefined && Object.keys(view.features).length > 0) {
    fail(
      "it has retractions and features of the newest row, and what was before that row is not kept online",
      "Give the features a view of their own, and take a wrong row back by a newer one: the values it should have had, or a delete.",
    );
  }
  for (const name of view.eventId) {
    if (!Object.hasOwn(view.inputs, name)) fail(`its eventId is "${name}"`, "Declare it under `inputs` with its type.");
  }
  if (view.eventId.length > 0 && Object.keys(view.aggregates).length === 0) {
    fail("it has an eventId and no windows in which events count", "Leave it out, or name `aggregates`.");
  }
  const all = [...columns, ...Object.keys(view.inputs)];
  for (const column of all) if (RESERVED.has(column)) throw nameReserved(view.name, column, [...RESERVED]);
  if (new Set(columns).size !== columns.length) fail("a column has two roles", "Give each role a column of its own.");
  if (new Set(view.featureNames).size !== view.featureNames.length) fail("two features share a name", "Rename one.");
  for (const [name, aggregate] of Object.entries(view.aggregates)) {
    const problem = aggregateProblem(name, aggregate, view.inputs);
    if (problem !== undefined) fail(...problem);
  }
  if (view.ttlMs !== undefined && !(view.ttlMs > 0))
    fail(`ttlMs is ${view.ttlMs}`, "Give a length above 0, or leave it out.");
  if (view.freshness !== undefined && !(view.freshness.maxAgeMs > 0))
    fail(`freshness.maxAgeMs is ${view.freshness.maxAgeMs}`, "Give a length above 0, or leave it out.");
  for (const name of Object.keys(view.columns)) {
    if (!all.includes(name) && !view.featureNames.includes(name))
      fail(`\`columns\` speaks of "${name}"`, "Name a column or feature of the view.");
  }
  for (const name of Object.keys(view.defaults)) {
    if (!view.featureNames.includes(name)) fail(`there is a default for "${name}"`, "Name a feature of the view.");
    const type = view.features[name];
    if (type !== undefined) checkDefault(`The feature view "${view.name}"`, name, view.defaults[name], type);
  }
  if (!(Number.isInteger(view.decimals) && view.decimals >= 0 && view.decimals <= 12)) {
    fail(`decimals is ${view.decimals}`, "Give a whole number from 0 to 12.");
  }
}

/** The name of a view's feature in a service. */
export const featureName = (view: FeatureView, feature: string): string => `${view.name}__${feature}`;

/** All of a view that decides what its features are. */
export const describeView = (view: FeatureView): object => ({
  name: view.name,
  keys: view.entity.keys,
  eventTime: view.eventTime,
  createdTime: view.createdTime ?? null,
  deleted: view.deleted ?? null,
  // Absent where there is none, so that digests of before stay.
  ...(view.retracted === undefined ? {} : { retracted: view.retracted }),
  ...(view.eventId.length === 0 ? {} : { eventId: view.eventId }),
  features: view.features,
  inputs: view.inputs,
  aggregates: Object.entries(view.aggregates),
  ttlMs: view.ttlMs ?? null,
  decimals: view.decimals,
  // What was added later counts only where it is used, so that digests of before stay.
  ...(view.ties === "last" ? {} : { ties: view.ties }),
  ...(view.freshness === undefined ? {} : { freshness: view.freshness }),
  ...(Object.keys(view.defaults).length === 0
    ? {}
    : {
        defaults: Object.entries(view.defaults).map(([name, value]) => [
          name,
          typeof value === "bigint" ? `${value}n` : value,
        ]),
      }),
});

/** By feature: digest of all that decides what it is, wherever else the view changes. */
export function featureDigests(view: FeatureView): Readonly<Record<string, Digest>> {
  const { features, inputs, aggregates, ...shared } = describeView(view) as Record<string, unknown>;
  const aggregated = new Map(aggregates as [string, Aggregate][]);
  const digests = view.featureNames.map((name) => {
    const aggregate = aggregated.get(name);
    const own =
      aggregate === undefined
        ? { type: (features as Record<string, unknown>)[name] }
        : { aggregate, input: (inputs as Record<string, unknown>)[aggregate.input ?? ""] };
    const standIn = view.defaults[name];
    const { defaults: _, ...all } = shared;
    return [name, digestOf({ ...all, own, ...(standIn === undefined ? {} : { standIn: String(standIn) }) })] as const;
  });
  return Object.fromEntries(digests);
}

/** Equal digests give equal history and features of the view. */
export const viewDigest = (view: FeatureView): Digest => digestOf(describeView(view));

export function digestOf(value: unknown): Digest {
  return `sha256:${createHash("sha256").update(JSON.stringify(value)).digest("hex")}` as Digest;
}
