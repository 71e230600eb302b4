import type { Random } from "@millwright/contracts";
import type { Dimension } from "../samplers/encoding.ts";
import type { Params } from "../space.ts";

/** A parent: where it lies in the unit cube, and which parameters it has. */
export interface Individual {
  readonly point: Float64Array;
  readonly params: Params;
}

/** How children are made of their parents. */
export interface VariationOptions {
  /**
   * `uniform`: each parameter from one parent or the other. `sbx`: numbers by simulated binary crossover (Deb and Agrawal 1995, Complex Systems 9), bounded.
   * `vsbx`: by the variant that leaves no region out (Ballester and Carter 2003, GECCO). Default: `uniform`.
   */
  readonly crossover?: "uniform" | "sbx" | "vsbx" | undefined;
  /** Of making a child of two parents, not a copy of one. In [0, 1]. Default: 0.9. */
  readonly crossoverProbability?: number | undefined;
  /** Of taking a parameter from the second parent. In [0, 1]. Default: 0.5. */
  readonly swapProbability?: number | undefined;
  /** Of each parameter's changing by itself. In [0, 1]. Default: 1 / parameters. */
  readonly mutationProbability?: number | undefined;
  /** `uniform`: a new value. `polynomial`: of numbers a value near the old one (Deb and Goyal 1996). Default: `uniform`. */
  readonly mutation?: "uniform" | "polynomial" | undefined;
  /** Of `sbx` and `vsbx`: the larger, the nearer children are to their parents. From 0. Default: 20, or 2 with one objective. */
  readonly crossoverEta?: number | undefined;
  /** Of polynomial mutation: the larger, the smaller the changes. From 0. Default: 20. */
  readonly mutationEta?: number | undefined;
}

/** The coordinates of one parameter. */
interface Gene {
  readonly parameter: string;
  readonly start: number;
  readonly width: number;
  readonly kind: Dimension["kind"];
}

/** Refuses what is no probability and no distribution index. */
export function validateVariation(options: VariationOptions): void {
  for (const name of ["crossoverProbability", "swapProbability", "mutationProbability"] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 0 && value <= 1))
      throw new RangeError(`"${name}" is from 0 to 1, not ${String(value)}.`);
  }
  for (const name of ["crossoverEta", "mutationEta"] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 0 && value < Infinity))
      throw new RangeError(`"${name}" is a number from 0, not ${String(value)}.`);
  }
  if (!["uniform", "sbx", "vsbx", undefined].includes(options.crossover))
    throw new RangeError(`"crossover" is uniform, sbx or vsbx, not ${String(options.crossover)}.`);
  if (!["uniform", "polynomial", undefined].includes(options.mutation))
    throw new RangeError(`"mutation" is uniform or polynomial, not ${String(options.mutation)}.`);
}

function genesOf(dimensions: readonly Dimension[]): Gene[] {
  const genes: Gene[] = [];
  for (const [index, { parameter, kind }] of dimensions.entries()) {
    const last = genes.at(-1);
    if (last !== undefined && last.parameter === parameter) genes.splice(-1, 1, { ...last, width: last.width + 1 });
    else genes.push({ parameter, start: index, width: 1, kind });
  }
  return genes;
}

/**
 * One child in the unit cube.
 * @param choose Selects a parent by the tournament of the algorithm.
 */
export function makeChild(
  dimensions: readonly Dimension[],
  choose: () => Individual,
  options: VariationOptions & { readonly eta: number },
  random: Random,
): Float64Array {
  const { crossoverProbability = 0.9, mutation = "uniform", mutationEta = 20 } = options;
  const genes = genesOf(dimensions);
  const { mutationProbability = 1 / Math.max(1, genes.length) } = options;
  const first = choose();
  const second = random.next() < crossoverProbability ? choose() : first;
  const child = new Float64Array(dimensions.length);
  for (const gene of genes) {
    inherit(child, gene, first, second, options, random);
    if (random.next() < mutationProbability)
      mutate(child, gene, mutation === "uniform" ? undefined : mutationEta, random);
  }
  return child;
}

/** Takes a parameter from the parents that have it; at random where neither has. */
function inherit(
  child: Float64Array,
  gene: Gene,
  first: Individual,
  second: Individual,
  { crossover = "uniform", swapProbability = 0.5, eta }: VariationOptions & { readonly eta: number },
  random: Random,
): void {
  const { start, width, parameter } = gene;
  const owners = [first, second].filter(({ params }) => params[parameter] !== undefined);
  if (owners.length === 0) {
    for (let index = start; index < start + width; index += 1) child[index] = random.next();
    return;
  }
  const [one, other] = [owners[0] as Individual, owners.at(-1) as Individual];
  const blend = crossover !== "uniform" && width === 1 && gene.kind !== "categorical" && one !== other;
  // Half of the numbers are blended, the others are a parent's as they are.
  if (blend && random.next() < 0.5) {
    const make = crossover === "sbx" ? simulatedBinary : vectorBinary;
    child[start] = make(one.point[start] as number, other.point[start] as number, eta, random);
    return;
  }
  const { point } = random.next() < swapProbability ? other : one;
  for (let index = start; index < start + width; index += 1) child[index] = point[index] as number;
}

/** Bounded to [0, 1]: the spread is drawn from the part of its distribution that stays inside. */
function simulatedBinary(a: number, b: number, eta: number, random: Random): number {
  const low = Math.min(a, b);
  const high = Math.max(a, b);
  const distance = Math.max(high - low, 1e-10);
  const upward = random.next() < 0.5;
  const room = 1 + (2 * (upward ? 1 - high : low)) / distance;
  const alpha = 2 - room ** -(eta + 1);
  const draw = random.next();
  const spread = (draw <= 1 / alpha ? draw * alpha : 1 / (2 - draw * alpha)) ** (1 / (eta + 1));
  return clamp(0.5 * (low + high + (upward ? spread : -spread) * distance));
}

function vectorBinary(a: number, b: number, eta: number, random: Random): number {
  const draw = random.next();
  const wide = (1 / Math.max(2 * draw, 1e-10)) ** (1 / (eta + 1));
  const narrow = (1 / Math.max(2 * (1 - draw), 1e-10)) ** (1 / (eta + 1));
  const mixed = random.next() < 0.5;
  if (random.next() < 0.5)
    return clamp(0.5 * (mixed ? (1 + wide) * a + (1 - narrow) * b : (1 - wide) * a + (1 + narrow) * b));
  return clamp(0.5 * (mixed ? (3 - wide) * a - (1 - narrow) * b : -(1 - wide) * a + (3 - narrow) * b));
}

/** A list swaps two of its keys, or takes one item in or out; anything else gets a new value, or with `eta` a number near its own. */
function mutate(child: Float64Array, { start, width, kind }: Gene, eta: number | undefined, random: Random): void {
  if (width > 1) {
    const one = start + random.integer(width);
    if (kind === "continuous") {
      const other = start + random.integer(width);
      [child[one], child[other]] = [child[other] as number, child[one] as number];
    } else child[one] = 1 - (child[one] as number);
  } else if (eta === undefined || kind === "categorical") child[start] = random.next();
  else child[start] = polynomial(child[start] as number, eta, random);
}

/** Deb's own implementation, revision 1.1.6: the change's distribution is cut at the bounds. */
function polynomial(x: number, eta: number, random: Random): number {
  const draw = random.next();
  const power = 1 / (eta + 1);
  if (draw <= 0.5) return clamp(x + (2 * draw + (1 - 2 * draw) * (1 - x) ** (eta + 1)) ** power - 1);
  return clamp(x + 1 - (2 * (1 - draw) + (2 * draw - 1) * x ** (eta + 1)) ** power);
}

const clamp = (x: number): number => Math.min(1, Math.max(0, x));
