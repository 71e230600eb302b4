import { readFileSync } from "node:fs";
import {
  type Direction,
  type Pruner,
  type Trial,
  hyperbandBudgets,
  hyperbandPruner,
  medianPruner,
  patientPruner,
  percentilePruner,
  successiveHalvingPruner,
  thresholdPruner,
  wilcoxonPruner,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { signedRankPValue } from "../src/pruners/wilcoxon-test.ts";

interface GoldenTrial {
  readonly reports: readonly (readonly [step: number, value: number | null])[];
  readonly verdicts: readonly boolean[];
  readonly state: "completed" | "pruned" | "failed";
  readonly value?: number;
}

interface GoldenStudy {
  readonly name: string;
  readonly pruner: string;
  readonly options: Readonly<Record<string, number | string>>;
  readonly direction: Direction;
  readonly trials: readonly GoldenTrial[];
}

/** Made by golden/optuna-pruners.py with Optuna 5.0.0 and SciPy 1.17.1. */
const golden = JSON.parse(readFileSync(new URL("golden/optuna-5.0.0-pruners.json", import.meta.url), "utf8")) as {
  readonly studies: readonly GoldenStudy[];
  readonly wilcoxon: readonly { readonly differences: readonly number[]; readonly p: number }[];
  readonly budgets: Readonly<Record<string, readonly number[]>>;
};

const makers: Readonly<Record<string, (options: never) => Pruner>> = {
  median: medianPruner,
  percentile: ({ percentile }: { percentile: number }) => percentilePruner(percentile),
  threshold: thresholdPruner,
  patient: ({ wrapped, ...options }: { wrapped?: string; patience: number }) =>
    patientPruner(wrapped === "median" ? medianPruner() : undefined, options),
  wilcoxon: wilcoxonPruner,
  "successive-halving": successiveHalvingPruner,
  hyperband: hyperbandPruner,
};

/** What our pruner says of each report, where trials run one after the other and end as they did there. */
function verdictsOf({ name, pruner: kind, options, direction, trials }: GoldenStudy): readonly (readonly boolean[])[] {
  const pruner = makers[kind]!(options as never);
  const before: Trial[] = [];
  return trials.map(({ reports, state, value }, number) => {
    let trial: Trial = { number, state: "running", params: {}, explanation: {}, intermediates: [], attempts: 1 };
    const verdicts = reports.map(([step, at]) => {
      trial = { ...trial, intermediates: [...trial.intermediates, [step, at ?? Number.NaN]] };
      const verdict = pruner.judge({ study: name, direction, trial, trials: [...before, trial] });
      if (verdict.prune) trial = { ...trial, verdict: verdict.explanation };
      return verdict.prune;
    });
    const ended = value === undefined ? {} : { value, values: [value] };
    before.push({ ...trial, state, endedMs: number, ...ended });
    return verdicts;
  });
}

for (const study of golden.studies)
  test(`HT-5: ${study.name}: the verdict on every step of every trial is that of Optuna's ${study.pruner} pruner`, () => {
    const wanted = study.trials.map(({ verdicts }) => verdicts);
    // A golden study in which nothing, or everything, is stopped would show nothing.
    expect(new Set(wanted.flat())).toEqual(new Set([true, false]));
    expect(verdictsOf(study)).toEqual(wanted);
  });

test("HT-5: Hyperband shares trials among its brackets as Optuna and the paper do", () => {
  for (const [maximum, budgets] of Object.entries(golden.budgets))
    expect(hyperbandBudgets(Number(maximum)), maximum).toEqual(budgets);
  expect(hyperbandBudgets(81)).toEqual([81, 34, 15, 8, 5]);
  expect(hyperbandBudgets(27)).toEqual([27, 12, 6, 4]);
  // Where Optuna's logarithm, 4.999…, loses a bracket.
  expect(hyperbandBudgets(243)).toHaveLength(6);
});

test("the signed-rank test's p values are SciPy's, exact and approximate, with ties and zeros", () => {
  for (const { differences, p } of golden.wilcoxon) {
    const ours = signedRankPValue(differences);
    expect(Math.abs(ours - p), `${differences.length} differences, p ${p}`).toBeLessThan(1e-12 + 1e-10 * p);
  }
});
