import { createRandom } from "@millwright/contracts";
import {
  type Constraint,
  type Params,
  type Sampler,
  type Space,
  categorical,
  ehviSampler,
  float,
  gpSampler,
  int,
  linear,
  nsga2Sampler,
  nsga3Sampler,
  randomSampler,
  rule,
  tpeSampler,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { drawParams } from "../src/space-constraints.ts";
import { runTrials } from "./fixtures/multi-objective-problems.ts";

const space = {
  rate: float(1e-4, 1, { log: true }),
  width: int(1, 64),
  depth: int(1, 8),
  dropout: float(0, 0.9),
  kind: categorical(["small", "large"]),
};
const constraints = [
  linear({ width: 1, depth: 8 }, { atMost: 80 }),
  linear({ rate: 1, dropout: 1 }, { atLeast: 0.1, atMost: 0.8 }),
  rule("small ones are narrow", ({ kind, width }) => kind === "large" || (width as number) <= 16),
];

/** The constraints once more, by hand. */
const isKept = ({ rate, width, depth, dropout, kind }: Params): boolean => {
  const sum = (rate as number) + (dropout as number);
  return (
    (width as number) + 8 * (depth as number) <= 80 &&
    sum >= 0.1 - 1e-12 &&
    sum <= 0.8 + 1e-12 &&
    (kind === "large" || (width as number) <= 16)
  );
};

test("HT-17: none of a million draws breaks a linear or an arbitrary constraint", () => {
  const square = { x: float(0, 1), y: float(0, 1) };
  const bounds = [
    linear({ x: 1, y: 1 }, { atLeast: 0.5, atMost: 1.8 }),
    rule("inside the circle", ({ x, y }) => (x as number) ** 2 + (y as number) ** 2 <= 1.5),
  ];
  const random = createRandom(6);
  let broken = 0;
  for (let draw = 0; draw < 1_000_000; draw += 1) {
    const { x, y } = drawParams(square, random, bounds) as { x: number; y: number };
    if (x + y < 0.5 || x + y > 1.8 || x * x + y * y > 1.5) broken += 1;
  }
  expect(broken).toBe(0);
});

const samplers: Readonly<Record<string, () => Sampler>> = {
  random: () => randomSampler(),
  tpe: () => tpeSampler(),
  nsga2: () => nsga2Sampler({ population: 20 }),
  gp: () => gpSampler({ candidates: 128, starts: 2 }),
  ehvi: () => ehviSampler({ candidates: 128, starts: 2 }),
  nsga3: () => nsga3Sampler({ population: 20 }),
};

for (const [name, make] of Object.entries(samplers)) {
  test(`HT-17: ${name} never suggests what a known constraint forbids, though the objective's best lies there`, () => {
    for (const seed of name === "ehvi" || name === "gp" ? [1] : [1, 2, 3]) {
      // The free optimum has the widest and deepest, and the largest rate.
      const measure = ({ rate, width, depth, dropout }: Params) => ({
        values: [-(rate as number) - (width as number) / 64 - (depth as number) / 8 - (dropout as number)],
      });
      const trials = runTrials(make(), { space, measure, trials: 120, seed, constraints });
      expect(trials.filter(({ params }) => !isKept(params))).toEqual([]);
    }
  });
}

const thin: readonly { readonly what: string; readonly space: Space; readonly constraints: readonly Constraint[] }[] = [
  {
    what: "shares that add up to one",
    space: { a: float(0, 1), b: float(0, 1), c: float(0, 1), d: float(0, 1) },
    constraints: [linear({ a: 1, b: 1, c: 1, d: 1 }, { atLeast: 1 - 1e-9, atMost: 1 + 1e-9 })],
  },
  {
    what: "whole numbers with a fixed sum",
    space: { a: int(0, 100), b: int(0, 100), c: int(0, 100) },
    constraints: [linear({ a: 1, b: 1, c: 1 }, { atLeast: 10, atMost: 10 })],
  },
  {
    what: "a corner of ten dimensions",
    space: Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`x${index}`, float(0, 1)])),
    constraints: [
      linear(Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`x${index}`, 1])), { atMost: 0.5 }),
    ],
  },
  {
    what: "a log scale in a narrow band, beside a parameter with a condition",
    space: {
      rate: float(1e-5, 1, { log: true }),
      decay: float(0, 1),
      kind: categorical(["a", "b"]),
      extra: when("kind", ["b"], float(0, 1)),
    },
    constraints: [linear({ rate: 10, decay: 1, extra: 1 }, { atLeast: 0.5, atMost: 0.502 })],
  },
];

for (const { what, space: narrow, constraints: bounds } of thin) {
  test(`HT-17: draws reach ${what}, where plain rejection does not`, () => {
    const random = createRandom(9);
    const draws = Array.from({ length: 500 }, () => drawParams(narrow, random, bounds));
    for (const params of draws) {
      for (const bound of bounds) {
        if (bound.kind !== "linear") continue;
        const sum = Object.entries(bound.weights).reduce(
          (total, [name, weight]) => total + weight * ((params[name] as number | undefined) ?? 0),
          0,
        );
        expect(sum).toBeGreaterThanOrEqual((bound.atLeast ?? -Infinity) - 1e-11);
        expect(sum).toBeLessThanOrEqual((bound.atMost ?? Infinity) + 1e-11);
      }
    }
    expect(new Set(draws.map((params) => JSON.stringify(params))).size).toBeGreaterThan(60);
  });
}

test("draws inside thin bounds are uniform: shares that add up to one have the moments of the flat Dirichlet distribution", () => {
  const { space: shares, constraints: bounds } = thin[0] as (typeof thin)[number];
  const random = createRandom(4);
  const draws = Array.from({ length: 3_000 }, () => drawParams(shares, random, bounds));
  for (const name of ["a", "b", "c", "d"]) {
    const values = draws.map((params) => params[name] as number);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    // Dirichlet(1, 1, 1, 1): mean 1/4, second moment 1/10, fourth 1/35; three standard errors.
    expect(Math.abs(mean - 1 / 4)).toBeLessThan(3 * Math.sqrt((1 / 10 - 1 / 16) / draws.length));
    expect(Math.abs(square - 1 / 10)).toBeLessThan(3 * Math.sqrt((1 / 35 - 1 / 100) / draws.length));
  }
});

test("draws inside thin bounds are uniform on a logarithmic scale too", () => {
  // decay = 0.5 − rate to 1e-6, and the rate log-uniform: all of its decades but the last alike.
  const band = { rate: float(1e-4, 0.1, { log: true }), decay: float(0, 1) };
  const random = createRandom(8);
  const bounds = [linear({ rate: 1, decay: 1 }, { atLeast: 0.5 - 5e-3, atMost: 0.5 + 5e-3 })];
  const draws = Array.from({ length: 1_200 }, () => drawParams(band, random, bounds));
  const below = (limit: number): number => draws.filter(({ rate }) => (rate as number) < limit).length / draws.length;
  for (const [limit, share] of [
    [1e-3, 1 / 3],
    [1e-2, 2 / 3],
  ] as const)
    expect(Math.abs(below(limit) - share)).toBeLessThan(4 * Math.sqrt(2 / 9 / draws.length));
});
