import { createHash } from "node:crypto";
import type { ColumnType, Digest, Field, NumericType, Schema } from "@millwright/contracts";
import type { Aggregate } from "./aggregate.ts";
import { aggregateField } from "./aggregates.ts";
import { checkName } from "./definition-name.ts";
import { definitionInvalid } from "./errors.ts";
import { checkStored, describeOnDemand, type OnDemandFeatures } from "./on-demand-definition.ts";
import { aggregateProblem } from "./windows/aggregate-rules.ts";

/** Types a key may have: text and whole numbers. */
export type KeyType = "utf8" | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32";
/** Types a feature may have. */
export type FeatureType = NumericType | "bool" | "utf8";
/** Types an aggregate can be taken of; of text there are `distinct`, `firstValue` and `lastValue`. */
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
  | "float64";

/** What features are about. */
export interface Entity<Keys extends Readonly<Record<string, KeyType>> = Readonly<Record<string, KeyType>>> {
  readonly name: string;
  /** The columns that name one, and their types. */
  readonly keys: Keys;
}

export interface FeatureViewDefinition<
  Name extends string,
  Features extends Readonly<Record<string, FeatureType>>,
  Inputs extends Readonly<Record<string, InputType>>,
  Aggregates extends Readonly<Record<string, Aggregate<Extract<keyof Inputs, string>>>>,
> {
  readonly name: Name;
  readonly entity: Entity;
  /** The timestamp column from which on a row is known. */
  readonly eventTime: string;
  /** The timestamp column that decides between rows of one event time: the later one wins, then the one ingested later. */
  readonly createdTime?: string | undefined;
  /**
   * The bool column that is true in rows which say that the entity is gone: from such a row on its features are null, until a newer row.
   * Not for views with aggregates. Default: nothing is deleted.
   */
  readonly deleted?: string | undefined;
  /**
   * The bool column that is true in rows which take back another row of the same entity, event time and inputs, whichever of the two comes first.
   * Only for views without `features`. Default: nothing is taken back.
   */
  readonly retracted?: string | undefined;
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
}

/** Rows of one source, by entity and event time, and the features they give. */
export interface FeatureView<Name extends string = string, FeatureName extends string = string> {
  readonly name: Name;
  readonly entity: Entity;
  readonly eventTime: string;
  readonly createdTime: string | undefined;
  readonly deleted: string | undefined;
  readonly retracted: string | undefined;
  readonly features: Readonly<Record<string, FeatureType>>;
  readonly inputs: Readonly<Record<string, InputType>>;
  readonly aggregates: Readonly<Record<string, Aggregate>>;
  readonly ttlMs: number | undefined;
  readonly decimals: number;
  readonly featureNames: readonly FeatureName[];
}

/** The values that a function of request inputs gets: timestamps as milliseconds, 64-bit integers as bigint, all else as JavaScript has it. */
export type InputValue<Type extends FeatureType> =
  | null
  | (Type extends "utf8" ? string : Type extends "bool" ? boolean : Type extends "int64" | "uint64" ? bigint : number);

export type InputRow<Inputs extends Readonly<Record<string, FeatureType>>> = {
  readonly [Name in keyof Inputs]: InputValue<Inputs[Name]>;
};

/** Features of several views and on demand, as one model takes them. */
export interface FeatureService<FeatureName extends string = string> {
  readonly name: string;
  readonly views: readonly FeatureView[];
  readonly onDemand: readonly OnDemandFeatures[];
  /** Equal digests give equal features. */
  readonly digest: Digest;
  readonly entityKeys: Schema;
  readonly requestInputs: Schema;
  /** The features in order: `<view>__<feature>` by view, then those on demand under their own names. */
  readonly features: Schema;
  readonly featureNames: readonly FeatureName[];
}

/** Columns that the history adds. */
const RESERVED = new Set(["ds", "_sequence"]);

/** Throws `FEATURE_STORE_DEFINITION_INVALID`. */
export function defineEntity<const Keys extends Readonly<Record<string, KeyType>>>(entity: {
  readonly name: string;
  readonly keys: Keys;
}): Entity<Keys> {
  checkName("The entity", entity.name);
  if (Object.keys(entity.keys).length === 0) {
    throw definitionInvalid(`The entity "${entity.name}"`, "it has no keys", "Name at least one key column.");
  }
  return { name: entity.name, keys: { ...entity.keys } };
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID`. */
export function defineFeatureView<
  const Name extends string,
  const Features extends Readonly<Record<string, FeatureType>> = Readonly<Record<never, FeatureType>>,
  const Inputs extends Readonly<Record<string, InputType>> = Readonly<Record<never, InputType>>,
  const Aggregates extends Readonly<Record<string, Aggregate<Extract<keyof Inputs, string>>>> = Readonly<
    Record<never, Aggregate<never>>
  >,
>(
  definition: FeatureViewDefinition<Name, Features, Inputs, Aggregates>,
): FeatureView<Name, Extract<keyof Features | keyof Aggregates, string>> {
  const features: Readonly<Record<string, FeatureType>> = { ...definition.features };
  const inputs: Readonly<Record<string, InputType>> = { ...definition.inputs };
  const aggregates: Readonly<Record<string, Aggregate>> = { ...definition.aggregates };
  const { name, entity, eventTime, createdTime, deleted, retracted, ttlMs, decimals = 6 } = definition;
  const featureNames = [...Object.keys(features), ...Object.keys(aggregates)];
  const view = {
    name,
    entity,
    eventTime,
    createdTime,
    deleted,
    retracted,
    features,
    inputs,
    aggregates,
    ttlMs,
    decimals,
    featureNames,
  };
  checkView(view);
  return view as unknown as FeatureView<Name, Extract<keyof Features | keyof Aggregates, string>>;
}

function checkView(view: FeatureView): void {
  checkName("The feature view", view.name);
  const fail = (problem: string, remedy: string): never => {
    throw definitionInvalid(`The feature view "${view.name}"`, problem, remedy);
  };
  if (view.featureNames.length === 0) fail("it has no features", "Name `features` or `aggregates`.");
  const columns = [...Object.keys(view.entity.keys), view.eventTime, ...Object.keys(view.features)];
  if (view.createdTime !== undefined) columns.push(view.createdTime);
  if (view.deleted !== undefined) columns.push(view.deleted);
  if (view.retracted !== undefined) columns.push(view.retracted);
  if (view.retracted !== undefined && Object.keys(view.features).length > 0) {
    fail("it has retractions and features of the newest row", "Give the features a view of their own.");
  }
  if (view.deleted !== undefined && Object.keys(view.aggregates).length > 0) {
    fail("it has deletes and aggregates", "Give the aggregates a view of their own.");
  }
  const all = [...columns, ...Object.keys(view.inputs)];
  for (const column of all) if (RESERVED.has(column)) fail(`"${column}" is a reserved column`, "Rename the column.");
  if (new Set(columns).size !== columns.length) fail("a column has two roles", "Give each role a column of its own.");
  if (new Set(view.featureNames).size !== view.featureNames.length) fail("two features share a name", "Rename one.");
  for (const [name, aggregate] of Object.entries(view.aggregates)) {
    const problem = aggregateProblem(name, aggregate, view.inputs);
    if (problem !== undefined) fail(...problem);
  }
  if (view.ttlMs !== undefined && !(view.ttlMs > 0))
    fail(`ttlMs is ${view.ttlMs}`, "Give a length above 0, or leave it out.");
  if (!(Number.isInteger(view.decimals) && view.decimals >= 0 && view.decimals <= 12)) {
    fail(`decimals is ${view.decimals}`, "Give a whole number from 0 to 12.");
  }
}

type NamesOfView<View> = View extends FeatureView<infer Name, infer FeatureName> ? `${Name}__${FeatureName}` : never;
type NamesOnDemand<Features> = Features extends OnDemandFeatures<infer FeatureName> ? FeatureName : never;

/** Throws `FEATURE_STORE_DEFINITION_INVALID`. */
export function defineFeatureService<
  const Views extends readonly FeatureView[],
  const OnDemand extends readonly OnDemandFeatures[] = readonly [],
>(definition: {
  readonly name: string;
  readonly views: Views;
  readonly onDemand?: OnDemand | undefined;
}): FeatureService<NamesOfView<Views[number]> | NamesOnDemand<OnDemand[number]>> {
  const { name, views, onDemand = [] } = definition;
  checkName("The feature service", name);
  const stored = views.flatMap(featuresOfView);
  for (const each of onDemand) checkStored(name, each, stored);
  const features = [...stored, ...onDemand.flatMap((each) => fieldsOf(each.features))];
  const entityKeys = merge(
    name,
    views.map((view) => fieldsOf(view.entity.keys)),
  );
  const requestInputs = merge(
    name,
    onDemand.map((each) => fieldsOf(each.inputs)),
  );
  const featureNames = features.map((field) => field.name);
  if (new Set(featureNames).size !== featureNames.length) {
    throw definitionInvalid(
      `The feature service "${name}"`,
      "two features share a name",
      "Name every view once, and rename features on demand.",
    );
  }
  const digest = digestOf({ views: views.map(describeView), onDemand: onDemand.map(describeOnDemand) });
  return { name, views, onDemand, digest, entityKeys, requestInputs, features, featureNames: featureNames as never };
}

/** The name of a view's feature in a service. */
export const featureName = (view: FeatureView, feature: string): string => `${view.name}__${feature}`;

function featuresOfView(view: FeatureView): Field[] {
  return [
    ...Object.entries(view.features).map(([name, type]) => ({ name: featureName(view, name), type })),
    ...Object.entries(view.aggregates).map(([name, each]) => aggregateField(view, featureName(view, name), each)),
  ];
}

const fieldsOf = (types: Readonly<Record<string, ColumnType>>): Field[] =>
  Object.entries(types).map(([name, type]) => ({ name, type }));

function merge(service: string, schemas: readonly Schema[]): Schema {
  const fields = new Map<string, Field>();
  for (const field of schemas.flat()) {
    const known = fields.get(field.name);
    if (known !== undefined && known.type !== field.type) {
      const problem = `"${field.name}" is ${known.type} in one place and ${field.type} in another`;
      throw definitionInvalid(`The feature service "${service}"`, problem, "Use one type.");
    }
    fields.set(field.name, field);
  }
  return [...fields.values()];
}

/** All of a view that decides what its features are. */
const describeView = (view: FeatureView): object => ({
  name: view.name,
  keys: view.entity.keys,
  eventTime: view.eventTime,
  createdTime: view.createdTime ?? null,
  deleted: view.deleted ?? null,
  // Absent where there is none, so that digests of before stay.
  ...(view.retracted === undefined ? {} : { retracted: view.retracted }),
  features: view.features,
  inputs: view.inputs,
  aggregates: Object.entries(view.aggregates),
  ttlMs: view.ttlMs ?? null,
  decimals: view.decimals,
});

/** Equal digests give equal history and features of the view. */
export const viewDigest = (view: FeatureView): Digest => digestOf(describeView(view));

export function digestOf(value: unknown): Digest {
  return `sha256:${createHash("sha256").update(JSON.stringify(value)).digest("hex")}` as Digest;
}
