import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createMlflowServer } from "../src/mlflow.ts";
import { openMlflowApp, startRun } from "./mlflow-app.ts";

const mlmodel = `artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.xgboost
    python_version: 3.11.2
  xgboost:
    data: model.json
mlflow_version: 2.22.5
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}, {"type": "long", "name":
    "count", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
utc_time_created: '2026-01-02 03:04:05.678901'
`;

test("what an MLflow client logs is there for Millwright's own, and the other way about", async () => {
  await using app = await openMlflowApp();
  const { registry, done } = app;
  const id = await startRun(app, "from Python");
  await done("POST", "runs/log-batch", {
    run_id: id,
    metrics: [
      { key: "loss", value: 0.5, timestamp: 10, step: 0 },
      { key: "loss", value: "NaN", timestamp: 20, step: 1 },
      { key: "up", value: "Infinity", timestamp: "20", step: "1" },
    ],
    params: [{ key: "depth", value: "3" }],
    tags: [{ key: "mlflow.note.content", value: "the first" }],
  });
  await done("POST", "runs/set-tag", { run_id: id, key: "mlflow.user", value: "ann" });
  await app.put(`0/${id}/artifacts/notes/a.txt`, "hello");
  await done("POST", "runs/update", { run_id: id, status: "FINISHED", end_time: 5000 });
  const run = await registry.run(id);
  expect(run).toMatchObject({
    experiment: "Default",
    name: "from Python",
    status: "finished",
    endedMs: 5000,
    startedBy: "ann",
    notes: "the first",
    params: { depth: "3" },
    metrics: { loss: Number.NaN, up: Number.POSITIVE_INFINITY },
  });
  expect(run.artifacts.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([["notes/a.txt", 5]]);
  expect(await registry.series(id, "loss")).toEqual([
    { step: 0, timeMs: 10, value: 0.5 },
    { step: 1, timeMs: 20, value: Number.NaN },
  ]);

  const own = await registry.startRun({ experiment: "late", name: "from Node", by: "bob", tags: { team: "data" } });
  own.logParams({ units: 3, deep: { a: [1] }, rate: Number.NaN });
  own.logMetrics([{ name: "loss", value: 0.25, step: 4, timeMs: 77 }]);
  await own.logArtifact("plot.svg", Buffer.from("<svg/>"));
  await own.end("finished");
  const { run: shown } = await done("GET", `runs/get?run_id=${own.id}`);
  expect(shown.info).toMatchObject({
    run_name: "from Node",
    status: "FINISHED",
    user_id: "bob",
    lifecycle_stage: "active",
  });
  expect(shown.data.metrics).toEqual([{ key: "loss", value: 0.25, timestamp: 77, step: 4 }]);
  expect(shown.data.params).toEqual([
    { key: "deep", value: '{"a":[1]}' },
    { key: "rate", value: "NaN" },
    { key: "units", value: "3" },
  ]);
  expect(shown.data.tags).toContainEqual({ key: "mlflow.runName", value: "from Node" });
  const path = (shown.info.artifact_uri as string).replace("mlflow-artifacts:/", "");
  const file = await fetch(`${app.url}/api/2.0/mlflow-artifacts/artifacts/${path}/plot.svg`);
  expect([file.headers.get("content-type"), await file.text()]).toEqual(["image/svg+xml", "<svg/>"]);
});

test("a model that an MLflow client registers is resolved, verified, approved and traced like any other", async () => {
  await using app = await openMlflowApp();
  const { registry, done } = app;
  const run = await startRun(app);
  await app.put(`0/${run}/artifacts/model/MLmodel`, mlmodel);
  await app.put(`0/${run}/artifacts/model/model.json`, '{"learner":{}}');
  await done("POST", "registered-models/create", { name: "late" });
  const source = `mlflow-artifacts:/0/${run}/artifacts/model`;
  for (const version of ["1", "2"]) {
    const { model_version } = await done("POST", "model-versions/create", { name: "late", source, run_id: run });
    expect(model_version).toMatchObject({ version, source, run_id: run, status: "READY", current_stage: "None" });
    expect(model_version.tags).toEqual([{ key: "millwright.approval", value: "pending" }]);
  }
  // What became of the run's files afterwards changes nothing of what was registered.
  await app.put(`0/${run}/artifacts/model/model.json`, "changed");
  const resolved = await registry.resolve("late/2");
  expect(resolved.manifest).toMatchObject({
    format: "mlflow",
    signature: {
      inputs: [
        { name: "x", dtype: "float64", shape: [-1] },
        { name: "count", dtype: "int64", shape: [-1] },
      ],
      outputs: [{ name: "output", dtype: "float32", shape: [-1, 2] }],
    },
    provenance: {
      environment: { mlflow: "2.22.5", "mlflow.flavors": "python_function, xgboost", python: "3.11.2" },
      runId: run,
      createdTimeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    },
  });
  expect(await readFile(join(resolved.directory, "model.json"), "utf8")).toBe('{"learner":{}}');
  expect((await registry.resolve("late/1")).digest).toBe(resolved.digest);

  await registry.approve("late", 2, { status: "approved", by: "ann" });
  await done("POST", "registered-models/alias", { name: "late", alias: "champion", version: "2" });
  expect((await registry.version("late@champion")).version).toBe(2);
  const { model_version } = await done("GET", "registered-models/alias?name=late&alias=champion");
  expect(model_version.tags).toEqual([{ key: "millwright.approval", value: "approved" }]);
  const refused = await app.call("POST", "model-versions/set-tag", {
    name: "late",
    version: "2",
    key: "millwright.approval",
    value: "rejected",
  });
  expect([refused.status, refused.answer["error_code"]]).toEqual([400, "INVALID_PARAMETER_VALUE"]);
  const ancestors = await registry.lineage({ kind: "model", id: resolved.digest }, { direction: "ancestors" });
  expect(ancestors.map(({ entity }) => [entity.kind, entity.id])).toContainEqual(["run", run]);
});

test("a model that is a pickle is kept, described and given back to Python, but never staged for Node", async () => {
  await using app = await openMlflowApp();
  const run = await startRun(app);
  const pickle = Buffer.from([128, 4, 75, 1, 46]);
  await app.put(`0/${run}/artifacts/model/MLmodel`, mlmodel);
  await app.put(`0/${run}/artifacts/model/model.pkl`, pickle);
  await app.done("POST", "registered-models/create", { name: "late" });
  await app.done("POST", "model-versions/create", { name: "late", source: `runs:/${run}/model` });
  expect((await app.registry.version("late/1")).manifest).toMatchObject({
    format: "mlflow",
    signature: { outputs: [{ dtype: "float32" }] },
  });
  await expect(app.registry.resolve("late/1")).rejects.toMatchObject({ code: "MODEL_CONTENT_UNSAFE" });
  const file = await fetch(`${app.url}/api/2.0/mlflow-artifacts/artifacts/versions/late/1/model.pkl`);
  expect(Buffer.from(await file.arrayBuffer())).toEqual(pickle);
});

test("packages that Node registers are versions with files that an MLflow client downloads", async () => {
  await using app = await openMlflowApp();
  const directory = await app.pack("a package");
  const { digest } = await app.registry.register("late", directory, { by: "ann" });
  const { model_version } = await app.done("GET", "model-versions/get?name=late&version=1");
  expect(model_version).toMatchObject({ user_id: "ann", source: "mlflow-artifacts:/versions/late/1", status: "READY" });
  const { artifact_uri } = await app.done("GET", "model-versions/get-download-uri?name=late&version=1");
  expect(artifact_uri).toBe("mlflow-artifacts:/versions/late/1");
  const base = `${app.url}/api/2.0/mlflow-artifacts/artifacts`;
  const { files } = (await (await fetch(`${base}?path=versions/late/1`)).json()) as { files: { path: string }[] };
  expect(files.map(({ path }) => path)).toEqual(["manifest.json", "network.json", "notes.txt", "weights.bin"]);
  for (const { path } of files) {
    const bytes = Buffer.from(await (await fetch(`${base}/versions/late/1/${path}`)).arrayBuffer());
    expect(bytes).toEqual(await readFile(join(directory, path)));
  }
  // Copied by an MLflow client it stays the package that it is.
  await app.done("POST", "registered-models/create", { name: "copied" });
  await app.done("POST", "model-versions/create", { name: "copied", source: "models:/late/1" });
  expect((await app.registry.resolve("copied/1")).digest).toBe(digest);
});

test("a point logged again is none; the newest point is the greatest step, time and value", async () => {
  await using app = await openMlflowApp();
  const id = await startRun(app);
  const log = (value: unknown, timestamp: number, step: number) =>
    app.done("POST", "runs/log-metric", { run_id: id, key: "m", value, timestamp, step });
  await log(1, 10, 5);
  await log(9, 10, 5);
  await log(2, 10, 5);
  await log(9, 10, 5);
  await log("NaN", 3, 2);
  await log("NaN", 3, 2);
  await log(7, 99, -3);
  const newest = async () => (await app.done("GET", `runs/get?run_id=${id}`))["run"].data.metrics;
  expect(await newest()).toEqual([{ key: "m", value: 9, timestamp: 10, step: 5 }]);
  const { metrics } = await app.done("GET", `metrics/get-history?run_id=${id}&metric_key=m`);
  expect(metrics.map(({ step, value }: { step: number; value: unknown }) => [step, value])).toEqual([
    [-3, 7],
    [2, "NaN"],
    [5, 1],
    [5, 9],
    [5, 2],
  ]);
  await app.done("POST", "runs/log-batch", {
    run_id: id,
    metrics: [
      { key: "m", value: 9, timestamp: 10, step: 5 },
      { key: "m", value: 3, timestamp: 11, step: 5 },
      { key: "m", value: 3, timestamp: 11, step: 5 },
    ],
  });
  expect((await app.registry.series(id, "m")).length).toBe(6);
  expect(await newest()).toEqual([{ key: "m", value: 3, timestamp: 11, step: 5 }]);
});

test("params never change, in whatever way they come, and a refused batch leaves nothing behind", async () => {
  await using app = await openMlflowApp();
  const id = await startRun(app);
  await app.done("POST", "runs/log-parameter", { run_id: id, key: "a", value: "1" });
  const refused = await app.call("POST", "runs/log-batch", {
    run_id: id,
    params: [
      { key: "b", value: "2" },
      { key: "a", value: "other" },
    ],
    metrics: [{ key: "m", value: 1, timestamp: 1 }],
    tags: [{ key: "t", value: "x" }],
  });
  expect(refused.answer["message"]).toContain("Changing param values is not allowed");
  const { params, metrics, tags } = await app.registry.run(id);
  expect({ params, metrics, tags: tags["t"] }).toEqual({ params: { a: "1" }, metrics: {}, tags: undefined });
  // Eight at once, of which one is first.
  const racers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      app.call("POST", "runs/log-parameter", { run_id: id, key: "raced", value: `${index}` }),
    ),
  );
  expect(racers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(racers.filter(({ answer }) => answer["error_code"] === "INVALID_PARAMETER_VALUE")).toHaveLength(7);
});

test("below a prefix, and through the web's own Request, the same is answered", async () => {
  await using app = await openMlflowApp({}, "/ml/flow");
  const id = await startRun(app, "below");
  expect((await app.put(`0/${id}/artifacts/a%20b/100%25.txt`, "x")).status).toBe(200);
  const server = createMlflowServer({ registry: app.registry, database: app.database, artifacts: app.artifacts });
  const ask = (path: string, init?: RequestInit) =>
    server.handle(new Request(`http://mill/x${path}`, init), { prefix: "/x" });
  expect(await (await ask("/health")).text()).toBe("OK");
  const got = (await (await ask(`/ajax-api/2.0/mlflow/runs/get?run_id=${id}`)).json()) as { run: { info: object } };
  expect(got.run.info).toMatchObject({ run_name: "below" });
  const file = await ask(`/get-artifact?run_id=${id}&path=${encodeURIComponent("a b/100%.txt")}`);
  expect([file.status, await file.text()]).toEqual([200, "x"]);
  const put = await ask(`/api/2.0/mlflow-artifacts/artifacts/0/${id}/artifacts/web.bin`, {
    method: "PUT",
    body: "web",
  });
  expect(put.status).toBe(200);
  expect((await app.registry.run(id)).artifacts.map(({ path }) => path)).toEqual(["a b/100%.txt", "web.bin"]);
});
