import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type ParamsOf,
  type Sampler,
  type Trial,
  bool,
  categorical,
  constant,
  float,
  haltonSampler,
  int,
  linear,
  ordinal,
  permutation,
  randomSampler,
  rule,
  sobolSampler,
  subset,
  tpeSampler,
  when,
} from "@millwright/tuner";
import { expect, expectTypeOf, test } from "vitest";

const space = {
  rate: float(1e-5, 1e-1, { log: true }),
  momentum: float(0, 0.999, { reverseLog: true }),
  dropout: float(0, 0.55, { step: 0.1 }),
  shift: float(-3.5, 7.25),
  units: int(8, 64, { step: 8 }),
  layers: int(1, 300, { log: true }),
  seed: int(-2, 2),
  single: int(5, 5),
  opt: categorical(["adam", "sgd"]),
  size: ordinal([16, 32, 64]),
  exact: bool(),
  version: constant("v1"),
  order: permutation(["a", "b", "c", "d"]),
  features: subset(["f1", "f2", "f3", "f4", "f5"], { min: 1, max: 3 }),
  nesterov: when("opt", ["sgd"], bool()),
  decay: when("nesterov", [true], float(1e-6, 1e-2, { log: true })),
};

const steps = (low: number, step: number, count: number): ReadonlySet<unknown> =>
  new Set(Array.from({ length: count }, (_, index) => Number((low + index * step).toFixed(6))));

const within = (low: number, high: number) => (value: unknown) =>
  typeof value === "number" && value >= low && value <= high;

const isWhole = (low: number, high: number) => (value: unknown) => Number.isInteger(value) && within(low, high)(value);

const among = (values: ReadonlySet<unknown>) => (value: unknown) => values.has(value);

function isSubset(value: unknown): boolean {
  const chosen = value as readonly string[];
  const inOrder = chosen.every((item, index) => index === 0 || (chosen[index - 1] as string) < item);
  return chosen.length >= 1 && chosen.length <= 3 && inOrder && chosen.every((item) => /^f[1-5]$/.test(item));
}

/** The domains once more, in plain words of their own. */
const domains: Readonly<Record<keyof typeof space, (value: unknown) => boolean>> = {
  rate: within(1e-5, 1e-1),
  momentum: within(0, 0.999),
  dropout: among(steps(0, 0.1, 6)),
  shift: within(-3.5, 7.25),
  units: among(steps(8, 8, 8)),
  layers: isWhole(1, 300),
  seed: isWhole(-2, 2),
  single: among(new Set([5])),
  opt: among(new Set(["adam", "sgd"])),
  size: among(new Set([16, 32, 64])),
  exact: among(new Set([true, false])),
  version: among(new Set(["v1"])),
  order: (value) => [...(value as readonly string[])].toSorted().join("") === "abcd",
  features: isSubset,
  nesterov: among(new Set([true, false])),
  decay: within(1e-6, 1e-2),
};

/** @returns how many values were looked at. */
function checkDomains(params: Params): number {
  const names = Object.keys(params);
  for (const name of names) {
    if (!domains[name as keyof typeof space](params[name]))
      throw new Error(`${name} is ${JSON.stringify(params[name])} in ${JSON.stringify(params)}.`);
  }
  const withNesterov = params["opt"] === "sgd";
  const withDecay = withNesterov && params["nesterov"] === true;
  const active = 14 + (withNesterov ? 1 : 0) + (withDecay ? 1 : 0);
  if ("nesterov" in params !== withNesterov || "decay" in params !== withDecay || names.length !== active)
    throw new Error(`Other parameters are active than should be: ${JSON.stringify(params)}.`);
  return names.length;
}

function* draws(sampler: Sampler, trials: Trial[], keepsTrials: boolean): Generator<Params> {
  for (let number = 0; ; number += 1) {
    const random = createRandom(9).fork(number);
    const { params, explanation } = sampler.suggest(space, { direction: "minimize", trials }, random);
    yield params;
    if (!keepsTrials) continue;
    const value = (params["shift"] as number) ** 2 + (params["units"] as number) / 64;
    const common = { number, params, explanation, intermediates: [], attempts: 1 };
    trials.push({ ...common, state: "completed", value, values: [value] });
  }
}

test("HT-1: types are inferred, and a million sampled values are all in their domains", () => {
  const typed = { lr: float(0, 1), opt: categorical(["adam", "sgd"]), drop: when("opt", ["sgd"], float(0, 1)) };
  expectTypeOf<ParamsOf<typeof typed>>().toEqualTypeOf<{
    readonly lr: number;
    readonly opt: "adam" | "sgd";
    readonly drop?: number | undefined;
  }>();
  expectTypeOf<ParamsOf<typeof space>["features"]>().toEqualTypeOf<readonly ("f1" | "f2" | "f3" | "f4" | "f5")[]>();
  const wanted: readonly (readonly [Sampler, number])[] = [
    [randomSampler(), 1_000_000],
    [sobolSampler(), 20_000],
    [haltonSampler(), 20_000],
    [tpeSampler(), 3_000],
    [tpeSampler({ profile: "optuna4" }), 2_000],
  ];
  for (const [sampler, values] of wanted) {
    let seen = 0;
    for (const params of draws(sampler, [], sampler.name !== "random")) {
      seen += checkDomains(params);
      if (seen >= values) break;
    }
  }
});

test("known constraints hold in everything that the samplers suggest", () => {
  const narrow = { a: float(0, 1), b: float(0, 1), units: int(1, 20), opt: categorical(["adam", "sgd"]) };
  const constraints = [
    linear({ a: 1, b: 1 }, { atMost: 0.7 }),
    rule("small adam", ({ opt, units }) => opt !== "adam" || (units as number) <= 5),
  ];
  const samplers = [randomSampler(), sobolSampler(), haltonSampler(), tpeSampler(), tpeSampler({ profile: "optuna4" })];
  for (const sampler of samplers) {
    const trials: Trial[] = [];
    for (let number = 0; number < 200; number += 1) {
      const { params, explanation } = sampler.suggest(
        narrow,
        { direction: "minimize", trials, constraints },
        createRandom(2).fork(number),
      );
      const { a, b, units, opt } = params as {
        readonly a: number;
        readonly b: number;
        readonly units: number;
        readonly opt: string;
      };
      if (a + b > 0.7 + 1e-12 || (opt === "adam" && units > 5))
        throw new Error(`Forbidden: ${JSON.stringify(params)}.`);
      // The best is at the edge of what is allowed, so that a model would like to go beyond.
      const value = -a - b - units / 20;
      trials.push({
        number,
        state: "completed",
        params,
        value,
        values: [value],
        explanation,
        intermediates: [],
        attempts: 1,
      });
    }
    if (sampler.name === "tpe") expect(trials.at(-1)?.explanation["phase"]).toBe("model");
  }
});
