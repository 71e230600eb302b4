import type { Random } from "@millwright/contracts";
import type { Choice, NumericParameter, ParamValue, Parameter, Params, Space } from "../space.ts";
import { fillActive } from "../space-conditions.ts";
import { type Constraint, isAllowed } from "../space-constraints.ts";
import { fromSearchScale, sampleParameter, toSearchScale } from "../space-scale.ts";

export interface ExploreOptions {
  /** A number is multiplied by one of these. */
  readonly factors: readonly number[];
  /** How often a parameter is drawn anew instead, from 0 to 1. */
  readonly resample: number;
  /** Parameters that keep their values. */
  readonly kept: ReadonlySet<string>;
  readonly constraints: readonly Constraint[];
}

const mostTries = 200;

/**
 * Values near those of another trial: Jaderberg et al., "Population Based Training of Neural Networks", arXiv 1711.09846, section 4.1.1 ("perturb" and
 * "resample"). Numbers are multiplied by a factor and moved by a step at least; ordered choices move to a neighbour; those without order, permutations and subsets
 * change by being drawn anew alone. Parameters that become active are drawn.
 * @returns the values themselves where the constraints forbid 200 others in a row.
 */
export function explore(space: Space, from: Params, options: ExploreOptions, random: Random): Params {
  for (let attempt = 0; attempt < mostTries; attempt += 1) {
    const params = fillActive(space, (name) => near(space[name] as Parameter, name, from[name], options, random));
    if (isAllowed(options.constraints, params)) return params;
  }
  return from;
}

function near(
  parameter: Parameter,
  name: string,
  value: ParamValue | undefined,
  { factors, resample, kept }: ExploreOptions,
  random: Random,
): ParamValue {
  if (value === undefined) return sampleParameter(parameter, random);
  if (kept.has(name)) return value;
  if (random.next() < resample) return sampleParameter(parameter, random);
  if (parameter.kind === "float" || parameter.kind === "int")
    return scaled(parameter, value as number, factors[random.integer(factors.length)] as number);
  if (parameter.kind !== "ordinal") return value;
  const { choices } = parameter;
  const index = choices.indexOf(value as Choice) + (random.next() < 0.5 ? -1 : 1);
  return choices[Math.min(choices.length - 1, Math.max(0, index))] as Choice;
}

function scaled(parameter: NumericParameter, value: number, factor: number): number {
  const target = value * factor;
  const { low, high, step } = parameter;
  const moved =
    step !== undefined && Math.abs(target - value) < step ? value + Math.sign(target - value) * step : target;
  return fromSearchScale(parameter, toSearchScale(parameter, Math.min(high, Math.max(low, moved))));
}
