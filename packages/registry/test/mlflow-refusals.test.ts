import { request } from "node:http";
import { allowAll, type Authorizer } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createMlflowServer } from "../src/mlflow.ts";
import { type MlflowApp, openMlflowApp, startRun } from "./mlflow-app.ts";

const refusal = async (app: MlflowApp, method: string, path: string, body?: unknown): Promise<[number, string]> => {
  const { status, answer } = await app.call(method, path, body);
  return [status, answer["error_code"] as string];
};

test("refusals have MLflow's codes and statuses", async () => {
  await using app = await openMlflowApp();
  const run = await startRun(app);
  await app.done("POST", "registered-models/create", { name: "late" });
  const cases: [[number, string], string, string, unknown?][] = [
    [[404, "ENDPOINT_NOT_FOUND"], "GET", "no/such"],
    [[404, "ENDPOINT_NOT_FOUND"], "DELETE", "runs/create"],
    [[404, "RESOURCE_DOES_NOT_EXIST"], "GET", "runs/get?run_id=nobody"],
    [[404, "RESOURCE_DOES_NOT_EXIST"], "GET", "experiments/get?experiment_id=99999999999999999999"],
    [[404, "RESOURCE_DOES_NOT_EXIST"], "GET", "experiments/get-by-name?experiment_name=nobody"],
    [[404, "RESOURCE_DOES_NOT_EXIST"], "GET", "model-versions/get?name=late&version=1"],
    [[404, "RESOURCE_DOES_NOT_EXIST"], "GET", "model-versions/get?name=late&version=one"],
    [[404, "RESOURCE_DOES_NOT_EXIST"], "GET", "logged-models/m-nobody"],
    [[404, "RESOURCE_DOES_NOT_EXIST"], "POST", "registered-models/alias", { name: "late", alias: "a", version: "7" }],
    [[400, "INVALID_PARAMETER_VALUE"], "GET", "registered-models/alias?name=late&alias=nobody"],
    [[400, "RESOURCE_ALREADY_EXISTS"], "POST", "registered-models/create", { name: "late" }],
    [[400, "RESOURCE_ALREADY_EXISTS"], "POST", "experiments/create", { name: "Default" }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "experiments/create", {}],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "experiments/create", "no JSON"],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "experiments/create", "[1]"],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "experiments/create", { name: { a: 1 } }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "experiments/create", { name: "x", artifact_location: "file:///etc" }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/log-metric", { run_id: run, key: "a", value: "x", timestamp: 1 }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/log-metric", { run_id: run, key: "a", value: 1, timestamp: -1 }],
    [
      [400, "INVALID_PARAMETER_VALUE"],
      "POST",
      "runs/log-metric",
      { run_id: run, key: "a", value: 1, timestamp: 1, step: 0.5 },
    ],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/log-metric", { run_id: run, key: "../a", value: 1, timestamp: 1 }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/set-tag", { run_id: run, key: "a\u0000", value: "x" }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/set-tag", { run_id: run, key: "a", value: "\u0000" }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/set-tag", { run_id: run, key: "k".repeat(251), value: "x" }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/update", { run_id: run, status: "DONE" }],
    [
      [400, "INVALID_PARAMETER_VALUE"],
      "POST",
      "runs/create",
      { run_name: "a", tags: [{ key: "mlflow.runName", value: "b" }] },
    ],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/search", { experiment_ids: ["0"], max_results: 50_001 }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/search", { experiment_ids: ["0"], page_token: "nonsense" }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "runs/search", { experiment_ids: ["0"], filter: "a = 'b' OR c = 'd'" }],
    [[400, "INVALID_PARAMETER_VALUE"], "GET", "registered-models/search?max_results=1001"],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "model-versions/create", { name: "late", source: "/etc/passwd" }],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "model-versions/create", { name: "late", source: "file:///etc" }],
    [
      [400, "INVALID_PARAMETER_VALUE"],
      "POST",
      "model-versions/create",
      { name: "late", source: "s3://b/%252e%252e/x" },
    ],
    [
      [400, "INVALID_PARAMETER_VALUE"],
      "POST",
      "registered-models/alias",
      { name: "late", alias: "Latest", version: "1" },
    ],
    [[400, "INVALID_PARAMETER_VALUE"], "POST", "registered-models/alias", { name: "late", alias: "v12", version: "1" }],
    [[501, "NOT_IMPLEMENTED"], "POST", "../mlflow-artifacts/mpu/create/0/x", { path: "x", num_parts: 2 }],
  ];
  for (const [expected, method, path, body] of cases)
    expect([await refusal(app, method, path, body), path, body]).toEqual([expected, path, body]);
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ key: `k${index}`, value: "1", timestamp: 1 }));
  for (const batch of [
    { metrics: many(1001) },
    { params: many(101) },
    { tags: many(101) },
    { params: [...many(1), ...many(1)] },
  ])
    expect(await refusal(app, "POST", "runs/log-batch", { run_id: run, ...batch })).toEqual([
      400,
      "INVALID_PARAMETER_VALUE",
    ]);
  expect(await app.registry.run(run)).toMatchObject({ params: {}, metrics: {}, status: "running" });
});

/** Sends a path as it is: fetch would put `..` right. */
const sendRaw = (url: string, method: string, path: string, body = "x"): Promise<number> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = request({ hostname, port, method, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on("error", reject);
    sent.end(body);
  });

test("paths that lead out of a run's artifacts are refused, and nothing is written", async () => {
  await using app = await openMlflowApp();
  const run = await startRun(app);
  const base = "/api/2.0/mlflow-artifacts/artifacts";
  for (const path of [
    `0/${run}/artifacts/../../x`,
    `0/${run}/artifacts/%2e%2e/x`,
    `0/${run}/artifacts/%252e%252e/x`,
    `0/${run}/artifacts/%25252e%25252e%25252fx`,
    `0/${run}/artifacts/a%5cb`,
    `0/${run}/artifacts/a%00b`,
    `0/${run}/artifacts/a%23b`,
    `0/${run}/artifacts/a//b`,
    `0/${run}/artifacts/%zz`,
    `0/${run}/artifacts/%ff%fe`,
    `0/${run}/artifacts/.`,
    `0/${run}/artifacts/`,
    `0/${run}/artifacts/${"a".repeat(1100)}`,
    "%2fetc%2fpasswd",
    "C:/x",
  ]) {
    expect([path, await sendRaw(app.url, "PUT", `${base}/${path}`)]).toEqual([path, 400]);
    if (!path.endsWith("artifacts/")) expect(await sendRaw(app.url, "GET", `${base}/${path}`)).toBe(400);
  }
  for (const path of [
    "0/nobody/artifacts/x",
    `1/${run}/artifacts/x`,
    `0/models/m-none/artifacts/x`,
    "x",
    "versions/late/1/x",
  ])
    expect([path, (await app.put(path, "x")).status]).toEqual([path, path.startsWith("versions") ? 400 : 404]);
  // A file cannot be a folder as well.
  expect((await app.put(`0/${run}/artifacts/a/b`, "x")).status).toBe(200);
  expect((await app.put(`0/${run}/artifacts/a`, "x")).status).toBe(400);
  expect((await app.put(`0/${run}/artifacts/a/b/c`, "x")).status).toBe(400);
  expect((await app.registry.run(run)).artifacts.map(({ path }) => path)).toEqual(["a/b"]);
  for (const path of [`a/../../${run}`, "..%2f", "a/%2e%2e/b"])
    expect((await app.call("GET", `artifacts/list?run_id=${run}&path=${path}`)).status).toBe(400);
});

test("an upload that breaks off, or is too large, leaves nothing behind", async () => {
  await using app = await openMlflowApp({ maxArtifactBytes: 1000, maxBodyBytes: 10_000 });
  const run = await startRun(app);
  const path = `/api/2.0/mlflow-artifacts/artifacts/0/${run}/artifacts/file.bin`;
  expect((await app.put(`0/${run}/artifacts/large.bin`, Buffer.alloc(1001))).status).toBe(400);
  await new Promise<void>((resolve) => {
    const { hostname, port } = new URL(app.url);
    const sent = request({ hostname, port, method: "PUT", path, headers: { "content-length": 900 } });
    sent.on("error", () => resolve());
    sent.write(Buffer.alloc(100), () => setTimeout(() => sent.destroy(), 50));
    sent.on("close", () => resolve());
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await app.registry.run(run)).artifacts).toEqual([]);
  const stored: unknown[] = [];
  for await (const each of app.artifacts.list()) stored.push(each);
  expect(stored).toEqual([]);
  expect(await refusal(app, "POST", "runs/set-tag", { run_id: run, key: "a", value: "x".repeat(10_000) })).toEqual([
    400,
    "INVALID_PARAMETER_VALUE",
  ]);
  expect((await app.put(`0/${run}/artifacts/file.bin`, Buffer.alloc(1000))).status).toBe(200);
});

test("a file of 96 MiB passes through without being held in memory", { timeout: 300_000 }, async () => {
  await using app = await openMlflowApp();
  const run = await startRun(app);
  const chunk = Buffer.alloc(1 << 20, 7);
  const held = () => process.memoryUsage().rss;
  const before = held();
  let most = 0;
  let left = 96;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        most = Math.max(most, held() - before);
        if (left === 0) controller.close();
        else controller.enqueue(chunk);
        left -= 1;
      },
    },
    { highWaterMark: 1 },
  );
  const url = `${app.url}/api/2.0/mlflow-artifacts/artifacts/0/${run}/artifacts/weights.bin`;
  const put = await fetch(url, { method: "PUT", body, duplex: "half" } as RequestInit);
  expect([put.status, await put.json()]).toEqual([200, {}]);
  const got = await fetch(url);
  let size = 0;
  for await (const bytes of got.body as unknown as AsyncIterable<Uint8Array>) {
    size += bytes.byteLength;
    most = Math.max(most, held() - before);
  }
  expect([size, got.headers.get("content-length")]).toEqual([96 << 20, String(96 << 20)]);
  expect(most).toBeLessThan(80 << 20);
});

test("ten thousand tags are kept and found, and no text is taken for SQL", async () => {
  await using app = await openMlflowApp();
  const hostile = [
    "'; drop table registry_runs; --",
    '" or 1=1',
    "%' or '1'='1",
    "\\'; delete from registry_run_tags",
    "${process.exit()}",
    "__proto__",
    "constructor",
  ];
  const tags = Array.from({ length: 10_000 }, (_, index) => ({
    key: `t${index}`,
    value: hostile[index % hostile.length],
  }));
  const { run } = await app.done("POST", "runs/create", { run_name: hostile[0], tags });
  expect(run.data.tags).toHaveLength(10_001);
  for (const text of hostile) {
    const { experiment_id: id } = await app.done("POST", "experiments/create", { name: text });
    const found = await app.done("GET", `experiments/get-by-name?experiment_name=${encodeURIComponent(text)}`);
    expect(found["experiment"].experiment_id).toBe(id);
    const quote = text.includes("'") ? '"' : "'";
    for (const filter of [
      `tags.t3 = ${quote}${text}${quote}`,
      `attributes.run_name = ${quote}${text}${quote}`,
      text,
      `params.${text} = 'x'`,
    ])
      for (const path of ["runs/search", "logged-models/search"])
        expect((await app.call("POST", path, { experiment_ids: ["0"], filter })).status).toBeLessThan(500);
    for (const path of ["registered-models/search", "model-versions/search"])
      expect(
        (await app.call("GET", `${path}?filter=${encodeURIComponent(`name = ${quote}${text}${quote}`)}`)).status,
      ).toBe(text.includes('"') && text.includes("'") ? 400 : 200);
  }
  const { runs } = await app.done("POST", "runs/search", { experiment_ids: ["0"], filter: "tags.t5 = '__proto__'" });
  expect(runs.map((each: { info: { run_id: string } }) => each.info.run_id)).toEqual([run.info.run_id]);
});

test("who may do what is asked before anything is done", async () => {
  const asked: [string | undefined, string, string][] = [];
  const authorizer: Authorizer = {
    async decide({ principal, action, resource }) {
      asked.push([principal, action, resource]);
      return action === "registry:read" || principal === "ann"
        ? { allowed: true }
        : { allowed: false, reason: "ann only" };
    },
  };
  await using app = await openMlflowApp({
    authorizer,
    authenticate: async (given) =>
      given.scheme === "bearer"
        ? given.token === "t0k"
          ? "ann"
          : undefined
        : given.password === "secret"
          ? given.user
          : undefined,
  });
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });
  const create = (headers: Readonly<Record<string, string>>) =>
    app.call("POST", "runs/create", { run_name: "x" }, headers);
  const code = async (headers: Readonly<Record<string, string>>) => {
    const { status, answer } = await create(headers);
    return [status, answer["error_code"]];
  };
  expect(await code({})).toEqual([401, "UNAUTHENTICATED"]);
  expect(await code(basic("bob:secret"))).toEqual([403, "PERMISSION_DENIED"]);
  expect(await code(basic("ann:wrong"))).toEqual([401, "UNAUTHENTICATED"]);
  expect(await code({ authorization: "Bearer nonsense" })).toEqual([401, "UNAUTHENTICATED"]);
  expect(await code({ authorization: "Digest x" })).toEqual([401, "UNAUTHENTICATED"]);
  expect(await code(basic("no colon"))).toEqual([401, "UNAUTHENTICATED"]);
  const { answer } = await create({ authorization: "Bearer t0k" });
  const id = answer["run"].info.run_id as string;
  expect(answer["run"].info.user_id).toBe("ann");
  expect((await create(basic("ann:secret"))).status).toBe(200);
  expect((await app.put(`0/${id}/artifacts/x`, "x")).status).toBe(401);
  expect((await app.call("GET", `runs/get?run_id=${id}`)).status).toBe(200);
  expect(asked.at(0)).toEqual([undefined, "registry:write", "experiment/0"]);
  expect(asked.slice(-2)).toEqual([
    [undefined, "registry:write", `artifact/0/${id}/artifacts/x`],
    [undefined, "registry:read", `run/${id}`],
  ]);
  expect(await app.registry.runs()).toHaveLength(2);
});

test("limits below 1 are refused, and what fails inside is told to the logger and not to the client", async () => {
  await using app = await openMlflowApp({ authorizer: allowAll });
  const { registry, database, artifacts } = app;
  for (const limits of [{ maxBodyBytes: 0 }, { maxArtifactBytes: Number.NaN }])
    expect(() => createMlflowServer({ registry, database, artifacts, ...limits })).toThrow(RangeError);
  const told: unknown[] = [];
  const logger = { debug() {}, info() {}, warn() {}, error: (...given: unknown[]) => told.push(given) };
  const broken: Record<string, unknown> = {
    ...database,
    migrate: () => Promise.reject(new TypeError("a secret path")),
    typed: () => broken,
  };
  const failing = createMlflowServer({ registry, database: broken as never, artifacts, logger });
  const answer = await failing.handle(new Request("http://mill/api/2.0/mlflow/experiments/get?experiment_id=0"));
  expect([answer.status, await answer.json()]).toEqual([
    500,
    { error_code: "INTERNAL_ERROR", message: "The registry failed to answer." },
  ]);
  expect(told).toHaveLength(1);
});
