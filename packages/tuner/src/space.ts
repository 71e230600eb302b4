/** What every parameter may carry: all of its conditions must hold, or it has no value in a trial. */
export interface Conditional {
  readonly conditions: readonly [Condition, ...Condition[]];
}

interface MaybeConditional {
  readonly conditions?: readonly Condition[] | undefined;
}

/** Holds where the parent has a value, and that is one of `values`, or, of a numeric parent, within the bounds. */
export interface Condition {
  /** Another parameter of the space. */
  readonly parameter: string;
  readonly values?: readonly Choice[] | undefined;
  /** Inclusive. */
  readonly atLeast?: number | undefined;
  /** Inclusive. */
  readonly atMost?: number | undefined;
}

/** A real parameter in [low, high]; with `step`, on the grid low, low + step, … up to high. */
export interface FloatParameter extends MaybeConditional {
  readonly kind: "float";
  readonly low: number;
  readonly high: number;
  /** Searched on a logarithmic scale. */
  readonly log: boolean;
  /** Searched on the logarithm of 1 − x: fine near 1. Bounds in [0, 1). */
  readonly reverseLog?: boolean;
  readonly step?: number;
}

/** A whole-number parameter in [low, high], every `step`. */
export interface IntParameter extends MaybeConditional {
  readonly kind: "int";
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  readonly step: number;
}

export type Choice = string | number | boolean | null;

/** One of a few values without order. */
export interface CategoricalParameter<Value extends Choice = Choice> extends MaybeConditional {
  readonly kind: "categorical";
  readonly choices: readonly Value[];
}

/** One of a few values in order: neighbours are alike. */
export interface OrdinalParameter<Value extends Choice = Choice> extends MaybeConditional {
  readonly kind: "ordinal";
  readonly choices: readonly Value[];
}

/** Always the same value. */
export interface ConstantParameter<Value extends Choice = Choice> extends MaybeConditional {
  readonly kind: "constant";
  readonly value: Value;
}

/** All items, in some order. */
export interface PermutationParameter<Value extends Choice = Choice> extends MaybeConditional {
  readonly kind: "permutation";
  readonly items: readonly Value[];
}

/** From `min` to `max` of the items, in the order of `items`. */
export interface SubsetParameter<Value extends Choice = Choice> extends MaybeConditional {
  readonly kind: "subset";
  readonly items: readonly Value[];
  readonly min: number;
  readonly max: number;
}

export type NumericParameter = FloatParameter | IntParameter;
export type Parameter =
  | NumericParameter
  | CategoricalParameter
  | OrdinalParameter
  | ConstantParameter
  | PermutationParameter
  | SubsetParameter;

/** Parameters by name. JSON-safe. */
export type Space = Readonly<Record<string, Parameter>>;

/** What a parameter may be in a trial. */
export type ParamValue = Choice | readonly Choice[];

type ValueOf<P> = P extends CategoricalParameter<infer Value> | OrdinalParameter<infer Value>
  ? Value
  : P extends ConstantParameter<infer Value>
    ? Value
    : P extends PermutationParameter<infer Value> | SubsetParameter<infer Value>
      ? readonly Value[]
      : number;

type Flat<T> = { readonly [Key in keyof T]: T[Key] };

/** The values of a space's parameters; those with conditions may be absent. */
export type ParamsOf<S extends Space> = Flat<
  { readonly [Name in keyof S as S[Name] extends Conditional ? never : Name]: ValueOf<S[Name]> } & {
    readonly [Name in keyof S as S[Name] extends Conditional ? Name : never]?: ValueOf<S[Name]> | undefined;
  }
>;

/** Values by parameter name, where the space's type is not known. Inactive parameters are absent. */
export type Params = Readonly<Record<string, ParamValue>>;

export interface FloatOptions {
  /** Default: false. */
  readonly log?: boolean | undefined;
  /** Searched on the logarithm of 1 − x, for what is best near 1; bounds in [0, 1). Not together with `log`. Default: false. */
  readonly reverseLog?: boolean | undefined;
  /** Default: continuous. Not together with `log` or `reverseLog`. */
  readonly step?: number | undefined;
}

export interface IntOptions {
  /** Default: false. */
  readonly log?: boolean | undefined;
  /** Default: 1. Not together with `log`. */
  readonly step?: number | undefined;
}

export interface SubsetOptions {
  /** From 0. Default: 0. */
  readonly min?: number | undefined;
  /** Up to the number of items. Default: all of them. */
  readonly max?: number | undefined;
}

export function float(
  low: number,
  high: number,
  { log = false, reverseLog = false, step }: FloatOptions = {},
): FloatParameter {
  return {
    kind: "float",
    low,
    high,
    log,
    ...(reverseLog === false ? {} : { reverseLog }),
    ...(step === undefined ? {} : { step }),
  };
}

export function int(low: number, high: number, { log = false, step = 1 }: IntOptions = {}): IntParameter {
  return { kind: "int", low, high, log, step };
}

export function categorical<const Value extends Choice>(choices: readonly Value[]): CategoricalParameter<Value> {
  return { kind: "categorical", choices };
}

export function bool(): CategoricalParameter<boolean> {
  return { kind: "categorical", choices: [false, true] };
}

export function ordinal<const Value extends Choice>(choices: readonly Value[]): OrdinalParameter<Value> {
  return { kind: "ordinal", choices };
}

export function constant<const Value extends Choice>(value: Value): ConstantParameter<Value> {
  return { kind: "constant", value };
}

export function permutation<const Value extends Choice>(items: readonly Value[]): PermutationParameter<Value> {
  return { kind: "permutation", items };
}

export function subset<const Value extends Choice>(
  items: readonly Value[],
  { min = 0, max = items?.length }: SubsetOptions = {},
): SubsetParameter<Value> {
  return { kind: "subset", items, min, max };
}

/** Bounds of a numeric parent, inclusive. */
export interface ConditionBounds {
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
}

/**
 * `child`, with a value only where the parent has one of these values, or one within these bounds. A parent may have conditions itself; of a child that
 * has some already, all must hold.
 */
export function when<const P extends Parameter>(
  parent: string,
  holds: readonly Choice[] | ConditionBounds,
  child: P,
): P & Conditional {
  const condition: Condition = Array.isArray(holds)
    ? { parameter: parent, values: holds as readonly Choice[] }
    : { parameter: parent, ...(holds as ConditionBounds) };
  return { ...child, conditions: [condition, ...(child.conditions ?? [])] };
}
