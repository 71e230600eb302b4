import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import {
  type Choice,
  type Params,
  type Parameter,
  type Space,
  type TpeOptions,
  type TpeProfile,
  type Trial,
  tpeSampler,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { goodTrials } from "../src/samplers/tpe-split.ts";
import { toSearchScale } from "../src/space-scale.ts";

interface Summary {
  readonly count: number;
  readonly quantiles?: readonly number[];
  readonly counts?: Readonly<Record<string, number>>;
}

interface Case {
  readonly name: string;
  readonly options: TpeOptions;
  readonly space: Readonly<Record<string, Parameter>>;
  readonly conditions: Readonly<Record<string, string>>;
  readonly objectives: number;
  readonly trials: readonly (Pick<Trial, "params" | "state" | "intermediates" | "constraintValues"> & {
    readonly values: readonly number[] | null;
  })[];
  readonly suggestions: Readonly<Record<string, Summary>>;
}

interface Golden {
  readonly profile: TpeProfile;
  readonly cases: readonly Case[];
}

const goldens = ["optuna-4.5.0-tpe.json", "optuna-5.0.0-tpe.json"].map(
  (file) => JSON.parse(readFileSync(new URL(`golden/${file}`, import.meta.url), "utf8")) as Golden,
);

const SUGGESTIONS = 2_000;

function suggestionsFor({ space, conditions, objectives, trials, options }: Case, profile: TpeProfile): Params[] {
  const whole: Space = Object.fromEntries(
    Object.entries(space).map(([name, parameter]) => [
      name,
      conditions[name] === undefined ? parameter : when("model", [conditions[name]], parameter),
    ]),
  );
  const known = trials.map(({ values, ...rest }, number): Trial => ({
    ...rest,
    number,
    explanation: {},
    attempts: 1,
    ...(values === null ? {} : { values, ...(objectives === 1 ? { value: values[0] } : {}) }),
  }));
  const sampler = tpeSampler({ profile, ...options });
  const directions = Array.from({ length: objectives }, () => "minimize" as const);
  const random = createRandom(3);
  return Array.from({ length: SUGGESTIONS }, () => {
    return sampler.suggest(whole, { direction: "minimize", directions, trials: known }, random).params;
  });
}

/** p = 0.01 of Smirnov's two-sample test: 1.628 √((n + m)/(n m)). Hodges (1958), Arkiv för Matematik 3. */
function quantileDistance(ours: readonly number[], { quantiles = [], count }: Summary): number {
  const sorted = ours.toSorted((a, b) => a - b);
  let distance = 0;
  let rank = 0;
  for (const [index, quantile] of quantiles.entries()) {
    // At its k-th quantile of m the other sample's distribution has just risen above k/m.
    while (rank < sorted.length && (sorted[rank] as number) < quantile) rank += 1;
    distance = Math.max(distance, Math.abs(rank / sorted.length - index / quantiles.length));
  }
  return distance / (1.628 * Math.sqrt((sorted.length + count) / (sorted.length * count)));
}

/** Two-sample chi-square over cells with at least 10 in all, as a share of its 0.99 quantile (Wilson and Hilferty, 1931). */
function countsDistance(ours: readonly Choice[], { counts = {}, count }: Summary): number {
  const own = new Map<string, number>();
  for (const value of ours) {
    const key = JSON.stringify(value);
    const known = Object.hasOwn(counts, key) || typeof value !== "number" ? key : nearestKey(counts, value);
    own.set(known, (own.get(known) ?? 0) + 1);
  }
  let statistic = 0;
  let cells = 0;
  for (const key of new Set([...own.keys(), ...Object.keys(counts)])) {
    const a = own.get(key) ?? 0;
    const b = counts[key] ?? 0;
    if (a + b < 10) continue;
    cells += 1;
    statistic += (a * Math.sqrt(count / ours.length) - b * Math.sqrt(ours.length / count)) ** 2 / (a + b);
  }
  const freedom = Math.max(1, cells - 1);
  const quantile = freedom * (1 - 2 / (9 * freedom) + 2.3263 * Math.sqrt(2 / (9 * freedom))) ** 3;
  return statistic / quantile;
}

const nearestKey = (counts: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(counts).find((key) => Math.abs(Number(key) - value) < 1e-5) ?? String(value);

function unitSum(space: Readonly<Record<string, Parameter>>, params: Params): number {
  let sum = 0;
  for (const [name, value] of Object.entries(params)) {
    const parameter = space[name];
    if (parameter?.kind !== "float" && parameter?.kind !== "int") continue;
    const [low, high] = [toSearchScale(parameter, parameter.low), toSearchScale(parameter, parameter.high)];
    sum += (toSearchScale(parameter, value as number) - low) / (high - low);
  }
  return sum;
}

for (const { profile, cases } of goldens) {
  for (const golden of cases) {
    test(`HT-4: ${profile}, ${golden.name}: suggestions are distributed as Optuna's are`, () => {
      const drawn = suggestionsFor(golden, profile);
      for (const [name, summary] of Object.entries(golden.suggestions)) {
        const values =
          name === "sum"
            ? drawn.map((params) => unitSum(golden.space, params))
            : drawn.flatMap((params) => (params[name] === undefined ? [] : [params[name] as Choice]));
        // How often a conditional parameter is active: the difference of two binomials, at 2.576 deviations.
        const share = (values.length + summary.count) / (2 * SUGGESTIONS);
        const deviation = Math.sqrt(2 * SUGGESTIONS * share * (1 - share));
        expect(Math.abs(values.length - summary.count), name).toBeLessThanOrEqual(2.576 * deviation);
        if (summary.count === 0) continue;
        const distance =
          summary.quantiles === undefined
            ? countsDistance(values, summary)
            : quantileDistance(values as readonly number[], summary);
        expect(distance, `${name}: the statistic as a share of its value at p = 0.01`).toBeLessThan(1);
      }
    });
  }
}

test("HT-4: the numbers of good trials are Optuna's", () => {
  expect([10, 11, 250, 1000].map(goodTrials)).toEqual([1, 2, 25, 25]);
});
