// Functions of a list of numbers, in closed form. Where nothing else is said the least value is 0, at the origin; the tasks move and turn them.
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Least 0.39788735772973816, at (π, 2.275) and two more. */
export const branin = ([x, y]) =>
  (y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6) ** 2 +
  10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) +
  10;

const hartmannWeights = [1, 1.2, 3, 3.2];
const hartmann = (scales, places) => (point) =>
  -sum(
    hartmannWeights.map(
      (weight, row) =>
        weight *
        Math.exp(-sum(scales[row].map((scale, column) => scale * (point[column] - places[row][column] * 1e-4) ** 2))),
    ),
  );

/** On the unit cube; least −3.322368011415515. */
export const hartmann6 = hartmann(
  [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ],
  [
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
  ],
);

/** On the unit cube; least −3.862779787332660. */
export const hartmann3 = hartmann(
  [
    [3, 10, 30],
    [0.1, 10, 35],
    [3, 10, 30],
    [0.1, 10, 35],
  ],
  [
    [3689, 1170, 2673],
    [4699, 4387, 7470],
    [1091, 8732, 5547],
    [381, 5743, 8828],
  ],
);

export const ackley = (z) =>
  -20 * Math.exp(-0.2 * Math.sqrt(sum(z.map((value) => value * value)) / z.length)) -
  Math.exp(sum(z.map((value) => Math.cos(2 * Math.PI * value))) / z.length) +
  20 +
  Math.E;

/** The least is moved from (1, …, 1) to the origin. */
export const rosenbrock = (z) =>
  sum(z.slice(1).map((next, index) => 100 * (next + 1 - (z[index] + 1) ** 2) ** 2 + z[index] ** 2));

/** The least is moved from (1, …, 1) to the origin. */
export function levy(z) {
  const w = z.map((value) => 1 + value / 4);
  const last = w.length - 1;
  const middle = sum(w.slice(0, last).map((value) => (value - 1) ** 2 * (1 + 10 * Math.sin(Math.PI * value + 1) ** 2)));
  return Math.sin(Math.PI * w[0]) ** 2 + middle + (w[last] - 1) ** 2 * (1 + Math.sin(2 * Math.PI * w[last]) ** 2);
}

export const rastrigin = (z) => sum(z.map((value) => value * value - 10 * Math.cos(2 * Math.PI * value) + 10));

/** Axes of lengths 1 to √1000. */
export const ellipsoid = (z) =>
  sum(z.map((value, index) => 1000 ** (z.length === 1 ? 0 : index / (z.length - 1)) * value * value));

export const griewank = (z) =>
  1 +
  sum(z.map((value) => value * value)) / 4000 -
  z.reduce((product, value, index) => product * Math.cos(value / Math.sqrt(index + 1)), 1);

/** On [−5, 5]; least −39.16616570377141 a dimension, at −2.903534027771177 each. */
export const styblinskiTang = (x) => sum(x.map((value) => value ** 4 - 16 * value * value + 5 * value)) / 2;

/** On [−10, 10]; least 0 at 2^−((2^i − 2)/2^i). */
export const dixonPrice = (x) =>
  (x[0] - 1) ** 2 + sum(x.slice(1).map((value, index) => (index + 2) * (2 * value * value - x[index]) ** 2));

/** Least −1.031628453489877, at ±(0.0898, −0.7126). */
export const camel = ([x, y]) => (4 - 2.1 * x * x + x ** 4 / 3) * x * x + x * y + (4 * y * y - 4) * y * y;

/** Least 0, at (3, 0.5). */
export const beale = ([x, y]) => (1.5 - x + x * y) ** 2 + (2.25 - x + x * y * y) ** 2 + (2.625 - x + x * y ** 3) ** 2;

/**
 * The cost of a pressure vessel of shell and head thickness s and h, radius r and length l, with a steep penalty for what breaks its four bounds.
 * Sandgren, "Nonlinear integer and discrete programming in mechanical design optimization", 1990.
 */
export function pressureVessel([s, h, r, l]) {
  const cost = 0.6224 * s * r * l + 1.7781 * h * r * r + 3.1661 * s * s * l + 19.84 * s * s * r;
  const broken =
    Math.max(0, 0.0193 * r - s) +
    Math.max(0, 0.00954 * r - h) +
    Math.max(0, 1 - (Math.PI * r * r * l + (4 / 3) * Math.PI * r ** 3) / 1_296_000) +
    Math.max(0, l / 240 - 1);
  return cost + 1e5 * broken;
}

/** A bowl on search scales in [0, 1] with ripples: Σ w (d² + 0.02 (1 − cos 6πd)), d the distance from the centre in each. Least 0. */
export const rippledBowl = (u, centre, weights) =>
  sum(
    u.map((value, index) => {
      const d = value - centre[index];
      return weights[index] * (d * d + 0.02 * (1 - Math.cos(6 * Math.PI * d)));
    }),
  );

/** ZDT1 to 4 and 6, two objectives: Zitzler, Deb and Thiele (2000). x in [0, 1]; ZDT4's others in [−5, 5]. */
export const zdt = {
  1: ([first, ...rest]) => front(first, 1 + (9 * sum(rest)) / rest.length, (ratio) => 1 - Math.sqrt(ratio)),
  2: ([first, ...rest]) => front(first, 1 + (9 * sum(rest)) / rest.length, (ratio) => 1 - ratio * ratio),
  3: ([first, ...rest]) =>
    front(
      first,
      1 + (9 * sum(rest)) / rest.length,
      (ratio) => 1 - Math.sqrt(ratio) - ratio * Math.sin(10 * Math.PI * first),
    ),
  4: ([first, ...rest]) =>
    front(
      first,
      1 + 10 * rest.length + sum(rest.map((value) => value * value - 10 * Math.cos(4 * Math.PI * value))),
      (ratio) => 1 - Math.sqrt(ratio),
    ),
  6: ([first, ...rest]) =>
    front(
      1 - Math.exp(-4 * first) * Math.sin(6 * Math.PI * first) ** 6,
      1 + 9 * (sum(rest) / rest.length) ** 0.25,
      (ratio) => 1 - ratio * ratio,
    ),
};

const front = (first, g, shape) => [first, g * shape(first / g)];

/** DTLZ2 with `objectives` objectives on the unit cube; the front is the unit sphere. Deb, Thiele, Laumanns and Zitzler (2002). */
export function dtlz2(x, objectives) {
  const g = sum(x.slice(objectives - 1).map((value) => (value - 0.5) ** 2));
  const angles = x.slice(0, objectives - 1).map((value) => (value * Math.PI) / 2);
  return Array.from({ length: objectives }, (_, objective) => {
    const cosines = angles
      .slice(0, objectives - 1 - objective)
      .reduce((product, angle) => product * Math.cos(angle), 1);
    return (1 + g) * cosines * (objective === 0 ? 1 : Math.sin(angles[objectives - 1 - objective]));
  });
}
