import type { JsonValue } from "@millwright/contracts";
import { importInvalid } from "../errors.ts";
import { type Choice, type ParamValue, type Parameter, categorical, float, int } from "../space.ts";
import { highest } from "../space-scale.ts";
import { type ConversionLoss, loss } from "./losses.ts";

/** A distribution as Optuna writes it in its storages. */
export interface OptunaDistribution {
  readonly name: string;
  readonly attributes: Readonly<Record<string, JsonValue>>;
}

/** How a parameter stands in Optuna's storages, and back. */
export interface OptunaParameter {
  readonly distribution: OptunaDistribution;
  /** Optuna keeps numbers alone: the number itself, or the place of a choice. */
  readonly toInternal: (value: ParamValue) => number;
  readonly losses: readonly ConversionLoss[];
}

/** Optuna's own distribution for a parameter; orders, reverse-logarithmic scales and conditions are losses, lists become choices. */
export function toOptuna(name: string, parameter: Parameter): OptunaParameter {
  const losses: ConversionLoss[] = [];
  if (parameter.conditions !== undefined)
    losses.push(loss(name, "warning", "Optuna has no conditions in a space; the trials are as they were."));
  if (parameter.kind === "float" || parameter.kind === "int") {
    if (parameter.kind === "float" && parameter.reverseLog === true)
      losses.push(loss(name, "warning", "Optuna has no reverse-logarithmic scale; the range is linear there."));
    const { low, log, step } = parameter;
    const attributes = { step: step ?? null, low, high: highest(parameter), log };
    const kind = parameter.kind === "float" ? "FloatDistribution" : "IntDistribution";
    return { distribution: { name: kind, attributes }, toInternal: (value) => value as number, losses };
  }
  const choices = choicesOf(name, parameter, losses);
  return {
    distribution: { name: "CategoricalDistribution", attributes: { choices: choices as JsonValue } },
    toInternal: (value) =>
      choices.indexOf((typeof value === "object" && value !== null ? JSON.stringify(value) : value) as Choice),
    losses,
  };
}

const mostListed = 1000;

function choicesOf(name: string, parameter: Parameter, losses: ConversionLoss[]): readonly Choice[] {
  switch (parameter.kind) {
    case "constant":
      return [parameter.value];
    case "categorical":
      return parameter.choices;
    case "ordinal":
      losses.push(loss(name, "warning", "Optuna's choices have no order."));
      return parameter.choices;
    case "permutation":
    case "subset": {
      const lists = (parameter.kind === "permutation" ? permutations(parameter.items) : subsets(parameter)).slice(
        0,
        mostListed + 1,
      );
      if (lists.length > mostListed)
        throw importInvalid(name, `it has more than ${mostListed} values, and Optuna lists them all`);
      losses.push(loss(name, "warning", "Its lists are choices of JSON text."));
      return lists.map((list) => JSON.stringify(list));
    }
    default:
      throw importInvalid(name, `it is a ${parameter.kind}`);
  }
}

function permutations(items: readonly Choice[]): readonly (readonly Choice[])[] {
  if (items.length > 6) return Array.from({ length: mostListed + 1 }, () => items);
  if (items.length <= 1) return [items];
  return items.flatMap((item, index) =>
    permutations(items.filter((_, other) => other !== index)).map((rest) => [item, ...rest]),
  );
}

function subsets({ items, min, max }: Extract<Parameter, { kind: "subset" }>): readonly (readonly Choice[])[] {
  if (items.length > 10) return Array.from({ length: mostListed + 1 }, () => items);
  return Array.from({ length: 2 ** items.length }, (_, bits) =>
    items.filter((_item, index) => (bits >> index) & 1),
  ).filter(({ length }) => length >= min && length <= max);
}

/** The parameter of a distribution, those of releases before 3.0 included. Throws `TUNER_IMPORT_INVALID`. */
export function fromOptuna(name: string, { name: kind, attributes }: OptunaDistribution): Parameter {
  const number = (key: string): number => {
    const value = attributes[key];
    if (typeof value !== "number") throw importInvalid(name, `its ${kind} has no number ${key}`);
    return value;
  };
  const step = attributes["step"] ?? attributes["q"] ?? undefined;
  const given = typeof step === "number" ? { step } : {};
  const log = attributes["log"] === true;
  switch (kind) {
    case "FloatDistribution":
      return float(number("low"), number("high"), { log, ...(log ? {} : given) });
    case "UniformDistribution":
      return float(number("low"), number("high"));
    case "LogUniformDistribution":
      return float(number("low"), number("high"), { log: true });
    case "DiscreteUniformDistribution":
      return float(number("low"), number("high"), given);
    case "IntDistribution":
    case "IntUniformDistribution":
      return int(number("low"), number("high"), { log, ...given });
    case "IntLogUniformDistribution":
      return int(number("low"), number("high"), { log: true });
    case "CategoricalDistribution": {
      const choices = attributes["choices"];
      if (!Array.isArray(choices)) throw importInvalid(name, "its choices are no list");
      return categorical(choices as readonly Choice[]);
    }
    default:
      throw importInvalid(name, `its distribution is ${JSON.stringify(kind)}, which is none of Optuna's`);
  }
}

/** The value that an internal number of a trial stands for. */
export function fromInternal(name: string, parameter: Parameter, internal: number): ParamValue {
  if (parameter.kind !== "categorical") return parameter.kind === "int" ? Math.round(internal) : internal;
  const choice = parameter.choices[internal];
  if (choice === undefined) throw importInvalid(name, `it has no choice ${internal}`);
  return choice;
}

/** One distribution for all of a study's trials: numeric bounds may have changed between them. */
export function merged(name: string, one: Parameter, other: Parameter): Parameter {
  if (one.kind === "float" && other.kind === "float")
    return { ...other, low: Math.min(one.low, other.low), high: Math.max(one.high, other.high) };
  if (one.kind === "int" && other.kind === "int")
    return { ...other, low: Math.min(one.low, other.low), high: Math.max(one.high, other.high) };
  if (one.kind === "categorical" && JSON.stringify(one) === JSON.stringify(other)) return one;
  throw importInvalid(name, "its kind or its choices change between trials");
}
