import { createManualClock, createRandom, digestOf } from "@millwright/contracts";
import {
  confusionChart,
  logChart,
  precisionRecallChart,
  rocChart,
  startSystemMetrics,
  tableChart,
} from "@millwright/registry";
import { expect, test } from "vitest";
import { openWorkshop, startMs } from "./workshop.ts";

test("runs are compared in params, tags, data, code and artifacts", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const start = async (name: string, code: string, rate: number) => {
    const run = await registry.startRun({
      experiment: "late",
      name,
      tags: { team: "mill", ...(rate < 0.1 ? { careful: "yes" } : {}) },
      from: [
        { kind: "code", id: digestOf(code), name: "train.ts" },
        { kind: "dataset", id: digestOf("May"), name: "flights" },
      ],
    });
    run.logParams({ rate, layers: [4, { wide: true }], odd: Number.NaN });
    await run.logArtifact("model.bin", new TextEncoder().encode(name));
    await run.logArtifact("same.bin", new TextEncoder().encode("same"));
    return run;
  };
  const first = await start("first", "one", 0.1);
  const second = await start("second", "two", 0.01);
  await registry.logDatasets(second.id, [{ name: "holidays", digest: "d1" }]);
  for (const run of [first, second]) {
    run.logMetrics([{ name: "loss", step: 0, value: run === first ? 1 : 2 }]);
    await run.end("finished");
  }
  const compared = await registry.compareRuns([first.id, second.id]);
  expect(compared.runs).toEqual([
    { id: first.id, name: "first", experiment: "late", status: "finished" },
    { id: second.id, name: "second", experiment: "late", status: "finished" },
  ]);
  expect(compared.params).toEqual([
    {
      name: "layers",
      values: [
        [4, { wide: true }],
        [4, { wide: true }],
      ],
      isEqual: true,
    },
    { name: "odd", values: [Number.NaN, Number.NaN], isEqual: true },
    { name: "rate", values: [0.1, 0.01], isEqual: false },
  ]);
  expect(compared.tags).toEqual([
    { name: "careful", values: [undefined, "yes"], isEqual: false },
    { name: "team", values: ["mill", "mill"], isEqual: true },
  ]);
  expect(compared.data).toEqual([
    { name: "flights", values: [digestOf("May"), digestOf("May")], isEqual: true },
    { name: "holidays", values: [undefined, "d1"], isEqual: false },
  ]);
  expect(compared.code).toEqual([{ name: "train.ts", values: [digestOf("one"), digestOf("two")], isEqual: false }]);
  expect(compared.artifacts.map(({ name, isEqual }) => [name, isEqual])).toEqual([
    ["model.bin", false],
    ["same.bin", true],
  ]);
  expect(compared.metrics).toMatchObject([
    {
      name: "loss",
      isEqual: false,
      values: [{ last: 1, points: 1 }, { last: 2 }],
      differences: [{ basis: "none", pairs: 0 }],
    },
  ]);
  expect(compared.metrics[0]?.differences[0]?.isDifferent).toBeUndefined();
  await expect(registry.compareRuns([first.id, "nobody"])).rejects.toMatchObject({ code: "REGISTRY_RUN_UNKNOWN" });
  for (const ids of [[], [first.id], [first.id, first.id], Array.from({ length: 21 }, (_, index) => String(index))])
    await expect(registry.compareRuns(ids)).rejects.toThrow(RangeError);
  for (const wrong of [{ alpha: 0 }, { alpha: Number.NaN }, { resamples: 99 }])
    await expect(registry.compareRuns([first.id, second.id], wrong)).rejects.toThrow(RangeError);
});

test("MR-5: a metric is tested by examples, by folds or by steps, whatever there is to pair, and all tests are adjusted together", async () => {
  await using workshop = await openWorkshop({ flushMs: 60_000 });
  const { registry } = workshop;
  const random = createRandom(10);
  const write = async (shift: number) => {
    const run = await registry.startRun({ experiment: "late" });
    const steps = Array.from({ length: 1500 }, (_, step) => step);
    run.logMetrics(steps.map((step) => ({ name: "same", step, value: random.normal() })));
    run.logMetrics(
      steps.map((step) => ({ name: "shifted", step, value: 1 / (step + 1) + shift + random.normal() / 10 })),
    );
    run.logMetrics(steps.map((step) => ({ name: "system/load", step, value: shift })));
    run.logMetrics([{ name: "once", step: 0, value: shift }]);
    const error = Array.from({ length: 300 }, () => shift + random.normal());
    await logChart(run, "examples", tableChart({ id: error.map((_, index) => `example ${index}`), error }));
    for (let fold = 0; fold < 6; fold += 1) {
      const below = await registry.startRun({ experiment: "late", name: `fold ${fold}`, parentRunId: run.id });
      below.logMetrics([{ name: "accuracy", step: 0, value: fold / 10 + shift / 10 + random.normal() / 1000 }]);
      await below.end("finished");
    }
    await run.end("finished");
    return run.id;
  };
  const ids = [await write(0), await write(0.5), await write(0)];
  const { metrics } = await registry.compareRuns(ids);
  const told = metrics.map(({ name, differences }) => [
    name,
    differences.map(({ basis, pairs, isDifferent }) => [basis, pairs, isDifferent]),
  ]);
  expect(told).toEqual([
    [
      "accuracy",
      [
        ["folds", 6, true],
        ["folds", 6, false],
      ],
    ],
    [
      "error",
      [
        ["examples", 300, true],
        ["examples", 300, false],
      ],
    ],
    [
      "once",
      [
        ["none", 0, undefined],
        ["none", 0, undefined],
      ],
    ],
    [
      "same",
      [
        ["steps", 500, false],
        ["steps", 500, false],
      ],
    ],
    [
      "shifted",
      [
        ["steps", 500, true],
        ["steps", 500, false],
      ],
    ],
    ["system/load", []],
  ]);
  const shifted = metrics.find(({ name }) => name === "shifted")?.differences[0];
  expect(shifted?.low).toBeLessThan(0.5);
  expect(shifted?.high).toBeGreaterThan(0.5);
  expect(shifted?.high).toBeLessThan(0.6);
  // Eight tests at once: the smallest p-value is multiplied by eight.
  const all = metrics.flatMap(({ differences }) => differences).filter(({ pValue }) => pValue !== undefined);
  expect(all).toHaveLength(8);
  for (const { pValue, adjustedPValue } of all) expect(adjustedPValue).toBeGreaterThanOrEqual(pValue as number);
  // The same at each call, and one metric alone where one is asked for.
  expect((await registry.compareRuns(ids)).metrics).toEqual(metrics);
  const one = await registry.compareRuns(ids, { metrics: ["same"] });
  expect(one.metrics.filter(({ differences }) => differences.length > 0).map(({ name }) => name)).toEqual(["same"]);
});

test("MR-10: tables, confusion matrices and curves of predictions are logged as artifacts and read back as JSON", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  const actual = [true, false, true, true, false];
  const scores = [0.9, 0.1, 0.8, 0.3, 0.4];
  const charts = {
    confusion: confusionChart(["a", "b"], ["a", "a"]),
    "nested/roc": rocChart(actual, scores),
    pr: precisionRecallChart(actual, scores),
    table: tableChart({
      id: Array.from({ length: 3000 }, (_, row) => row),
      text: Array.from({ length: 3000 }, () => "ü"),
    }),
  };
  for (const [name, chart] of Object.entries(charts)) await logChart(run, name, chart);
  expect(await registry.charts(run.id)).toEqual(["confusion", "nested/roc", "pr", "table"]);
  for (const name of ["confusion", "nested/roc", "pr"] as const)
    expect(await registry.chart(run.id, name)).toEqual(charts[name]);
  const page = await registry.chart(run.id, "table", { offset: 2990, limit: 20 });
  expect(page).toEqual({ ...charts.table, rows: charts.table.rows.slice(2990) });
  expect((await registry.chart(run.id, "table")) as typeof charts.table).toHaveProperty("rows.length", 1000);
  await expect(registry.chart(run.id, "none")).rejects.toMatchObject({ code: "REGISTRY_CHART_UNKNOWN" });
  await expect(registry.charts("nobody")).rejects.toMatchObject({ code: "REGISTRY_RUN_UNKNOWN" });
  const wrong = [
    "no JSON",
    "{}",
    `{"formatVersion":2,"kind":"roc"}`,
    `{"formatVersion":1,"kind":"confusion","labels":["a"],"counts":[[1,2]]}`,
  ];
  for (const text of wrong) {
    await run.logArtifact("charts/wrong.json", new TextEncoder().encode(text));
    await expect(registry.chart(run.id, "wrong"), text).rejects.toMatchObject({ code: "REGISTRY_CHART_INVALID" });
  }
  await expect(logChart(run, "a", {} as typeof charts.table)).rejects.toThrow(TypeError);
});

test("MR-10: what the process and its GPUs do is sampled beside a run, and a reader that fails ends nothing", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  let reads = 0;
  const warnings: unknown[] = [];
  const system = startSystemMetrics(run, {
    intervalMs: 1000,
    clock,
    gpus: () => {
      reads += 1;
      if (reads === 2) throw new Error("the driver is gone");
      return [
        { utilizationPercent: 50, memoryUsedBytes: 1e9 },
        { utilizationPercent: 7, powerWatts: Number.NaN },
      ];
    },
    logger: { debug: () => {}, info: () => {}, warn: (details) => void warnings.push(details), error: () => {} },
  });
  for (let second = 0; second < 4; second += 1) {
    await clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await system.sample();
  await system[Symbol.asyncDispose]();
  await clock.advance(5000);
  await run.end("finished");
  expect(warnings).toHaveLength(1);
  const { metrics } = await registry.run(run.id);
  expect(Object.keys(metrics).toSorted()).toEqual([
    "system/event_loop_delay_ms",
    "system/gpu_0_memory_used_bytes",
    "system/gpu_0_utilization_percent",
    "system/gpu_1_utilization_percent",
    "system/heap_used_bytes",
    "system/memory_rss_bytes",
    "system/process_cpu_percent",
  ]);
  expect(metrics["system/memory_rss_bytes"]).toBeGreaterThan(1e6);
  const curve = await registry.history(run.id, "system/gpu_0_utilization_percent");
  expect(curve.points.map(({ step, value }) => [step, value])).toEqual([
    [0, 50],
    [1, 50],
    [2, 50],
    [3, 50],
  ]);
  expect(() => startSystemMetrics(run, { intervalMs: 0 })).toThrow(RangeError);
});
