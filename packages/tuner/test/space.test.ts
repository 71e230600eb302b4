import { createRandom, hasCode } from "@millwright/contracts";
import { type ParamsOf, categorical, float, int, openStudy, randomSampler } from "@millwright/tuner";
import { expect, expectTypeOf, test } from "vitest";

const space = {
  rate: float(1e-5, 1e-1, { log: true }),
  dropout: float(0, 0.5, { step: 0.125 }),
  units: int(8, 250, { step: 16 }),
  layers: int(1, 9, { log: true }),
  optimizer: categorical(["adam", "sgd"]),
};

test("the space gives the types of its parameters", () => {
  expectTypeOf<ParamsOf<typeof space>>().toEqualTypeOf<{
    readonly rate: number;
    readonly dropout: number;
    readonly units: number;
    readonly layers: number;
    readonly optimizer: "adam" | "sgd";
  }>();
});

test("draws stay in their domains and reach all of them", () => {
  const sampler = randomSampler();
  const random = createRandom(7);
  const seen = {
    dropout: new Set<unknown>(),
    units: new Set<unknown>(),
    layers: new Set<unknown>(),
    optimizer: new Set<unknown>(),
  };
  let decades = 0;
  for (let draw = 0; draw < 100_000; draw += 1) {
    const { params } = sampler.suggest(space, { direction: "minimize", trials: [] }, random);
    const { rate, dropout, units, layers, optimizer } = params as ParamsOf<typeof space>;
    if (!(rate >= 1e-5 && rate <= 1e-1)) throw new Error(`rate ${rate}`);
    if (rate < 1e-3) decades += 1;
    seen.dropout.add(dropout);
    seen.units.add(units);
    seen.layers.add(layers);
    seen.optimizer.add(optimizer);
  }
  expect(seen.dropout).toEqual(new Set([0, 0.125, 0.25, 0.375, 0.5]));
  expect(seen.units).toEqual(new Set(Array.from({ length: 16 }, (_, index) => 8 + 16 * index)));
  expect(seen.layers).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8, 9]));
  expect(seen.optimizer).toEqual(new Set(["adam", "sgd"]));
  // Two of the four decades lie below 0.001.
  expect(decades / 100_000).toBeCloseTo(0.5, 1);
});

const wrong = {
  "bounds the wrong way round": { x: float(2, 1) },
  "an infinite bound": { x: float(0, Infinity) },
  "a logarithm of zero": { x: float(0, 1, { log: true }) },
  "a step of zero": { x: float(0, 1, { step: 0 }) },
  "a step on a logarithmic scale": { x: float(1, 8, { log: true, step: 2 }) },
  "half an integer": { x: int(0.5, 3) },
  "no choices": { x: categorical([]) },
  "the same choice twice": { x: categorical(["a", "a"]) },
};

for (const [what, invalid] of Object.entries(wrong)) {
  test(`a space with ${what} is refused by name`, async () => {
    const opened = openStudy({ name: "wrong", space: invalid, direction: "minimize" });
    await expect(opened).rejects.toSatisfy(
      (error) => hasCode(error, "TUNER_SPACE_INVALID") && error.message.includes('"x"'),
    );
  });
}
