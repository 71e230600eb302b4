import type { ColumnType, DataSchema, Digest, Field, Schema } from "@millwright/contracts";
import { aggregateField } from "../online/aggregates.ts";
import {
  checkVersion,
  describeView,
  digestOf,
  featureName,
  type FeatureView,
  metadataOf,
  versionedName,
} from "./definition.ts";
import { checkOptions, checkTags } from "./definition-check.ts";
import { checkName } from "./definition-name.ts";
import { definitionInvalid } from "../errors.ts";
import { type ColumnsMetadata, declaredSchema, type Metadata } from "./metadata.ts";
import { checkStored, describeOnDemand, type OnDemandFeatures } from "./on-demand-definition.ts";

/** Features of several views and on demand, as one model takes them. */
export interface FeatureService<FeatureName extends string = string> extends Metadata {
  readonly name: string;
  readonly version: number;
  /** What tells it from all others: its name, and from version 2 on `name@v2`. */
  readonly id: string;
  readonly views: readonly FeatureView[];
  readonly onDemand: readonly OnDemandFeatures[];
  /** Equal digests give equal features. */
  readonly digest: Digest;
  readonly entityKeys: Schema;
  readonly requestInputs: Schema;
  /** The features in order: `<view>__<feature>` by view, then those on demand under their own names. */
  readonly features: Schema;
  /** The same features as one schema, for JSON Schema, serving signatures and kinds of columns. */
  readonly schema: DataSchema;
  readonly featureNames: readonly FeatureName[];
}

type NamesOfView<View> = View extends FeatureView<infer Name, infer FeatureName> ? `${Name}__${FeatureName}` : never;
type NamesOnDemand<Features> = Features extends OnDemandFeatures<infer FeatureName> ? FeatureName : never;

/** Throws `FEATURE_STORE_DEFINITION_INVALID`. */
export function defineFeatureService<
  const Views extends readonly FeatureView[],
  const OnDemand extends readonly OnDemandFeatures[] = readonly [],
>(
  definition: Metadata & {
    readonly name: string;
    /** Default: 1. */
    readonly version?: number | undefined;
    readonly views: Views;
    readonly onDemand?: OnDemand | undefined;
  },
): FeatureService<NamesOfView<Views[number]> | NamesOnDemand<OnDemand[number]>> {
  const { name, version = 1, views, onDemand = [] } = definition;
  checkName("The feature service", name);
  const what = `The feature service "${name}"`;
  checkVersion(what, version);
  checkOptions(what, definition, ["name", "version", "views", "onDemand", "description", "owner", "tags"]);
  checkTags(what, definition.tags);
  checkList(what, "views", views, "defineFeatureView");
  checkList(what, "onDemand", onDemand, "defineOnDemandFeatures");
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
    throw definitionInvalid(what, "two features share a name", "Name every view once, and rename features on demand.");
  }
  const digest = digestOf({ views: views.map(describeView), onDemand: onDemand.map(describeOnDemand) });
  return {
    ...metadataOf(definition),
    name,
    version,
    id: versionedName(name, version),
    views,
    onDemand,
    digest,
    entityKeys,
    requestInputs,
    features,
    schema: declaredSchema(features, featureColumns(views), new Set()),
    featureNames: featureNames as never,
  };
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` unless each is an object with features: views are given, not named. */
function checkList(what: string, option: string, given: unknown, maker: string): void {
  const isMade = (each: unknown): boolean => typeof each === "object" && each !== null && "featureNames" in each;
  if (Array.isArray(given) && given.every(isMade)) return;
  throw definitionInvalid(
    what,
    `\`${option}\` is no list of what \`${maker}\` returns`,
    `Write \`${option}: [first, second]\` with the objects themselves, not their names.`,
  );
}

/** What views say of their features, by the names that these have in a service. */
const featureColumns = (views: readonly FeatureView[]): ColumnsMetadata =>
  Object.fromEntries(
    views.flatMap((view) =>
      view.featureNames.flatMap((name) => {
        const said = view.columns[name];
        return said === undefined ? [] : [[featureName(view, name), said] as const];
      }),
    ),
  );

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
