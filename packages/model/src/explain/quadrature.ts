/** Points in (0, 1) and their weights, which sum to 1. */
export interface Quadrature {
  readonly points: Float64Array;
  readonly weights: Float64Array;
}

const known = new Map<number, Quadrature>();

/**
 * The rule of Gauss and Legendre on [0, 1]: exact for polynomials of a degree of at most 2·count − 1. Roots by Newton's method from the estimate of Tricomi,
 * weights 2 / ((1 − x²)·P′(x)²) halved for the shorter interval (Abramowitz and Stegun, 25.4.29).
 */
export function gaussLegendre(count: number): Quadrature {
  const found = known.get(count);
  if (found !== undefined) return found;
  const points = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let at = 0; at < count; at += 1) {
    let x = Math.cos((Math.PI * (at + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < 100; step += 1) {
      const [value, derivative] = legendre(count, x);
      slope = derivative;
      const next = x - value / derivative;
      if (Math.abs(next - x) < 1e-16) break;
      x = next;
    }
    points[at] = (1 - x) / 2;
    weights[at] = 1 / ((1 - x * x) * slope * slope);
  }
  const made = { points, weights };
  known.set(count, made);
  return made;
}

/** The Legendre polynomial of a degree at x, and its derivative. */
function legendre(degree: number, x: number): readonly [number, number] {
  let [before, value] = [1, x];
  for (let n = 2; n <= degree; n += 1) [before, value] = [value, ((2 * n - 1) * x * value - (n - 1) * before) / n];
  return [value, (degree * (x * value - before)) / (x * x - 1)];
}
