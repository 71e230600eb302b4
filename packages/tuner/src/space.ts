import type { Random } from "@millwright/contracts";
import { paramsOutsideSpace, spaceInvalid } from "./errors.ts";

/** A real parameter in [low, high]; with `step`, on the grid low, low + step, … up to high. */
export interface FloatParameter {
  readonly kind: "float";
  readonly low: number;
  readonly high: number;
  /** Searched on a logarithmic scale. */
  readonly log: boolean;
  readonly step?: number;
}

/** A whole-number parameter in [low, high], every `step`. */
export interface IntParameter {
  readonly kind: "int";
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  readonly step: number;
}

export type Choice = string | number | boolean | null;

/** One of a few values without order. */
export interface CategoricalParameter<Value extends Choice = Choice> {
  readonly kind: "categorical";
  readonly choices: readonly Value[];
}

export type NumericParameter = FloatParameter | IntParameter;
export type Parameter = NumericParameter | CategoricalParameter;

/** Parameters by name. JSON-safe. */
export type Space = Readonly<Record<string, Parameter>>;

/** The values of a space's parameters. */
export type ParamsOf<S extends Space> = {
  readonly [Name in keyof S]: S[Name] extends CategoricalParameter<infer Value> ? Value : number;
};

/** Values by parameter name, where the space's type is not known. */
export type Params = Readonly<Record<string, Choice>>;

export interface FloatOptions {
  /** Default: false. */
  readonly log?: boolean | undefined;
  /** Default: continuous. Not together with `log`. */
  readonly step?: number | undefined;
}

export interface IntOptions {
  /** Default: false. */
  readonly log?: boolean | undefined;
  /** Default: 1. Not together with `log`. */
  readonly step?: number | undefined;
}

export function float(low: number, high: number, { log = false, step }: FloatOptions = {}): FloatParameter {
  return { kind: "float", low, high, log, ...(step === undefined ? {} : { step }) };
}

export function int(low: number, high: number, { log = false, step = 1 }: IntOptions = {}): IntParameter {
  return { kind: "int", low, high, log, step };
}

export function categorical<const Value extends Choice>(choices: readonly Value[]): CategoricalParameter<Value> {
  return { kind: "categorical", choices };
}

/** Throws `TUNER_SPACE_INVALID` for the first parameter that makes no sense. */
export function validateSpace(space: Space): void {
  for (const [name, parameter] of Object.entries(space)) {
    const problem = parameterProblem(parameter);
    if (problem !== undefined) throw spaceInvalid(name, problem);
  }
}

/** Spaces come from callers without types too, and from files. */
function parameterProblem(parameter: Parameter): string | undefined {
  if (typeof parameter !== "object" || parameter === null) return "it is not a parameter";
  if (parameter.kind === "categorical") return choicesProblem(parameter.choices);
  if (parameter.kind !== "float" && parameter.kind !== "int") return "its kind is none of float, int and categorical";
  return boundsProblem(parameter);
}

const isChoice = (value: unknown): boolean =>
  value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);

function choicesProblem(choices: readonly Choice[]): string | undefined {
  if (!Array.isArray(choices) || choices.length === 0) return "it has no choices";
  // Holes are met too.
  if (!Array.from(choices as readonly Choice[]).every(isChoice))
    return "a choice is no text, finite number, boolean or null";
  if (new Set(choices).size !== choices.length) return "a choice is named twice";
  return undefined;
}

function boundsProblem({ kind, low, high, log, step }: NumericParameter): string | undefined {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return "its bounds are not two finite numbers";
  if (typeof log !== "boolean") return "its log is not true or false";
  if (step !== undefined && !Number.isFinite(step)) return "its step is not a finite number";
  if (low > high) return `its low, ${low}, is above its high, ${high}`;
  if (log && low <= 0) return `its scale is logarithmic and its low is ${low}`;
  if (step !== undefined && !(step > 0)) return `its step is ${step}`;
  if (log && step !== undefined && (kind === "float" || step !== 1))
    return "it has both a logarithmic scale and a step";
  if (kind === "int" && ![low, high, step ?? 1].every(Number.isSafeInteger))
    return "its bounds and step are not all whole";
  return undefined;
}

/** Throws `TUNER_PARAMS_OUTSIDE_SPACE` unless `params` has exactly the space's parameters with values in their domains. */
export function validateParams(space: Space, params: Params): void {
  for (const [name, parameter] of Object.entries(space)) {
    if (!contains(parameter, params[name])) throw paramsOutsideSpace(name, params[name], domainText(parameter));
  }
  for (const name of Object.keys(params)) {
    if (!Object.hasOwn(space, name))
      throw paramsOutsideSpace(name, params[name], `the parameters ${Object.keys(space).join(", ")}`);
  }
}

export function contains(parameter: Parameter, value: Choice | undefined): boolean {
  if (parameter.kind === "categorical") return value !== undefined && parameter.choices.includes(value);
  if (typeof value !== "number" || !(value >= parameter.low && value <= parameter.high)) return false;
  if (parameter.step === undefined) return true;
  const steps = (value - parameter.low) / parameter.step;
  return Math.abs(steps - Math.round(steps)) < 1e-8 * Math.max(1, Math.abs(steps));
}

function domainText(parameter: Parameter): string {
  if (parameter.kind === "categorical") return parameter.choices.map((choice) => JSON.stringify(choice)).join(", ");
  const step = parameter.step === undefined ? "" : ` in steps of ${parameter.step}`;
  return `${parameter.kind} from ${parameter.low} to ${parameter.high}${step}`;
}

/**
 * A numeric parameter's range on the scale it is searched on (logarithms for `log`), each end widened by half a step,
 * so that all grid values own cells of one width.
 */
export function searchRange(parameter: NumericParameter): { readonly low: number; readonly high: number } {
  const half = (parameter.step ?? 0) / 2;
  const low = parameter.low - half;
  const high = parameter.high + half;
  return parameter.log ? { low: Math.log(low), high: Math.log(high) } : { low, high };
}

/** Brings a point of the search scale back to the nearest value of the domain. */
export function fromSearchScale(parameter: NumericParameter, point: number): number {
  const value = parameter.log ? Math.exp(point) : point;
  if (parameter.step === undefined) return clamp(value, parameter.low, parameter.high);
  const last = Math.floor((parameter.high - parameter.low) / parameter.step + 1e-9);
  const steps = clamp(Math.round((value - parameter.low) / parameter.step), 0, last);
  return parameter.low + steps * parameter.step;
}

/** Uniform on the search scale. */
export function sampleParameter(parameter: Parameter, random: Random): Choice {
  if (parameter.kind === "categorical") return parameter.choices[random.integer(parameter.choices.length)] as Choice;
  const { low, high } = searchRange(parameter);
  return fromSearchScale(parameter, low + (high - low) * random.next());
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
