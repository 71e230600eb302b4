/** A function to minimise: writes its gradient at `point` and returns its value; NaN or infinite where it is not defined. */
export type Differentiable = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimizeOptions {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** Evaluations at most. */
  readonly evaluations: number;
  /** Stops when an iteration gains less than this. */
  readonly gain: number;
  /** Stops when no free component of the gradient is larger. Default: 0. */
  readonly gradientTolerance?: number | undefined;
  /** Length of the first step along the steepest descent. Default: 1 / max(1, |gradient|). */
  readonly firstStep?: number | undefined;
}

export interface Minimum {
  readonly point: Float64Array;
  readonly value: number;
  readonly evaluations: number;
}

const MEMORY = 8;

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly curvature: number;
}

/**
 * Minimises within a box by limited-memory BFGS over the coordinates that are free (not held at a bound by the gradient), with
 * backtracking along the projected direction. Nocedal and Wright, "Numerical Optimization", algorithms 7.4 and 16.5.
 */
export function minimize(target: Differentiable, start: Float64Array, options: MinimizeOptions): Minimum {
  const { lower, upper, evaluations: limit, gain, gradientTolerance = 0, firstStep } = options;
  const size = start.length;
  let point = start.map((value, index) => clamp(value, lower[index] as number, upper[index] as number));
  let gradient = new Float64Array(size);
  let value = target(point, gradient);
  let evaluations = 1;
  let pairs: Pair[] = [];
  const free = new Uint8Array(size);
  while (evaluations < limit && Number.isFinite(value)) {
    if (markFree(free, point, gradient, lower, upper) <= gradientTolerance) break;
    let direction = descent(gradient, free, pairs, firstStep);
    let slope = dot(direction, gradient);
    if (!(slope < 0)) {
      pairs = [];
      direction = descent(gradient, free, pairs, firstStep);
      slope = dot(direction, gradient);
      if (!(slope < 0)) break;
    }
    let stride = 1;
    let next: { point: Float64Array; gradient: Float64Array; value: number } | undefined;
    for (let attempt = 0; attempt < 12 && evaluations < limit; attempt += 1) {
      const tried = point.map((old, index) =>
        clamp(old + stride * (direction[index] as number), lower[index] as number, upper[index] as number),
      );
      const slopes = new Float64Array(size);
      const reached = target(tried, slopes);
      evaluations += 1;
      let expected = 0;
      for (let index = 0; index < size; index += 1)
        expected += (gradient[index] as number) * ((tried[index] as number) - (point[index] as number));
      if (Number.isFinite(reached) && reached <= value + 1e-4 * Math.min(0, expected)) {
        next = { point: tried, gradient: slopes, value: reached };
        break;
      }
      stride *= shrink(value, reached, stride * slope);
    }
    if (next === undefined) {
      if (pairs.length === 0) break;
      pairs = [];
      continue;
    }
    remember(pairs, point, gradient, next);
    const gained = value - next.value;
    ({ point, gradient, value } = next as {
      point: Float64Array<ArrayBuffer>;
      gradient: Float64Array<ArrayBuffer>;
      value: number;
    });
    if (gained < gain) break;
  }
  return { point, value, evaluations };
}

/** How much shorter the next step is: the minimum of the parabola through both values and the slope, within [0.1, 0.5]. */
function shrink(value: number, reached: number, slope: number): number {
  if (!Number.isFinite(reached)) return 0.25;
  return clamp(-slope / (2 * (reached - value - slope)), 0.1, 0.5);
}

/** Marks the coordinates that may move. @returns the largest gradient among them. */
function markFree(
  free: Uint8Array,
  point: Float64Array,
  gradient: Float64Array,
  lower: Float64Array,
  upper: Float64Array,
): number {
  let largest = 0;
  for (let index = 0; index < free.length; index += 1) {
    const x = point[index] as number;
    const slope = gradient[index] as number;
    const held = (x <= (lower[index] as number) && slope > 0) || (x >= (upper[index] as number) && slope < 0);
    free[index] = held ? 0 : 1;
    if (!held) largest = Math.max(largest, Math.abs(slope));
  }
  return largest;
}

function descent(
  gradient: Float64Array,
  free: Uint8Array,
  pairs: readonly Pair[],
  firstStep: number | undefined,
): Float64Array {
  const direction = gradient.map((slope, index) => (free[index] === 1 ? slope : 0));
  const weights: number[] = [];
  for (const { step, change, curvature } of pairs.toReversed()) {
    const weight = dot(step, direction) / curvature;
    weights.push(weight);
    add(direction, change, -weight);
  }
  const last = pairs.at(-1);
  const length = Math.sqrt(dot(direction, direction));
  let scale = last === undefined ? (firstStep ?? Math.min(1, length)) / (length || 1) : 1;
  if (last !== undefined) scale = last.curvature / dot(last.change, last.change);
  for (let index = 0; index < direction.length; index += 1) direction[index] = (direction[index] as number) * scale;
  for (const { step, change, curvature } of pairs) {
    const weight = (weights.pop() as number) - dot(change, direction) / curvature;
    add(direction, step, weight);
  }
  for (let index = 0; index < direction.length; index += 1) {
    direction[index] = free[index] === 1 ? -(direction[index] as number) : 0;
  }
  return direction;
}

function remember(
  pairs: Pair[],
  point: Float64Array,
  gradient: Float64Array,
  next: { readonly point: Float64Array; readonly gradient: Float64Array },
): void {
  const step = next.point.map((value, index) => value - (point[index] as number));
  const change = next.gradient.map((value, index) => value - (gradient[index] as number));
  const curvature = dot(step, change);
  if (!(curvature > 1e-10 * dot(change, change))) return;
  pairs.push({ step, change, curvature });
  if (pairs.length > MEMORY) pairs.shift();
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += (a[index] as number) * (b[index] as number);
  return sum;
}

function add(target: Float64Array, other: Float64Array, weight: number): void {
  for (let index = 0; index < target.length; index += 1)
    target[index] = (target[index] as number) + weight * (other[index] as number);
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
