/** Standard functions of global optimisation as they are published (Surjanovic and Bingham, "Virtual Library of Simulation Experiments"), with their least value. */
export interface StandardFunction {
  readonly low: number;
  readonly high: number;
  readonly dimensions: number;
  readonly least: number;
  readonly valueAt: (x: readonly number[]) => number;
}

const { PI, cos, sin, exp, sqrt } = Math;
const sum = (x: readonly number[], of: (value: number, index: number) => number): number =>
  x.reduce((total, value, index) => total + of(value, index), 0);

const hartmann3Weights = [3, 10, 30, 0.1, 10, 35, 3, 10, 30, 0.1, 10, 35];
const hartmann3Places = [3689, 1170, 2673, 4699, 4387, 7470, 1091, 8732, 5547, 381, 5743, 8828];
const hartmann6Weights = [
  10, 3, 17, 3.5, 1.7, 8, 0.05, 10, 17, 0.1, 8, 14, 3, 3.5, 1.7, 10, 17, 8, 17, 8, 0.05, 10, 0.1, 14,
];
const hartmann6Places = [
  1312, 1696, 5569, 124, 8283, 5886, 2329, 4135, 8307, 3736, 1004, 9991, 2348, 1451, 3522, 2883, 3047, 6650, 4047, 8828,
  8732, 5743, 1091, 381,
];

const hartmann =
  (weights: readonly number[], places: readonly number[]) =>
  (x: readonly number[]): number =>
    -sum([1, 1.2, 3, 3.2], (height, row) => {
      const at = (index: number): number => row * x.length + index;
      return (
        height *
        exp(
          -sum(
            x,
            (value, index) => (weights[at(index)] as number) * (value - (places[at(index)] as number) / 1e4) ** 2,
          ),
        )
      );
    });

const rosenbrock = (x: readonly number[]): number =>
  sum(x.slice(0, -1), (value, index) => 100 * ((x[index + 1] as number) - value ** 2) ** 2 + (1 - value) ** 2);

function levy(x: readonly number[]): number {
  const w = x.map((value) => 1 + (value - 1) / 4);
  const last = w.at(-1) as number;
  const inner = sum(w.slice(0, -1), (value) => (value - 1) ** 2 * (1 + 10 * sin(PI * value + 1) ** 2));
  return sin(PI * (w[0] as number)) ** 2 + inner + (last - 1) ** 2 * (1 + sin(2 * PI * last) ** 2);
}

const pair =
  (valueAt: (x: number, y: number) => number) =>
  (at: readonly number[]): number =>
    valueAt(at[0] as number, at[1] as number);

export const standardFunctions: Readonly<Record<string, StandardFunction>> = {
  branin: {
    low: -5,
    high: 15,
    dimensions: 2,
    least: 0.397887,
    valueAt: pair(
      (x, y) => (y - (5.1 / (4 * PI ** 2)) * x * x + (5 / PI) * x - 6) ** 2 + 10 * (1 - 1 / (8 * PI)) * cos(x) + 10,
    ),
  },
  "six-hump camel": {
    low: -2,
    high: 2,
    dimensions: 2,
    least: -1.0316285,
    valueAt: pair((x, y) => (4 - 2.1 * x ** 2 + x ** 4 / 3) * x ** 2 + x * y + (4 * y ** 2 - 4) * y ** 2),
  },
  "goldstein-price, its logarithm": {
    low: -2,
    high: 2,
    dimensions: 2,
    least: Math.log(3),
    valueAt: pair((x, y) =>
      Math.log(
        (1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x ** 2 - 14 * y + 6 * x * y + 3 * y ** 2)) *
          (30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x ** 2 + 48 * y - 36 * x * y + 27 * y ** 2)),
      ),
    ),
  },
  "hartmann 3": {
    low: 0,
    high: 1,
    dimensions: 3,
    least: -3.86278,
    valueAt: hartmann(hartmann3Weights, hartmann3Places),
  },
  "hartmann 6": {
    low: 0,
    high: 1,
    dimensions: 6,
    least: -3.32237,
    valueAt: hartmann(hartmann6Weights, hartmann6Places),
  },
  sphere: { low: -4, high: 6, dimensions: 5, least: 0, valueAt: (x) => sum(x, (value) => value ** 2) },
  rosenbrock: { low: -2, high: 2.5, dimensions: 4, least: 0, valueAt: rosenbrock },
  levy: { low: -9, high: 10, dimensions: 4, least: 0, valueAt: levy },
  ackley: {
    low: -20,
    high: 32,
    dimensions: 3,
    least: 0,
    valueAt: (x) =>
      20 +
      Math.E -
      20 * exp(-0.2 * sqrt(sum(x, (value) => value ** 2) / x.length)) -
      exp(sum(x, (value) => cos(2 * PI * value)) / x.length),
  },
  "styblinski-tang": {
    low: -5,
    high: 5,
    dimensions: 3,
    least: -39.16617 * 3,
    valueAt: (x) => sum(x, (value) => value ** 4 - 16 * value ** 2 + 5 * value) / 2,
  },
  zakharov: {
    low: -5,
    high: 10,
    dimensions: 4,
    least: 0,
    valueAt: (x) => {
      const weighted = sum(x, (value, index) => 0.5 * (index + 1) * value);
      return sum(x, (value) => value ** 2) + weighted ** 2 + weighted ** 4;
    },
  },
  "dixon-price": {
    low: -10,
    high: 10,
    dimensions: 3,
    least: 0,
    valueAt: (x) =>
      ((x[0] as number) - 1) ** 2 +
      sum(x.slice(1), (value, index) => (index + 2) * (2 * value ** 2 - (x[index] as number)) ** 2),
  },
};
