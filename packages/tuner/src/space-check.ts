import { paramsOutsideSpace, spaceInvalid } from "./errors.ts";
import type {
  Choice,
  Condition,
  NumericParameter,
  ParamValue,
  Parameter,
  Params,
  Space,
  SubsetParameter,
} from "./space.ts";
import { isActive, parentsFirst } from "./space-conditions.ts";

/** Throws `TUNER_SPACE_INVALID` for the first parameter that makes no sense, and for a space without any. */
export function validateSpace(space: Space): void {
  if (typeof space !== "object" || space === null || Object.keys(space).length === 0)
    throw spaceInvalid("(none)", "the space has no parameter");
  for (const [name, parameter] of Object.entries(space)) {
    const problem = parameterProblem(parameter) ?? conditionsProblem(space, name, parameter.conditions);
    if (problem !== undefined) throw spaceInvalid(name, problem);
  }
  const order = new Set(parentsFirst(space));
  const cyclic = Object.keys(space).find((name) => !order.has(name));
  if (cyclic !== undefined) throw spaceInvalid(cyclic, "its conditions go round in a circle");
}

/** Spaces come from callers without types too, and from files. */
function parameterProblem(parameter: Parameter): string | undefined {
  if (typeof parameter !== "object" || parameter === null) return "it is not a parameter";
  switch (parameter.kind) {
    case "categorical":
    case "ordinal":
      return listProblem(parameter.choices, "choice");
    case "constant":
      return isChoice(parameter.value) ? undefined : "its value is no text, finite number, boolean or null";
    case "permutation":
      return listProblem(parameter.items, "item");
    case "subset":
      return listProblem(parameter.items, "item") ?? sizesProblem(parameter);
    case "float":
    case "int":
      return boundsProblem(parameter);
    default:
      return "its kind is none of float, int, categorical, ordinal, constant, permutation and subset";
  }
}

const isChoice = (value: unknown): boolean =>
  value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);

function listProblem(values: readonly Choice[], what: "choice" | "item"): string | undefined {
  if (!Array.isArray(values) || values.length === 0) return `it has no ${what}s`;
  // Holes are met too.
  if (!Array.from(values as readonly Choice[]).every(isChoice))
    return `a ${what} is no text, finite number, boolean or null`;
  if (new Set(values).size !== values.length) return `a ${what} is named twice`;
  return undefined;
}

function sizesProblem({ items, min, max }: SubsetParameter): string | undefined {
  if (!Number.isInteger(min) || !Number.isInteger(max) || min < 0 || max > items.length || min > max)
    return `its sizes, ${String(min)} to ${String(max)}, are not whole numbers from 0 to ${items.length} in order`;
  return undefined;
}

function boundsProblem(parameter: NumericParameter): string | undefined {
  const { kind, low, high, log, step } = parameter;
  const reverseLog = kind === "float" ? (parameter.reverseLog ?? false) : false;
  if (!Number.isFinite(low) || !Number.isFinite(high)) return "its bounds are not two finite numbers";
  if (typeof log !== "boolean" || typeof reverseLog !== "boolean") return "its log or reverseLog is not true or false";
  if (step !== undefined && !Number.isFinite(step)) return "its step is not a finite number";
  if (low > high) return `its low, ${low}, is above its high, ${high}`;
  if (log && low <= 0) return `its scale is logarithmic and its low is ${low}`;
  if (reverseLog && (low < 0 || high >= 1))
    return `its scale is reverse-logarithmic and its bounds are ${low} and ${high}`;
  if (log && reverseLog) return "it has both a logarithmic and a reverse-logarithmic scale";
  if (step !== undefined && !(step > 0)) return `its step is ${step}`;
  if ((log || reverseLog) && step !== undefined && (kind === "float" || step !== 1))
    return "it has both a logarithmic scale and a step";
  if (kind === "int" && ![low, high, step ?? 1].every(Number.isSafeInteger))
    return "its bounds and step are not all whole";
  return undefined;
}

function conditionsProblem(
  space: Space,
  name: string,
  conditions: readonly Condition[] | undefined,
): string | undefined {
  if (conditions === undefined) return undefined;
  if (!Array.isArray(conditions) || conditions.length === 0) return "its conditions are no list, or an empty one";
  for (const condition of conditions as readonly Condition[]) {
    const problem = conditionProblem(space, name, condition);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function conditionProblem(space: Space, name: string, condition: Condition): string | undefined {
  if (typeof condition !== "object" || condition === null) return "a condition is not one";
  const { parameter, values, atLeast, atMost } = condition;
  const parent = Object.hasOwn(space, parameter) ? space[parameter] : undefined;
  if (parent === undefined || parameter === name)
    return `it depends on "${String(parameter)}", which is no other parameter of the space`;
  if (values === undefined) {
    if (parent.kind !== "float" && parent.kind !== "int")
      return `it depends on bounds of "${parameter}", which is not numeric`;
    if (atLeast === undefined && atMost === undefined) return `its condition on "${parameter}" asks for nothing`;
    if (![atLeast, atMost].every((bound) => bound === undefined || Number.isFinite(bound)))
      return `its bounds of "${parameter}" are not finite numbers`;
    if (
      (atLeast ?? -Infinity) > (atMost ?? Infinity) ||
      (atLeast ?? -Infinity) > parent.high ||
      (atMost ?? Infinity) < parent.low
    )
      return `its condition on "${parameter}" can never hold`;
    return undefined;
  }
  if (!Array.isArray(values) || values.length === 0) return `its condition on "${parameter}" names no value`;
  const strange = (values as readonly Choice[]).find((value) => !contains(parent, value));
  if (strange !== undefined || values.includes(undefined))
    return `it depends on "${parameter}" being ${JSON.stringify(strange)}, which that never is`;
  return undefined;
}

/**
 * Throws `TUNER_PARAMS_OUTSIDE_SPACE` unless `params` has exactly the parameters that are active, with values in their domains.
 */
export function validateParams(space: Space, params: Params): void {
  for (const [name, parameter] of Object.entries(space)) {
    if (!isActive(space, name, params)) {
      if (params[name] !== undefined)
        throw paramsOutsideSpace(name, params[name], "no value: its conditions do not hold here");
    } else if (!contains(parameter, params[name])) throw paramsOutsideSpace(name, params[name], domainText(parameter));
  }
  for (const name of Object.keys(params)) {
    if (!Object.hasOwn(space, name))
      throw paramsOutsideSpace(name, params[name], `the parameters ${Object.keys(space).join(", ")}`);
  }
}

/** Whether the value is in the parameter's domain. */
export function contains(parameter: Parameter, value: ParamValue | undefined): boolean {
  switch (parameter.kind) {
    case "categorical":
    case "ordinal":
      return value !== undefined && parameter.choices.includes(value as Choice);
    case "constant":
      return value === parameter.value;
    case "permutation":
      return isPermutation(parameter.items, value);
    case "subset":
      return isSubset(parameter, value);
    default:
      return isOnScale(parameter, value);
  }
}

function isPermutation(items: readonly Choice[], value: ParamValue | undefined): boolean {
  if (!Array.isArray(value) || value.length !== items.length) return false;
  const given = new Set(value as readonly Choice[]);
  return given.size === items.length && items.every((item) => given.has(item));
}

/** In the order of the items, so that one choice has one form. */
function isSubset({ items, min, max }: SubsetParameter, value: ParamValue | undefined): boolean {
  if (!Array.isArray(value) || value.length < min || value.length > max) return false;
  const chosen = value as readonly Choice[];
  let from = 0;
  for (const item of chosen) {
    const at = items.indexOf(item, from);
    if (at < 0) return false;
    from = at + 1;
  }
  return true;
}

function isOnScale(parameter: NumericParameter, value: ParamValue | undefined): boolean {
  if (typeof value !== "number" || !(value >= parameter.low && value <= parameter.high)) return false;
  if (parameter.step === undefined) return true;
  const steps = (value - parameter.low) / parameter.step;
  return Math.abs(steps - Math.round(steps)) < 1e-8 * Math.max(1, Math.abs(steps));
}

function domainText(parameter: Parameter): string {
  switch (parameter.kind) {
    case "categorical":
    case "ordinal":
      return parameter.choices.map((choice) => JSON.stringify(choice)).join(", ");
    case "constant":
      return JSON.stringify(parameter.value);
    case "permutation":
      return `all of ${JSON.stringify(parameter.items)}, each once`;
    case "subset":
      return `${parameter.min} to ${parameter.max} of ${JSON.stringify(parameter.items)}, in that order`;
    default: {
      const step = parameter.step === undefined ? "" : ` in steps of ${parameter.step}`;
      return `${parameter.kind} from ${parameter.low} to ${parameter.high}${step}`;
    }
  }
}
