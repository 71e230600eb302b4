import type { CallOptions, Schema } from "@millwright/contracts";
import type { FeatureType, InputRow, InputValue } from "./definition.ts";
import { checkTypes, FEATURE_TYPES } from "./definition-check.ts";
import { checkName } from "./definition-name.ts";
import { definitionInvalid } from "../errors.ts";

type Types = Readonly<Record<string, FeatureType>>;

/** What a function of features gives back; a feature it leaves out is null. */
export type ComputedFeatures<Features extends Types> = {
  readonly [Name in keyof Features]?: InputValue<Features[Name]> | undefined;
};

/** How long features are waited for, and what stands in for those that do not come. */
export interface Waiting {
  /** Milliseconds from the start of the read. */
  readonly timeoutMs: number;
  readonly defaults: Readonly<Record<string, unknown>>;
}

/** Features computed from what comes with the request and from stored features, by the same function in training and in serving. */
export interface OnDemandFeatures<FeatureName extends string = string> {
  readonly name: string;
  readonly inputs: Types;
  /** The features of the service's views that it takes as well, by their names in the service. */
  readonly stored: Types;
  readonly features: Types;
  readonly compute: (row: never, options: never) => unknown;
  /** Of features that are waited for. */
  readonly waiting: Waiting | undefined;
  readonly featureNames: readonly FeatureName[];
}

interface Parts<Inputs extends Types, Features extends Types, Stored extends Types> {
  readonly name: string;
  /** What must come with the request, or stand in the labels. */
  readonly inputs: Inputs;
  /** Features of the service's views that it takes as well, by their names in the service (`<view>__<feature>`), with their types. Default: none. */
  readonly stored?: Stored | undefined;
  readonly features: Features;
}

export interface OnDemandDefinition<
  Inputs extends Types,
  Features extends Types,
  Stored extends Types = Readonly<Record<never, FeatureType>>,
> extends Parts<Inputs, Features, Stored> {
  /** Pure: its result depends on the row alone. A feature it leaves out is null. */
  readonly compute: (row: InputRow<Inputs & Stored>) => ComputedFeatures<Features>;
}

export interface AwaitedDefinition<
  Inputs extends Types,
  Features extends Types,
  Stored extends Types = Readonly<Record<never, FeatureType>>,
> extends Parts<Inputs, Features, Stored> {
  /** Its result should depend on the row alone, or training and serving differ. `signal` aborts when the time is over. */
  readonly compute: (row: InputRow<Inputs & Stored>, options: CallOptions) => Promise<ComputedFeatures<Features>>;
  /** How long an online read waits, in milliseconds above 0. Training sets wait for every row, however long it takes. */
  readonly timeoutMs: number;
  /** What rows get whose features do not come in time; a feature left out is null. They are marked `timedOut`. */
  readonly defaults: ComputedFeatures<Features>;
}

/**
 * Features by a function that gives them at once. In one request it runs once for equal inputs, however many services ask.
 * Throws `FEATURE_STORE_DEFINITION_INVALID`.
 */
export function defineOnDemandFeatures<
  const Inputs extends Types,
  const Features extends Types,
  const Stored extends Types = Readonly<Record<never, FeatureType>>,
>(definition: OnDemandDefinition<Inputs, Features, Stored>): OnDemandFeatures<Extract<keyof Features, string>> {
  const { name, inputs, stored, features, compute } = definition;
  if (Object.prototype.toString.call(compute) === "[object AsyncFunction]") {
    const remedy = "Use `defineAwaitedFeatures`, with a timeout and defaults.";
    throw definitionInvalid(`The on-demand features "${name}"`, "`compute` is async", remedy);
  }
  return createFeatures({ name, inputs, stored, features }, compute as OnDemandFeatures["compute"], undefined);
}

/**
 * Features that are waited for, such as those of another service: online for `timeoutMs` at most, after which rows get `defaults` and the status
 * `timedOut`. Throws `FEATURE_STORE_DEFINITION_INVALID`.
 */
export function defineAwaitedFeatures<
  const Inputs extends Types,
  const Features extends Types,
  const Stored extends Types = Readonly<Record<never, FeatureType>>,
>(definition: AwaitedDefinition<Inputs, Features, Stored>): OnDemandFeatures<Extract<keyof Features, string>> {
  const { name, inputs, stored, features, compute, timeoutMs, defaults } = definition;
  if (!(timeoutMs > 0 && Number.isFinite(timeoutMs))) {
    throw definitionInvalid(
      `The on-demand features "${name}"`,
      `timeoutMs is ${timeoutMs}`,
      "Give milliseconds above 0.",
    );
  }
  const unknown = Object.keys(defaults).find((feature) => !Object.hasOwn(features, feature));
  if (unknown !== undefined) {
    const problem = `"${unknown}" has a default and is none of its features`;
    throw definitionInvalid(
      `The on-demand features "${name}"`,
      problem,
      `Its features are ${Object.keys(features).join(", ")}.`,
    );
  }
  const waiting = { timeoutMs, defaults: { ...defaults } };
  return createFeatures({ name, inputs, stored, features }, compute as OnDemandFeatures["compute"], waiting);
}

function createFeatures<Features extends Types>(
  { name, inputs, stored = {}, features }: Parts<Types, Features, Types>,
  compute: OnDemandFeatures["compute"],
  waiting: Waiting | undefined,
): OnDemandFeatures<Extract<keyof Features, string>> {
  checkName("The on-demand features", name);
  const what = `The on-demand features "${name}"`;
  checkTypes(what, "inputs", inputs, FEATURE_TYPES);
  checkTypes(what, "stored", stored, [...FEATURE_TYPES, "list"]);
  checkTypes(what, "features", features, FEATURE_TYPES);
  if (typeof compute !== "function") {
    const remedy = "Give a function of a row of its inputs that returns its features.";
    throw definitionInvalid(what, "`compute` is no function", remedy);
  }
  const both = Object.keys(stored).find((input) => Object.hasOwn(inputs, input));
  if (both !== undefined) {
    const problem = `"${both}" is an input of the request and a stored feature`;
    throw definitionInvalid(what, problem, "Rename the input.");
  }
  const featureNames = Object.keys(features) as Extract<keyof Features, string>[];
  return {
    name,
    inputs: { ...inputs },
    stored: { ...stored },
    features: { ...features },
    compute,
    waiting,
    featureNames,
  };
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` where the features take a stored feature that the service's views do not have, or not in this type. */
export function checkStored(service: string, { name, stored }: OnDemandFeatures, features: Schema): void {
  for (const [wanted, type] of Object.entries(stored)) {
    const found = features.find((field) => field.name === wanted);
    if (found?.type === type) continue;
    const problem =
      found === undefined
        ? `"${name}" takes "${wanted}", which its views do not have`
        : `"${name}" takes "${wanted}" as ${type}, and it is ${found.type}`;
    throw definitionInvalid(
      `The feature service "${service}"`,
      problem,
      `Stored features are ${features.map((field) => `${field.name} (${field.type})`).join(", ")}.`,
    );
  }
}

/** The function's source stands for it: another text is taken for another function. */
export const describeOnDemand = ({ inputs, stored, features, compute, waiting }: OnDemandFeatures): object => ({
  inputs,
  features,
  compute: compute.toString(),
  // Absent where there is none, so that digests of before stay.
  ...(Object.keys(stored).length === 0 ? {} : { stored }),
  ...(waiting === undefined
    ? {}
    : { defaults: Object.entries(waiting.defaults).map(([name, value]) => [name, typeof value, String(value)]) }),
});
