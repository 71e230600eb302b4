import { type Logger, hasCode } from "@millwright/contracts";
import { expect, onTestFinished, test } from "vitest";
import { logJsonLines, openOfflineTracker, openRegistry, spanExporter } from "@millwright/registry";
import { createMlflowServer } from "../src/mlflow.ts";
import { openMlflowApp, startRun } from "./mlflow-app.ts";
import { type Workshop, openWorkshop } from "./workshop.ts";

const deleted = { code: "REGISTRY_RUN_DELETED", category: "user" };
const point = (step: number) => ({ name: "loss", value: step / 2, step });

/** Collects what is told to it. */
function createListener(): {
  readonly logger: Logger;
  readonly told: { readonly error?: unknown; dropped?: unknown }[];
} {
  const told: { error?: unknown; dropped?: unknown }[] = [];
  const listen = (fields: unknown): void => void told.push(fields as (typeof told)[number]);
  return { logger: { debug: () => {}, info: () => {}, warn: listen, error: listen }, told };
}

test("an open handle writes nothing to a run that was deleted, whatever it waits for, and all of it once it is restored", async () => {
  await using workshop = await openWorkshop({ flushMs: 60_000 });
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  await run.log({ params: { rate: 1 }, metrics: [point(0)] });
  const before = await registry.run(run.id);
  await registry.deleteRun(run.id);
  await expect(run.log({ metrics: [point(1)] })).rejects.toMatchObject(deleted);
  await expect(run.log({ metrics: [point(2)] }, { durability: "fsync" })).rejects.toMatchObject(deleted);
  // What waits for nothing throws nothing: the next that waits is refused.
  await run.log({ metrics: [point(3)] }, { durability: "fire" });
  run.logMetrics([point(4)]);
  run.logParams({ rate: 2 });
  await expect(run.flush()).rejects.toMatchObject(deleted);
  await expect(run.logArtifact("notes.txt", Buffer.from("late"))).rejects.toMatchObject(deleted);
  await expect(run.end("finished")).rejects.toMatchObject(deleted);
  const events = await workshop.events();
  expect(events.at(-1)?.type).toBe("run.deleted");
  expect(await registry.run(run.id)).toEqual({ ...before, deletedMs: expect.any(Number) });
  expect(await registry.series(run.id, "loss")).toHaveLength(1);
  await registry.restoreRun(run.id);
  await run.logArtifact("notes.txt", Buffer.from("late"));
  await run.log({ metrics: [point(5)] });
  await run.end("finished");
  expect((await registry.series(run.id, "loss")).map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await registry.run(run.id)).toMatchObject({ status: "finished", params: { rate: 2 } });
});

test("what nobody waits for is told to the logger, takes no process down, and comes in with what is logged after the restoration", async () => {
  const { logger, told } = createListener();
  const uncaught: unknown[] = [];
  const catchIt = (error: unknown): void => void uncaught.push(error);
  process.on("unhandledRejection", catchIt).on("uncaughtException", catchIt);
  onTestFinished(() => void process.off("unhandledRejection", catchIt).off("uncaughtException", catchIt));
  await using workshop = await openWorkshop({ flushMs: 1, logger });
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  await registry.deleteRun(run.id);
  run.logMetrics([point(0)]);
  await expect.poll(() => told.some(({ error }) => hasCode(error, "REGISTRY_RUN_DELETED"))).toBe(true);
  expect(await registry.series(run.id, "loss")).toEqual([]);
  // Autologging of what is printed and traced is fired as well.
  const lines = (async function* () {
    yield '{"step":1,"loss":0.5}\n';
  })();
  await expect(logJsonLines(run, lines)).rejects.toMatchObject(deleted);
  const results: number[] = [];
  const span = { name: "score", duration: [0, 1e6], endTime: [1, 0], status: { code: 0 }, attributes: {} } as const;
  spanExporter(run).export([span], ({ code }) => void results.push(code));
  expect(results).toEqual([0]);
  await expect(spanExporter(run).forceFlush()).rejects.toMatchObject(deleted);
  expect(uncaught).toEqual([]);
  await registry.restoreRun(run.id);
  run.logMetrics([point(2)]);
  await expect.poll(() => registry.series(run.id, "loss"), { timeout: 5000 }).toHaveLength(3);
  expect(await registry.series(run.id, "span/score/ms")).toHaveLength(1);
});

test("to a deleted experiment's runs nothing is written, and a run that is gone for good is told of once", async () => {
  const { logger, told } = createListener();
  await using workshop = await openWorkshop({ flushMs: 60_000, logger });
  const { registry, database } = workshop;
  const [first, second] = [
    await registry.startRun({ experiment: "early" }),
    await registry.startRun({ experiment: "late" }),
  ];
  await registry.deleteExperiment("early");
  await expect(first.log({ metrics: [point(0)] })).rejects.toMatchObject(deleted);
  await registry.restoreExperiment("early");
  await first.log({ metrics: [point(1)] });
  expect(await registry.series(first.id, "loss")).toHaveLength(2);
  await database.writeBatch([{ sql: "delete from registry_runs where id = ?", rows: [[second.id]] }]);
  const gone = { code: "REGISTRY_RUN_UNKNOWN" };
  await expect(second.log({ params: { rate: 1 }, metrics: [point(0)] })).rejects.toMatchObject(gone);
  expect(told).toMatchObject([{ run: second.id, dropped: { points: 1, params: 1 } }]);
  await expect(second.logArtifact("notes.txt", Buffer.from("late"))).rejects.toMatchObject(gone);
  await expect(second.end("failed")).rejects.toMatchObject(gone);
});

test("a deletion between two batches of one flush stops the second", async () => {
  await using workshop = await openWorkshop({ flushMs: 60_000 });
  const { registry, database } = workshop;
  await using other = await openRegistry({ ...workshop, directory: workshop.folder });
  const run = await registry.startRun({ experiment: "late" });
  const stop = database.onCommit(() => {
    stop();
    void other.deleteRun(run.id);
  });
  run.logMetrics(Array.from({ length: 60_000 }, (_, step) => point(step)));
  await expect(run.flush()).rejects.toMatchObject(deleted);
  const written = await registry.series(run.id, "loss");
  expect([20_000, 40_000]).toContain(written.length);
  await registry.restoreRun(run.id);
  await run.flush();
  expect(await registry.series(run.id, "loss")).toHaveLength(60_000);
});

test("of the runs that are taken from journals, those deleted here wait until they are restored, and the others come in", async () => {
  await using workshop = await openWorkshop();
  const { registry, folder } = workshop;
  await using tracker = await openOfflineTracker({ directory: `${folder}/offline` });
  const runs = [await tracker.startRun({ experiment: "late" }), await tracker.startRun({ experiment: "late" })];
  for (const run of runs) run.logMetrics([point(0)]);
  const target = { importRun: registry.importRun, importedPosition: registry.importedPosition };
  await tracker.sync({ ...target, artifacts: workshop.artifacts });
  const [gone = "", there = ""] = runs.map(({ id }) => id);
  await registry.deleteRun(gone);
  for (const run of runs) run.logMetrics([point(1)]);
  await runs[0]?.end("finished");
  const refused = { run: gone, kind: "deleted", name: "", stored: true, given: false };
  expect(await tracker.sync({ ...target, artifacts: workshop.artifacts })).toMatchObject({
    imported: 1,
    conflicts: [refused],
  });
  expect(await registry.series(gone, "loss")).toHaveLength(1);
  expect(await registry.series(there, "loss")).toHaveLength(2);
  await registry.restoreRun(gone);
  expect(await tracker.sync({ ...target, artifacts: workshop.artifacts })).toMatchObject({
    imported: 2,
    conflicts: [],
  });
  expect(await registry.run(gone)).toMatchObject({ status: "finished", metrics: { loss: 0.5 } });
});

/** The workshop's database; whatever is written through it next, the run is deleted just before. */
function deletingFirst({ database, registry }: Workshop, run: string): Workshop["database"] {
  const racing: Workshop["database"] = new Proxy(database, {
    get(target, key) {
      if (key === "typed") return () => racing;
      const member: unknown = Reflect.get(target, key);
      if (key !== "write" && key !== "writeBatch") return member;
      return async (...given: unknown[]) => {
        await registry.deleteRun(run);
        return (member as (...args: unknown[]) => unknown).apply(target, given);
      };
    },
  });
  return racing;
}

test("MLflow's clients write nothing to a run that is deleted, not even where it is deleted while they write", async () => {
  await using app = await openMlflowApp();
  const run = await startRun(app);
  await app.done("POST", "runs/set-tag", { run_id: run, key: "kept", value: "yes" });
  expect((await app.put(`0/${run}/artifacts/a.txt`, "a")).status).toBe(200);
  const before = await app.done("GET", `runs/get?run_id=${run}`);
  const model = { artifact_path: "m", flavors: {}, utc_time_created: "", run_id: run };
  const dataset = { name: "d", digest: "1", source_type: "local", source: "{}" };
  const writes: [path: string, body: object][] = [
    ["log-metric", { key: "loss", value: 1, timestamp: 1 }],
    ["log-parameter", { key: "rate", value: "1" }],
    ["log-batch", { metrics: [{ key: "loss", value: 1, timestamp: 1, step: 1 }] }],
    ["set-tag", { key: "kept", value: "no" }],
    ["delete-tag", { key: "kept" }],
    ["log-inputs", { datasets: [{ dataset, tags: [] }] }],
    ["outputs", { models: [{ model_id: "m-1" }] }],
    ["log-model", { model_json: JSON.stringify(model) }],
    ["update", { status: "FINISHED" }],
  ];
  const file = `artifacts/0/${run}/artifacts/a.txt`;
  for (const isRace of [false, true]) {
    const { registry, artifacts } = app;
    const database = isRace ? deletingFirst(app, run) : app.database;
    const server = createMlflowServer({ registry, database, artifacts });
    const ask = async (path: string, method: string, body?: string): Promise<unknown> => {
      const headers = { "content-type": "application/json" };
      const init = { method, ...(body === undefined ? {} : { body, headers }) };
      return (await server.handle(new Request(`http://mlflow.test/api/${path}`, init))).json();
    };
    for (const [path, body] of writes) {
      if (!isRace) await registry.deleteRun(run);
      const answer = await ask(`2.0/mlflow/runs/${path}`, "POST", JSON.stringify({ run_id: run, ...body }));
      expect(answer, path).toMatchObject({
        error_code: "INVALID_PARAMETER_VALUE",
        message: expect.stringContaining("deleted"),
      });
      await registry.restoreRun(run);
    }
    for (const method of ["PUT", "DELETE"]) {
      if (!isRace) await registry.deleteRun(run);
      const answer = await ask(`2.0/mlflow-artifacts/${file}`, method, method === "PUT" ? "b" : undefined);
      expect(answer, method).toMatchObject({ error_code: "INVALID_PARAMETER_VALUE" });
      await registry.restoreRun(run);
    }
  }
  expect(await app.done("GET", `runs/get?run_id=${run}`)).toEqual(before);
  expect(await (await fetch(`${app.url}/api/2.0/mlflow-artifacts/${file}`)).text()).toBe("a");
});
