import { autoSampler, cmaEsSampler, tpeSampler } from "@millwright/tuner";
import { expect, test } from "vitest";
import { testAgainstRandom } from "./against-random.ts";
import { standardFunctions } from "./standard-functions.ts";

test("the functions have their published least values", () => {
  const places: Readonly<Record<string, readonly number[]>> = {
    branin: [Math.PI, 2.275],
    "six-hump camel": [0.0898, -0.7126],
    "goldstein-price, its logarithm": [0, -1],
    "hartmann 3": [0.114614, 0.555649, 0.852547],
    "hartmann 6": [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573],
    sphere: [0, 0, 0, 0, 0],
    rosenbrock: [1, 1, 1, 1],
    levy: [1, 1, 1, 1],
    ackley: [0, 0, 0],
    "styblinski-tang": [-2.903534, -2.903534, -2.903534],
    zakharov: [0, 0, 0, 0],
    "dixon-price": [1, 2 ** -0.5, 2 ** -0.75],
  };
  for (const [name, { valueAt, least }] of Object.entries(standardFunctions))
    expect(valueAt(places[name] as readonly number[])).toBeCloseTo(least, 4);
});

testAgainstRandom({ name: "auto", make: autoSampler, trials: 50, margin: 0.6 });
testAgainstRandom({ name: "tpe", make: tpeSampler, trials: 50, margin: 0.7 });
testAgainstRandom({
  name: "tpe as Optuna 5's",
  make: () => tpeSampler({ profile: "optuna5" }),
  trials: 80,
  margin: 0.8,
});
testAgainstRandom({ name: "cma-es", make: cmaEsSampler, trials: 90, margin: 0.7 });
