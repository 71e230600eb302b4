import { readFile } from "node:fs/promises";
import { type ScoreReader, type ScoreSample, readScoreboard } from "@millwright/registry";
import { expect, test } from "vitest";
import {
  meanInterval,
  momentsOf,
  newcombeInterval,
  welchInterval,
  wilsonInterval,
} from "../src/statistics/score-intervals.ts";
import { openWorkshop } from "./workshop.ts";

type Tail = readonly [low: number, high: number];
interface Golden {
  readonly wilson: readonly (readonly [confidence: number, successes: number, trials: number, ...Tail])[];
  readonly student: readonly (readonly [confidence: number, values: readonly number[], ...Tail])[];
  readonly newcombe: readonly (readonly [number, readonly [number, number], readonly [number, number], ...Tail])[];
  readonly welch: readonly (readonly [number, readonly number[], readonly number[], ...Tail])[];
}

/** What SciPy 1.17 and statsmodels 0.15 say; golden/scoreboard.py asked them. */
const golden = JSON.parse(await readFile(new URL("golden/scoreboard.json", import.meta.url), "utf8")) as Golden;

const close = ({ low, high }: { readonly low: number; readonly high: number }, wanted: readonly number[]): void => {
  // Ten digits: theirs come from other series than ours.
  for (const [index, value] of [low, high].entries()) {
    const expected = wanted[index] as number;
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(1e-10 * Math.max(1, Math.abs(expected)));
  }
};

const tally = ([successes, trials]: readonly [number, number]) => ({ successes, trials });

test("MR-28: champion and challengers offline, in shadow and online in one table, with SciPy's intervals and the labels that are missing", async () => {
  expect(golden.wilson).toHaveLength(18);
  for (const [confidence, successes, trials, ...wanted] of golden.wilson)
    close(wilsonInterval({ successes, trials }, confidence), wanted);
  for (const [confidence, values, ...wanted] of golden.student)
    close(meanInterval(momentsOf(values), confidence), wanted);
  for (const [confidence, a, b, ...wanted] of golden.newcombe)
    close(newcombeInterval(tally(a), tally(b), confidence), wanted);
  for (const [confidence, a, b, ...wanted] of golden.welch)
    close(welchInterval(momentsOf(a), momentsOf(b), confidence), wanted);

  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const folds = golden.student[0]?.[1] ?? [];
  const run = await registry.startRun({ experiment: "late" });
  run.logMetrics(folds.map((value, step) => ({ name: "auc.fold", value, step })));
  await run.end("finished");
  await registry.register("late", await workshop.pack("one", { metrics: { auc: 0.9, error: 0.4 }, runId: run.id }));
  await registry.register("late", await workshop.pack("two", { metrics: { auc: 0.93 } }));
  await registry.setAlias("late", "champion", 1);
  const measured: Readonly<Record<string, ScoreSample>> = {
    "1 error online": { kind: "rate", successes: 81, trials: 263, predictions: 526 },
    "2 error online": { kind: "rate", successes: 15, trials: 148, predictions: 148 },
    "1 error shadow": { kind: "rate", successes: 0, trials: 0, predictions: 40 },
    "1 auc online": { kind: "values", values: golden.student[1]?.[1] ?? [] },
    "2 auc online": { kind: "mean", ...momentsOf(golden.student[3]?.[1] ?? []) },
  };
  const read: ScoreReader = async ({ name, version, metric, setting }) => {
    expect(name).toBe("late");
    return measured[`${version} ${metric} ${setting}`];
  };
  const board = await readScoreboard(registry, "late", {
    metrics: [
      { name: "auc", direction: "maximize", foldSeries: "auc.fold" },
      { name: "error", direction: "minimize" },
    ],
    challengers: [2],
    read,
  });
  expect(board).toMatchObject({ name: "late", champion: 1, confidence: 0.95 });
  const row = (version: number, metric: string, setting: string) => {
    const found = board.rows.filter((each) => each.version === version && each.metric === metric);
    return found.find((each) => each.setting === setting);
  };
  expect(board.rows).toHaveLength(12);
  // Offline: folds have an interval, a single number has none.
  const [, , ...student] = golden.student.find(([confidence]) => confidence === 0.95) ?? [];
  expect(row(1, "auc", "offline")).toMatchObject({ role: "champion", method: "student", count: 5 });
  close(row(1, "auc", "offline") as never, student as readonly number[]);
  expect(row(2, "auc", "offline")).toMatchObject({ role: "challenger", value: 0.93, method: "none", count: 1 });
  expect(row(2, "auc", "offline")?.low).toBeUndefined();
  // Online: Wilson, Newcombe; an error is the better the smaller it is.
  const wilson = golden.wilson.find(([confidence, successes]) => confidence === 0.95 && successes === 81);
  expect(row(1, "error", "online")).toMatchObject({
    value: 81 / 263,
    method: "wilson",
    count: 263,
    coverage: 0.5,
    note: "263 of 526 predictions have no label yet.",
  });
  close(row(1, "error", "online") as never, wilson?.slice(3) as readonly number[]);
  const challenger = row(2, "error", "online");
  expect(challenger).toMatchObject({ coverage: 1, improvement: { method: "newcombe" } });
  expect(challenger?.note).toBeUndefined();
  const newcombe = golden.newcombe.find(([confidence, [successes]]) => confidence === 0.95 && successes === 81);
  close(challenger?.improvement as never, newcombe?.slice(3) as readonly number[]);
  // What is not there is a row that says so.
  expect(row(1, "error", "shadow")).toMatchObject({
    count: 0,
    coverage: 0,
    method: "none",
    note: "None of 40 predictions has a label yet.",
  });
  expect(row(2, "error", "shadow")).toMatchObject({ count: 0, note: "Nothing was measured shadow." });
  expect(row(2, "error", "offline")?.value).toBeUndefined();
  const welch = golden.welch.find(([confidence, values]) => confidence === 0.95 && values.length === 7);
  const improvement = row(2, "auc", "online")?.improvement;
  close({ low: -(improvement?.high ?? 0), high: -(improvement?.low ?? 0) }, welch?.slice(3) as readonly number[]);
});

test("numbers that cannot be are refused", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  await registry.register("late", await workshop.pack("one"));
  const board = (sample: unknown, confidence?: number) =>
    readScoreboard(registry, "late", {
      metrics: [{ name: "auc", direction: "maximize" }],
      challengers: [],
      champion: 1,
      confidence,
      read: async () => sample as ScoreSample,
    });
  const wrong: readonly unknown[] = [
    { kind: "rate", successes: 3, trials: 2 },
    { kind: "rate", successes: 0.5, trials: 2 },
    { kind: "mean", count: 2, mean: Number.NaN, standardDeviation: 1 },
    { kind: "mean", count: 2, mean: 1, standardDeviation: -1 },
    { kind: "values", values: [1, Infinity] },
    { kind: "rate", successes: 1, trials: 10, predictions: 9 },
    { kind: "guess" },
  ];
  const refused = { code: "REGISTRY_SCORE_INVALID" };
  for (const sample of wrong) await expect(board(sample)).rejects.toMatchObject(refused);
  await expect(board(undefined, 1)).rejects.toMatchObject(refused);
  expect((await board(undefined)).rows.every(({ note }) => note !== undefined)).toBe(true);
});
