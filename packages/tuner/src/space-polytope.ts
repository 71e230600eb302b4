import type { Random } from "@millwright/contracts";
import type { NumericParameter, Params, Space } from "./space.ts";
import { fillActive } from "./space-conditions.ts";
import type { LinearConstraint } from "./space-constraints.ts";
import { fromSearchScale, highest, sampleParameter, toSearchScale } from "./space-scale.ts";

/** Rows `weights · x ≤ bound` over the numbers that linear constraints speak of, each in units of its own range: [0, 1] by value. */
interface Polytope {
  readonly names: readonly string[];
  readonly parameters: readonly NumericParameter[];
  readonly rows: readonly { readonly weights: Float64Array; readonly bound: number }[];
}

/** Steps of a walk per number. */
const stepsPerNumber = 30;

/**
 * Draws where plain rejection finds next to nothing, such as between two close linear bounds: first a point that satisfies all of them, by projections
 * (Agmon 1954, Canadian Journal of Mathematics 6), then a hit-and-run walk from it (Smith 1984, Operations Research 32), uniform on the search scale in the
 * limit. Numbers on a logarithmic scale move one at a time, the others along random lines, often within the bounds that leave least room. Steps are rounded
 * up or down at random at the end, so the result is to be checked.
 * @returns `undefined` where no point was found.
 */
export function walkParams(space: Space, random: Random, constraints: readonly LinearConstraint[]): Params | undefined {
  const drawn = fillActive(space, (name) => sampleParameter(space[name] as Space[string], random));
  const polytope = polytopeOf(space, drawn, constraints);
  const { names, parameters } = polytope;
  const point = Float64Array.from(names, (name, index) =>
    toUnit(parameters[index] as NumericParameter, drawn[name] as number),
  );
  if (!reachInside(polytope, point)) return undefined;
  for (let step = 0; step < stepsPerNumber * names.length; step += 1) walk(polytope, point, random);
  const moved = new Map(
    names.map((name, index) => [name, fromUnit(parameters[index] as NumericParameter, point[index] as number, random)]),
  );
  return Object.fromEntries(Object.entries(drawn).map(([name, value]) => [name, moved.get(name) ?? value]));
}

function polytopeOf(space: Space, params: Params, constraints: readonly LinearConstraint[]): Polytope {
  const names = [...new Set(constraints.flatMap(({ weights }) => Object.keys(weights)))].filter(
    (name) => typeof params[name] === "number",
  );
  const parameters = names.map((name) => space[name] as NumericParameter);
  const rows: { weights: Float64Array; bound: number }[] = [];
  for (const { weights, atLeast = -Infinity, atMost = Infinity } of constraints) {
    const scaled = Float64Array.from(
      names,
      (name, index) => (weights[name] ?? 0) * rangeOf(parameters[index] as NumericParameter),
    );
    const offset = names.reduce(
      (sum, name, index) => sum + (weights[name] ?? 0) * (parameters[index] as NumericParameter).low,
      0,
    );
    const length = Math.hypot(...scaled);
    if (!(length > 0)) continue;
    if (atMost < Infinity)
      rows.push({ weights: scaled.map((weight) => weight / length), bound: (atMost - offset) / length });
    if (atLeast > -Infinity)
      rows.push({ weights: scaled.map((weight) => -weight / length), bound: (offset - atLeast) / length });
  }
  return { names, parameters, rows };
}

const rangeOf = (parameter: NumericParameter): number => highest(parameter) - parameter.low;

function toUnit(parameter: NumericParameter, value: number): number {
  const range = rangeOf(parameter);
  return range > 0 ? (value - parameter.low) / range : 0;
}

/** Grid values up or down by chance, so that a sum keeps its mean. */
function fromUnit(parameter: NumericParameter, unit: number, random: Random): number {
  const value = Math.min(highest(parameter), Math.max(parameter.low, parameter.low + unit * rangeOf(parameter)));
  if (parameter.step === undefined) return value;
  const steps = (value - parameter.low) / parameter.step;
  const whole = Math.round(steps);
  const count = Math.abs(steps - whole) < 1e-9 ? whole : Math.floor(steps + random.next());
  const low = parameter.low + count * parameter.step;
  return parameter.log
    ? Math.min(highest(parameter), Math.round(low))
    : fromSearchScale({ ...parameter, log: false }, low);
}

/** Moves onto the bound that is missed most, and a little beyond, until none is missed. */
function reachInside({ rows }: Polytope, point: Float64Array): boolean {
  for (let round = 0; round < 2_000; round += 1) {
    let worst: { readonly weights: Float64Array; readonly bound: number } | undefined;
    let miss = 1e-13;
    for (const row of rows) {
      const excess = dot(row.weights, point) - row.bound;
      if (excess > miss) {
        miss = excess;
        worst = row;
      }
    }
    if (worst === undefined) return true;
    const beyond = round % 3 === 0 ? 1.5 : 1;
    for (let index = 0; index < point.length; index += 1)
      point[index] = clamp((point[index] as number) - beyond * miss * (worst.weights[index] as number));
  }
  return false;
}

/** One step of the walk. */
function walk(polytope: Polytope, point: Float64Array, random: Random): void {
  const { parameters, rows } = polytope;
  const chosen = random.integer(point.length);
  const alone = isCurved(parameters[chosen] as NumericParameter);
  const direction = new Float64Array(point.length);
  if (alone) direction[chosen] = 1;
  else {
    for (const [index, parameter] of parameters.entries()) if (!isCurved(parameter)) direction[index] = random.normal();
    // The choice of the bounds to keep to does not hang on the point, so that the walk stays uniform.
    if (rows.length > 0 && random.next() < 0.7) keepTo(polytope, direction, random);
  }
  let low = -Infinity;
  let high = Infinity;
  const limit = (slope: number, room: number): void => {
    if (slope > 1e-12) high = Math.min(high, Math.max(0, room) / slope);
    else if (slope < -1e-12) low = Math.max(low, Math.max(0, room) / slope);
  };
  for (const row of rows) limit(dot(row.weights, direction), row.bound - dot(row.weights, point));
  for (let index = 0; index < point.length; index += 1) {
    limit(direction[index] as number, 1 - (point[index] as number));
    limit(-(direction[index] as number), point[index] as number);
  }
  if (!(high > low) || high - low === Infinity) return;
  const move = alone
    ? curvedStep(parameters[chosen] as NumericParameter, point[chosen] as number, low, high, random)
    : low + (high - low) * random.next();
  for (let index = 0; index < point.length; index += 1)
    point[index] = clamp((point[index] as number) + move * (direction[index] as number));
}

/** Takes from the direction its part along one or more of the bounds' normals (Gram and Schmidt), and nothing from those that move alone. */
function keepTo({ parameters, rows }: Polytope, direction: Float64Array, random: Random): void {
  const normals: Float64Array[] = [];
  const share = random.next();
  for (const row of rows) {
    if (random.next() < share) continue;
    const normal = row.weights.map((weight, index) => (isCurved(parameters[index] as NumericParameter) ? 0 : weight));
    for (const other of normals) subtract(normal, other);
    const length = Math.hypot(...normal);
    if (length < 1e-9) continue;
    normals.push(normal.map((weight) => weight / length));
  }
  if (normals.length >= direction.length) return;
  for (const normal of normals) subtract(direction, normal);
}

function subtract(target: Float64Array, unit: Float64Array): void {
  const along = dot(target, unit);
  for (let index = 0; index < target.length; index += 1)
    target[index] = (target[index] as number) - along * (unit[index] as number);
}

/** Uniform on the search scale between the ends of the move. */
function curvedStep(parameter: NumericParameter, unit: number, low: number, high: number, random: Random): number {
  const range = rangeOf(parameter);
  const scaleAt = (move: number): number =>
    toSearchScale(parameter, Math.min(parameter.high, Math.max(parameter.low, parameter.low + (unit + move) * range)));
  const from = scaleAt(low);
  const drawn = from + (scaleAt(high) - from) * random.next();
  const value = parameter.log ? Math.exp(drawn) : -Math.expm1(-drawn);
  return Math.min(high, Math.max(low, (value - parameter.low) / range - unit));
}

const isCurved = (parameter: NumericParameter): boolean =>
  parameter.log || (parameter.kind === "float" && parameter.reverseLog === true);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += (a[index] as number) * (b[index] as number);
  return sum;
}

const clamp = (x: number): number => Math.min(1, Math.max(0, x));
