import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock, createRandom } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import { describe, expect, test } from "vitest";
import { type Prediction, type RequestCall, openModelServer } from "@millwright/serving";
import {
  type Experiment,
  type ExperimentOptions,
  createExperiment,
  openDatabaseExperimentLog,
} from "@millwright/serving/experiment";
import { compareMeans } from "../src/experiment/difference-test.ts";
import { logEvidenceOfMismatch } from "../src/experiment/sample-ratio.ts";
import { adjustedEstimates, noUnits, rawEstimate } from "../src/experiment/unit-moments.ts";
import { binomialUpper } from "./canary-simulation.ts";
import { denseRuntime, packFolder } from "./models.ts";

const golden = JSON.parse(await readFile(new URL("./fixtures/scipy-experiment.json", import.meta.url), "utf8")) as {
  readonly ratios: readonly (readonly number[])[];
  readonly mismatch: readonly { readonly counts: number[]; readonly shares: number[]; readonly value: number }[];
  readonly cuped: { readonly x: number[]; readonly y: number[]; readonly arm: number[]; readonly means: number[] };
};

const base: ExperimentOptions = {
  name: "new ranking",
  arms: { control: { variant: "a", weight: 1 }, treatment: { variant: "b", weight: 1 } },
  metrics: [{ name: "order", role: "goal", better: "higher" }],
};

/** Lets units ask, without a server: what they would be answered does not matter here. */
async function meet({ stage }: Experiment, units: readonly string[]): Promise<readonly (string | undefined)[]> {
  const variants: (string | undefined)[] = [];
  for (const unit of units)
    await stage.request?.(
      { endpoint: "late", requestId: `r ${unit}`, request: { stickyKey: unit } } as unknown as RequestCall,
      async (call) => {
        variants.push(call.request.variant);
        return {} as Prediction;
      },
    );
  return variants;
}

const unitsOf = (count: number, from = 0): readonly string[] =>
  Array.from({ length: count }, (_, at) => `user ${from + at}`);

describe("the statistics of an experiment", () => {
  test("the sequential test is the mixture that SciPy integrates", () => {
    for (const [difference = 0, variance = 0, scale = 0, ratio = 0] of golden.ratios) {
      const units = 1000;
      const arm = { units, mean: 0, variance: (variance * units) / 2 };
      const { pValue } = compareMeans(arm, { ...arm, mean: difference }, { alpha: 0.05, scale });
      expect(pValue).toBeCloseTo(Math.min(1, 1 / ratio), 6);
    }
    // The interval holds 0 exactly where the p-value is over alpha.
    for (let step = 0; step < 200; step += 1) {
      const arm = { units: 500, mean: 0, variance: 1 };
      const { lower, upper, pValue } = compareMeans(arm, { ...arm, mean: step / 500 }, { alpha: 0.05 });
      expect(pValue < 0.05).toBe(lower > 0 || upper < 0);
    }
  });

  test("the mismatch is SciPy's Dirichlet-multinomial against its multinomial", () => {
    for (const { counts, shares, value } of golden.mismatch)
      expect(logEvidenceOfMismatch(counts, shares)).toBeCloseTo(value, 6);
  });

  test("CUPED's means are those of NumPy's regression with one slope", () => {
    const { x, y, arm, means } = golden.cuped;
    const moments = [0, 1].map((which) =>
      arm.reduce((sum, each, at) => {
        if (each !== which) return sum;
        const [u, v] = [x[at] ?? 0, y[at] ?? 0];
        return {
          units: sum.units + 1,
          y: sum.y + v,
          yy: sum.yy + v * v,
          x: sum.x + u,
          xx: sum.xx + u * u,
          xy: sum.xy + u * v,
        };
      }, noUnits),
    );
    const adjusted = adjustedEstimates(moments);
    for (const [at, { mean }] of adjusted.entries()) expect(mean).toBeCloseTo(means[at] ?? 0, 9);
    expect(adjusted[0]?.variance).toBeLessThan(0.2 * rawEstimate(moments[0] ?? noUnits).variance);
  });
});

describe("an experiment", () => {
  test("SV-44: units stick to an arm by their salt, in the intended shares, and another salt assigns them independently", async () => {
    const units = unitsOf(10_000);
    const arms = { control: { variant: "a", weight: 3 }, treatment: { variant: "b", weight: 1 } };
    const first = createExperiment({ ...base, arms });
    const assigned = await meet(first, units);
    expect(await meet(first, units)).toEqual(assigned);
    expect(await meet(createExperiment({ ...base, arms }), units)).toEqual(assigned);
    const share = assigned.filter((variant) => variant === "b").length / units.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / units.length));
    const salted = await meet(createExperiment({ ...base, arms, salt: "again" }), units);
    const both = assigned.filter((variant, at) => variant === "b" && salted[at] === "b").length / units.length;
    expect(Math.abs(both - 0.0625)).toBeLessThan(4 * Math.sqrt((0.0625 * 0.9375) / units.length));
    // An exposure counts once, whoever asks again.
    expect(first.report().units).toEqual({
      control: units.length - Math.round(share * units.length),
      treatment: Math.round(share * units.length),
    });
  });

  test("SV-44: a sample-ratio mismatch of 52 to 48 is flagged and makes the experiment invalid; even shares are not", async () => {
    const even = createExperiment(base);
    await meet(even, unitsOf(20_000));
    expect(even.report().sampleRatio).toMatchObject({ mismatch: false });
    // One in thirteen units of the treatment gets lost before it is counted.
    let lost = 0;
    const broken = createExperiment({
      ...base,
      unit: ({ request: { stickyKey = "" } }) => {
        if (even.armOf(stickyKey) !== "treatment") return stickyKey;
        lost += 1;
        return lost % 13 === 0 ? undefined : stickyKey;
      },
    });
    await meet(broken, unitsOf(20_000));
    const { units, sampleRatio, decision } = broken.report();
    const total = (units["control"] ?? 0) + (units["treatment"] ?? 0);
    expect((units["control"] ?? 0) / total).toBeCloseTo(0.52, 2);
    expect(sampleRatio?.mismatch).toBe(true);
    expect(decision).toEqual({ verdict: "invalid" });
  });

  test(
    "SV-44: of 1,000 experiments without a difference at most alpha find one, looked at thirty times each",
    { timeout: 600_000 },
    () => {
      const alpha = 0.05;
      let found = 0;
      for (let run = 0; run < 1000; run += 1) {
        const random = createRandom(run);
        const arms = [{ ...noUnits }, { ...noUnits }] as { -readonly [Key in keyof typeof noUnits]: number }[];
        look: for (let step = 0; step < 30; step += 1) {
          for (let unit = 0; unit < 100; unit += 1) {
            const arm = arms[unit % 2] as { -readonly [Key in keyof typeof noUnits]: number };
            // Skewed, as money is.
            const y = random.next() < 0.3 ? Math.exp(random.normal()) : 0;
            arm.units += 1;
            arm.y += y;
            arm.yy += y * y;
          }
          const [control, treatment] = arms.map(rawEstimate);
          if (control === undefined || treatment === undefined) continue;
          if (compareMeans(control, treatment, { alpha }).pValue <= alpha) {
            found += 1;
            break look;
          }
        }
      }
      expect(binomialUpper(found, 1000, 0.01), `${found} of 1,000`).toBeLessThanOrEqual(alpha);
    },
  );

  test("SV-44: goals and guardrails are joined by unit, a covariate sharpens them, and harm is told before gain", async () => {
    const random = createRandom(3);
    const before = new Map(unitsOf(4000).map((unit) => [unit, 10 + 3 * random.normal()]));
    const options: ExperimentOptions = {
      ...base,
      metrics: [
        { name: "order", role: "goal", better: "higher" },
        { name: "refund", role: "guardrail", better: "lower" },
      ],
    };
    const run = async (more: Partial<ExperimentOptions>, refund: number) => {
      const chance = createRandom(4);
      const experiment = createExperiment({ ...options, ...more });
      await meet(experiment, [...before.keys()]);
      for (const [unit, spent] of before) {
        const treated = experiment.armOf(unit) === "treatment";
        experiment.outcome({ unit, metric: "order", value: (spent + chance.normal() + (treated ? 0.25 : 0)) / 2 });
        experiment.outcome({ unit, metric: "order", value: (spent + chance.normal() + (treated ? 0.25 : 0)) / 2 });
        if (chance.next() < (treated ? refund : 0.1)) experiment.outcome({ unit, metric: "refund", value: 1 });
      }
      experiment.outcome({ unit: "never exposed", metric: "order", value: 1e9 });
      return experiment.report();
    };
    const raw = await run({}, 0.1);
    expect(raw.decision).toEqual({ verdict: "undecided" });
    const adjusted = await run({ covariate: ({ request }) => before.get(request.stickyKey ?? "") }, 0.1);
    expect(adjusted.decision).toEqual({ verdict: "better", arm: "treatment" });
    const [goal] = adjusted.comparisons;
    expect(goal?.varianceReduction).toBeGreaterThan(0.8);
    expect(goal?.lower).toBeLessThan(0.25);
    expect(goal?.upper).toBeGreaterThan(0.25);
    const harmful = await run({ covariate: ({ request }) => before.get(request.stickyKey ?? "") }, 0.2);
    expect(harmful.decision).toEqual({ verdict: "harmful", arm: "treatment" });
  });

  test("SV-44: a bandit gives the better arm most of the new units, and keeps those it has assigned", async () => {
    const experiment = createExperiment({
      ...base,
      metrics: [{ name: "click", role: "goal", better: "higher" }],
      bandit: { metric: "click", seed: 7 },
    });
    const random = createRandom(11);
    const first = unitsOf(3000);
    for (const unit of first) {
      const [variant] = await meet(experiment, [unit]);
      if (random.next() < (variant === "b" ? 0.3 : 0.1)) experiment.outcome({ unit, metric: "click", value: 1 });
    }
    const again = await meet(experiment, first.slice(0, 200));
    expect(again.map((variant) => (variant === "b" ? "treatment" : "control"))).toEqual(
      first.slice(0, 200).map((unit) => experiment.armOf(unit)),
    );
    const { units, sampleRatio } = experiment.report();
    expect((units["treatment"] ?? 0) / 3000).toBeGreaterThan(0.85);
    expect(sampleRatio).toBeUndefined();
  });

  test("SV-44: in an endpoint: exposures go to the variant of the arm and are logged, and the next process goes on with them", async () => {
    await using folder = await packFolder(2);
    const directory = await mkdtemp(join(tmpdir(), "millwright-experiment-"));
    try {
      await using database = await openSqlite(join(directory, "db"));
      const clock = createManualClock(1000);
      const open = async () => {
        const log = await openDatabaseExperimentLog(database);
        const experiment = createExperiment({ ...base, log });
        const server = await openModelServer({
          source: folder.source,
          runtimes: [denseRuntime()],
          clock,
          endpoints: {
            late: {
              variants: { a: { model: "late/1", weight: 1 }, b: { model: "late/2", weight: 1 } },
              stages: [experiment.stage],
            },
          },
        });
        return { server, experiment, log };
      };
      {
        const { server, experiment } = await open();
        for (let unit = 0; unit < 300; unit += 1) {
          const { provenance } = await server.predict("late", { instances: [[1, 2, 3, 4]], stickyKey: `user ${unit}` });
          expect(provenance.variant).toBe(experiment.armOf(`user ${unit}`) === "control" ? "a" : "b");
          experiment.outcome({ unit: `user ${unit}`, metric: "order", value: unit % 5 });
        }
        // Who takes no part, or asks for a variant, is not exposed.
        await server.predict("late", { instances: [[1, 2, 3, 4]] });
        await server.predict("late", { instances: [[1, 2, 3, 4]], stickyKey: "other", variant: "a" });
        await server.drain();
      }
      const { server, experiment, log } = await open();
      const { units, comparisons } = experiment.report();
      expect((units["control"] ?? 0) + (units["treatment"] ?? 0)).toBe(300);
      expect(comparisons[0]?.controlMean).toBeGreaterThan(1.5);
      const records = [];
      for await (const batch of log.read("new ranking")) records.push(...batch);
      expect(records.filter(({ kind }) => kind === "exposure")).toHaveLength(300);
      expect(records[0]).toMatchObject({ kind: "exposure", unit: "user 0", timeMs: 1000 });
      await server.drain();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  test("an experiment that cannot be is refused", () => {
    for (const wrong of [
      { arms: { control: { variant: "a", weight: 1 } } },
      { arms: { control: { variant: "a", weight: 1 }, treatment: { variant: "b", weight: 0 } } },
      { metrics: [] },
      { alpha: 0 },
      { bandit: { metric: "other" } },
    ] as readonly Partial<ExperimentOptions>[])
      expect(() => createExperiment({ ...base, ...wrong }), JSON.stringify(wrong)).toThrow(RangeError);
  });
});
