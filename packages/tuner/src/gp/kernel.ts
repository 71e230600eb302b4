/** What the coordinates of a model's points are. */
export interface Coordinates {
  readonly dimensions: number;
  /** Which coordinates are compared for equality only (Hamming distance). Default: none. */
  readonly categorical?: readonly boolean[] | undefined;
}

/** Hyperparameters of k(x, x′) = scale · (1 + r + r²/3) e^(−r), r = √(5 Σ weightᵢ (xᵢ − x′ᵢ)²), and of independent noise on the targets. */
export interface Hyperparameters {
  /** Inverse squared length scales, one per coordinate. */
  readonly weights: Float64Array;
  /** Variance of the function. */
  readonly scale: number;
  /** Variance of the noise. */
  readonly noise: number;
}

/** Points as the kernel reads them: numeric coordinates first, in units of their length scales; then the categorical ones as they are. */
export interface KernelFrame {
  readonly dimensions: number;
  readonly numeric: number;
  /** Which coordinate stands at each place. */
  readonly order: Int32Array;
  /** √weight at each place. */
  readonly roots: Float64Array;
  /** weight at each place. */
  readonly weights: Float64Array;
  readonly scale: number;
}

export function kernelFrame({ dimensions, categorical }: Coordinates, hyperparameters: Hyperparameters): KernelFrame {
  const places = Array.from({ length: dimensions }, (_, index) => index);
  const isCategorical = (index: number): boolean => categorical?.[index] === true;
  const order = Int32Array.from([...places.filter((index) => !isCategorical(index)), ...places.filter(isCategorical)]);
  const weights = Float64Array.from(order, (index) => hyperparameters.weights[index] as number);
  return {
    dimensions,
    numeric: places.filter((index) => !isCategorical(index)).length,
    order,
    weights,
    roots: weights.map((weight) => Math.sqrt(weight)),
    scale: hyperparameters.scale,
  };
}

/** `count` points of `points`, row by row, in the order and units of the frame. */
export function toFrame(
  { dimensions, numeric, order, roots }: KernelFrame,
  points: Float64Array,
  count: number,
): Float64Array {
  const framed = new Float64Array(count * dimensions);
  for (let row = 0; row < count; row += 1) {
    const offset = row * dimensions;
    for (let place = 0; place < dimensions; place += 1) {
      const value = points[offset + (order[place] as number)] as number;
      framed[offset + place] = place < numeric ? value * (roots[place] as number) : value;
    }
  }
  return framed;
}

/** Squared distance in length scales between a framed point of `a` and one of `b`. */
export function distance(
  frame: KernelFrame,
  a: Float64Array,
  aOffset: number,
  b: Float64Array,
  bOffset: number,
): number {
  const { dimensions, numeric, weights } = frame;
  let sum = 0;
  for (let place = 0; place < numeric; place += 1) {
    const difference = (a[aOffset + place] as number) - (b[bOffset + place] as number);
    sum += difference * difference;
  }
  for (let place = numeric; place < dimensions; place += 1) {
    if (a[aOffset + place] !== b[bOffset + place]) sum += weights[place] as number;
  }
  return sum;
}

/** Matérn-5/2 of a squared distance. Rasmussen and Williams (2006), eq. 4.17. */
export function matern(scale: number, squared: number): number {
  const r = Math.sqrt(5 * squared);
  return scale * (1 + r + (r * r) / 3) * Math.exp(-r);
}

/** d `matern` / d `squared`. */
export function maternSlope(scale: number, squared: number): number {
  const r = Math.sqrt(5 * squared);
  return (-5 / 6) * scale * (1 + r) * Math.exp(-r);
}

/** Covariances of one framed point with the first `count` framed points of `others`, written to `out` from `outOffset`. */
export function covariances(
  frame: KernelFrame,
  point: Float64Array,
  pointOffset: number,
  others: Float64Array,
  count: number,
  out: Float64Array,
  outOffset: number,
): void {
  const { dimensions, scale } = frame;
  for (let index = 0; index < count; index += 1) {
    out[outOffset + index] = matern(scale, distance(frame, point, pointOffset, others, index * dimensions));
  }
}
