// Groups C (continuous, 2 to 20 dimensions), N (the same with noise) and P (several workers).
import {
  ackley,
  branin,
  dixonPrice,
  ellipsoid,
  griewank,
  hartmann3,
  hartmann6,
  levy,
  rastrigin,
  rosenbrock,
  styblinskiTang,
} from "./functions.mjs";
import { normalOf, rotation, seedOf, uniforms } from "./streams.mjs";

const names = (count) => Array.from({ length: count }, (_, index) => `x${index}`);
export const floats = (count, low, high) =>
  Object.fromEntries(names(count).map((name) => [name, { kind: "float", low, high }]));
const valuesOf = (count) => (params) => names(count).map((name) => params[name]);

/** Draws the place of the optimum from the middle 60 % of the box. */
export function placeOf(id, dimensions, low, high) {
  const uniform = uniforms(seedOf(id, "place"));
  return Array.from({ length: dimensions }, () => low + (high - low) * (0.2 + 0.6 * uniform()));
}

/** `base` with its optimum moved to a drawn place; with `turned`, the axes are turned too. */
function moved(id, dimensions, low, high, base, { turned = false } = {}) {
  const place = placeOf(id, dimensions, low, high);
  const axes = turned ? rotation(dimensions, seedOf(id, "axes")) : undefined;
  const read = valuesOf(dimensions);
  return {
    id,
    space: floats(dimensions, low, high),
    optimum: 0,
    optimumAt: Object.fromEntries(names(dimensions).map((name, index) => [name, place[index]])),
    evaluate(params) {
      const from = read(params).map((value, index) => value - place[index]);
      return base(
        axes === undefined ? from : axes.map((axis) => axis.reduce((sum, part, index) => sum + part * from[index], 0)),
      );
    },
  };
}

/** `base` as it is published. */
const plain = (id, dimensions, low, high, base, optimum, at) => ({
  id,
  space: floats(dimensions, low, high),
  optimum,
  optimumAt: Object.fromEntries(names(dimensions).map((name, index) => [name, at(index)])),
  evaluate: (params) => base(valuesOf(dimensions)(params)),
});

const branin2 = {
  ...plain("branin-2", 2, 0, 15, branin, 0.39788735772973816, (index) => [Math.PI, 2.275][index]),
  space: { x0: { kind: "float", low: -5, high: 10 }, x1: { kind: "float", low: 0, high: 15 } },
};
const hartmannPlace = [
  0.20168951265373836, 0.1500106918234598, 0.4768739729250998, 0.2753324275220782, 0.31165161653706114,
  0.6573005340667769,
];
const idle = [3, 7, 8, 12, 15, 19];
const embedded = {
  ...plain(
    "hartmann-6-of-20",
    20,
    0,
    1,
    (x) => hartmann6(idle.map((index) => x[index])),
    -3.322368011415515,
    (index) => (idle.includes(index) ? hartmannPlace[idle.indexOf(index)] : 0.5),
  ),
};
const hartmann3Place = [0.1145889, 0.55564889, 0.85254695];

export const continuous = [
  branin2,
  moved("rastrigin-4", 4, -5.12, 5.12, rastrigin, { turned: true }),
  moved("ackley-5", 5, -32.768, 32.768, ackley, { turned: true }),
  moved("rosenbrock-5", 5, -5, 10, rosenbrock),
  plain("hartmann-6", 6, 0, 1, hartmann6, -3.322368011415515, (index) => hartmannPlace[index]),
  moved("levy-8", 8, -10, 10, levy),
  moved("ellipsoid-10", 10, -5, 5, ellipsoid, { turned: true }),
  embedded,
  { ...plain("hartmann-3", 3, 0, 1, hartmann3, -3.86277978733266, (index) => hartmann3Place[index]), heldOut: true },
  { ...moved("griewank-6", 6, -600, 600, griewank, { turned: true }), heldOut: true },
  {
    ...plain("styblinski-12", 12, -5, 5, styblinskiTang, -39.16616570377141 * 12, () => -2.903534027771177),
    heldOut: true,
  },
  {
    ...plain(
      "dixon-price-16",
      16,
      -10,
      10,
      dixonPrice,
      0,
      (index) => 2 ** -((2 ** (index + 1) - 2) / 2 ** (index + 1)),
    ),
    heldOut: true,
  },
].map((task) => ({ group: "C", heldOut: false, ...task }));

/** Parameters at random on their search scales; what is not active is left out, but draws its number all the same. */
export function drawParams(space, uniform) {
  const params = {};
  for (const [name, { kind, low, high, log, step, choices, when }] of Object.entries(space)) {
    const u = uniform();
    if (when !== undefined && !(when.parent in params && when.values.includes(params[when.parent]))) continue;
    if (kind === "categorical") params[name] = choices[Math.floor(u * choices.length)];
    else {
      const value = log ? low * (high / low) ** u : low + (high - low) * u;
      params[name] =
        kind === "int" ? Math.round(value) : step === undefined ? value : low + step * Math.round((value - low) / step);
    }
  }
  return params;
}

/** The median of 2,001 random values less the optimum: what regret is measured in where random search itself was not recorded. */
export function scaleOf(task) {
  const uniform = uniforms(seedOf(task.id, "scale"));
  const values = Array.from({ length: 2001 }, () => task.evaluate(drawParams(task.space, uniform)));
  return values.toSorted((a, b) => a - b)[1000] - task.optimum;
}

/** Noise of a tenth of the scale; it belongs to the seed and the trial's number, so all contenders meet the same. */
export const noisy = continuous.map((task) => {
  const sigma = 0.1 * scaleOf(task);
  return {
    ...task,
    id: `${task.id}-noisy`,
    group: "N",
    observe: (value, seed, number) => value + sigma * normalOf(task.id, "noise", seed, number),
  };
});

/** Six of the tasks on 4 and 8 workers; how long a trial takes (log-normal, σ = 0.5) belongs to the seed and its number. */
const shared = ["branin-2", "ackley-5", "hartmann-6", "levy-8", "griewank-6", "styblinski-12"];
export const parallel = [4, 8].flatMap((workers) =>
  continuous
    .filter(({ id }) => shared.includes(id))
    .map((task) => ({
      ...task,
      id: `${task.id}-${workers}-workers`,
      group: "P",
      workers,
      durationOf: (seed, number) => Math.exp(0.5 * normalOf(task.id, "duration", seed, number)),
    })),
);
