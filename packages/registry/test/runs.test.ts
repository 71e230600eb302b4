import { createManualClock, digestOf, type EntityReference, type RunId } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { openWorkshop, startMs } from "./workshop.ts";

test("a run reads back as it was logged", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const from: EntityReference[] = [{ kind: "dataset", id: digestOf("flights"), name: "train" }];
  const parent = await registry.startRun({ experiment: "late", name: "sweep" });
  const run = await registry.startRun({
    experiment: "late",
    name: "first",
    parentRunId: parent.id,
    tags: { team: "mill" },
    from,
  });
  run.logParams({ units: 8, rate: 0.1, layers: [1, { wide: true }], note: null, "odd name/ü": "x" });
  run.logMetrics([
    { name: "loss", value: 0.5, step: 0, timeMs: 17 },
    { name: "loss", value: 0.25, step: 1 },
    { name: "accuracy", value: 0.75, step: 1 },
  ]);
  const digest = await run.logArtifact("plots/roc.json", new TextEncoder().encode("{}"));
  await clock.advance(1000);
  await run.end("finished");
  expect(await registry.run(run.id)).toEqual({
    id: run.id,
    experiment: "late",
    name: "first",
    parentRunId: parent.id,
    status: "finished",
    startedMs: startMs,
    endedMs: startMs + 1000,
    tags: { team: "mill" },
    from,
    params: { units: 8, rate: 0.1, layers: [1, { wide: true }], note: null, "odd name/ü": "x" },
    metrics: { loss: 0.25, accuracy: 0.75 },
    artifacts: [{ path: "plots/roc.json", digest, sizeBytes: 2 }],
    datasets: [],
  });
  expect(await registry.series(run.id, "loss")).toEqual([
    { step: 0, value: 0.5, timeMs: 17 },
    { step: 1, value: 0.25, timeMs: startMs },
  ]);
  expect((await registry.runs({ parentRunId: parent.id })).map(({ id }) => id)).toEqual([run.id]);
});

test("a run is gone on with: it runs again, and what it had stays", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const first = await registry.startRun({ experiment: "late", name: "nightly" });
  first.logParams({ units: 8, rate: 0.1 });
  first.logMetrics([1, 2].map((step) => ({ name: "loss", value: 1 / step, step })));
  await first.end("killed");
  const again = await registry.resumeRun?.(first.id);
  expect(await registry.run(first.id)).toMatchObject({ status: "running", startedMs: startMs });
  expect((await registry.run(first.id)).endedMs).toBeUndefined();
  again?.logParams({ rate: 0.2 });
  again?.logMetrics([2, 3].map((step) => ({ name: "loss", value: 10 + step, step })));
  await clock.advance(1000);
  await again?.end("finished");
  expect(await registry.run(first.id)).toMatchObject({
    status: "finished",
    endedMs: startMs + 1000,
    params: { units: 8, rate: 0.2 },
    metrics: { loss: 13 },
  });
  const series = await registry.series(first.id, "loss");
  expect(series.map(({ step, value }) => [step, value])).toEqual([
    [1, 1],
    [2, 0.5],
    [2, 12],
    [3, 13],
  ]);
  expect(await registry.runs()).toHaveLength(1);
  expect(await registry.resumeRun?.("nobody" as RunId)).toBeUndefined();
});

test("every double reads back bit for bit, in metrics and in parameters", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const bits = new BigUint64Array(2000);
  crypto.getRandomValues(new Uint8Array(bits.buffer));
  const random = [...new Float64Array(bits.buffer)].map((value) => (Number.isNaN(value) ? Number.NaN : value));
  const chosen = [
    Number.NaN,
    Infinity,
    -Infinity,
    -0,
    0,
    5e-324,
    -5e-324,
    Number.MAX_VALUE,
    2 ** 53,
    2 ** 63,
    -(2 ** 63),
    2 ** 64,
    1e19,
    0.1,
    3,
  ];
  const values = [...chosen, ...random];
  const run = await registry.startRun({ experiment: "late" });
  run.logMetrics(values.map((value, step) => ({ name: "odd", value, step })));
  run.logMetrics(chosen.map((value, index) => ({ name: `last ${index}`, value, step: 7 })));
  run.logParams({ chosen, "-0": -0 });
  await run.end("finished");
  const series = await registry.series(run.id, "odd");
  expect(series.map(({ step }) => step)).toEqual(values.map((_, step) => step));
  for (const [index, value] of values.entries()) expect(series[index]?.value).toBe(value);
  const { metrics, params } = await registry.run(run.id);
  for (const [index, value] of chosen.entries()) expect(metrics[`last ${index}`]).toBe(value);
  expect(params).toStrictEqual({ chosen, "-0": -0 });
});

test("a parameter logged again keeps the last value; the last of a metric is that of the greatest step", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  run.logParams({ rate: 1, units: 4 });
  run.logParams({ rate: 2 });
  await run.flush();
  run.logParams({ rate: { schedule: "cosine" } });
  const point = (step: number, value: number) => ({ name: "loss", value, step, timeMs: 1000 - value });
  run.logMetrics([point(5, 50), point(9, 90)]);
  await run.flush();
  run.logMetrics([point(9, 91), point(7, 70)]);
  await run.logArtifact("a.txt", new TextEncoder().encode("one"));
  const second = await run.logArtifact("a.txt", new TextEncoder().encode("second"));
  await run.end("finished");
  const { params, metrics, artifacts } = await registry.run(run.id);
  expect(params).toEqual({ rate: { schedule: "cosine" }, units: 4 });
  expect(metrics).toEqual({ loss: 91 });
  expect(artifacts).toEqual([{ path: "a.txt", digest: second, sizeBytes: 6 }]);
  expect((await registry.series(run.id, "loss")).map(({ value }) => value)).toEqual([50, 70, 90, 91]);
});

test("runs are given newest first, those of one millisecond by id, the same at every question", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const started: RunId[] = [];
  for (let count = 0; count < 12; count += 1) {
    const run = await registry.startRun({ experiment: count % 2 === 0 ? "even" : "odd" });
    started.push(run.id);
    if (count % 4 === 3) await clock.advance(1);
    if (count > 8) await run.end("failed");
  }
  const ids = async (query?: Parameters<typeof registry.runs>[0]) => (await registry.runs(query)).map(({ id }) => id);
  const newestFirst = started.toReversed();
  expect(await ids()).toEqual(newestFirst);
  expect(await ids()).toEqual(newestFirst);
  expect(await ids({ limit: 5 })).toEqual(newestFirst.slice(0, 5));
  expect(await ids({ experiment: "odd" })).toEqual(newestFirst.filter((_, index) => index % 2 === 0));
  expect(await ids({ status: "failed" })).toEqual(newestFirst.slice(0, 3));
  expect(await ids({ experiment: "odd", status: "failed", limit: 1 })).toEqual([started[11]]);
});

test("experiments are counted by the status of their runs", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  expect(await registry.experiments()).toEqual([]);
  const start = (experiment: string) => registry.startRun({ experiment });
  await (await start("late")).end("finished");
  await (await start("late")).end("finished");
  await (await start("late")).end("killed");
  await clock.advance(5);
  await start("late");
  await (await start("early")).end("failed");
  expect(await registry.experiments()).toEqual([
    { name: "early", runs: 1, byStatus: { running: 0, finished: 0, failed: 1, killed: 0 }, lastStartedMs: startMs + 5 },
    { name: "late", runs: 4, byStatus: { running: 1, finished: 2, failed: 0, killed: 1 }, lastStartedMs: startMs + 5 },
  ]);
});

test("a run that ended takes nothing more", async () => {
  await using workshop = await openWorkshop();
  const run = await workshop.registry.startRun({ experiment: "late" });
  const ending = run.end("finished");
  expect(() => run.logParams({ late: true })).toThrowError(expect.objectContaining({ code: "REGISTRY_RUN_ENDED" }));
  await ending;
  const ended = expect.objectContaining({ code: "REGISTRY_RUN_ENDED" });
  expect(() => run.logMetrics([])).toThrowError(ended);
  await expect(run.logArtifact("a", new Uint8Array())).rejects.toEqual(ended);
  await expect(run.end("failed")).rejects.toEqual(ended);
  await run.flush();
  expect((await workshop.registry.run(run.id)).status).toBe("finished");
});

test("disposing writes what was logged, and the run stays running", async () => {
  await using workshop = await openWorkshop({ flushMs: 60_000 });
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  run.logMetrics([{ name: "loss", value: 1, step: 0 }]);
  expect(await registry.series(run.id, "loss")).toEqual([]);
  await registry[Symbol.asyncDispose]();
  expect(await registry.series(run.id, "loss")).toHaveLength(1);
  expect((await registry.run(run.id)).status).toBe("running");
  const closed = expect.objectContaining({ code: "PORT_CLOSED" });
  expect(() => run.logParams({ a: 1 })).toThrowError(closed);
  await expect(registry.startRun({ experiment: "late" })).rejects.toEqual(closed);
});

test("what is logged is written after a while by itself", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  run.logMetrics([{ name: "loss", value: 1, step: 0 }]);
  await expect.poll(() => registry.series(run.id, "loss")).toHaveLength(1);
});

describe("what cannot be kept is refused when it is logged, and does no harm to what was logged before", () => {
  const point = { name: "loss", value: 1, step: 0 };
  const refused: readonly [string, object][] = [
    ["a step that is no integer", { ...point, step: 0.5 }],
    ["a step that is NaN", { ...point, step: Number.NaN }],
    ["a value that is no number", { ...point, value: "1" }],
    ["a time that is NaN", { ...point, timeMs: Number.NaN }],
    ["a name with a NUL character", { ...point, name: "a\u0000b" }],
    ["a name that is half a character", { ...point, name: "\ud800" }],
    ["an empty name", { ...point, name: "" }],
  ];
  for (const [what, bad] of refused) {
    test(what, async () => {
      await using workshop = await openWorkshop();
      const run = await workshop.registry.startRun({ experiment: "late" });
      run.logMetrics([point]);
      expect(() => run.logMetrics([{ ...point, step: 1 }, bad as typeof point])).toThrowError(/metric/);
      await run.end("finished");
      expect(await workshop.registry.series(run.id, "loss")).toHaveLength(1);
    });
  }

  test("names of runs, experiments, parameters and artifacts", async () => {
    await using workshop = await openWorkshop();
    const { registry } = workshop;
    const invalid = expect.objectContaining({ code: "REGISTRY_NAME_INVALID" });
    await expect(registry.startRun({ experiment: "" })).rejects.toEqual(invalid);
    await expect(registry.startRun({ experiment: "late", name: "a\nb" })).rejects.toEqual(invalid);
    const run = await registry.startRun({ experiment: "late" });
    expect(() => run.logParams({ "": 1 })).toThrowError(invalid);
    expect(() => run.logParams({ missing: undefined as unknown as null })).toThrowError(TypeError);
    await expect(run.logArtifact("", new Uint8Array())).rejects.toEqual(invalid);
  });
});

test("what is unknown is said to be", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const unknown = expect.objectContaining({ code: "REGISTRY_RUN_UNKNOWN" });
  await expect(registry.run("nobody")).rejects.toEqual(unknown);
  await expect(registry.series("nobody", "loss")).rejects.toEqual(unknown);
  await expect(registry.startRun({ experiment: "late", parentRunId: "nobody" as RunId })).rejects.toEqual(unknown);
  expect(await registry.runs()).toEqual([]);
});
