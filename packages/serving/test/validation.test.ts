import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@millwright/contracts";
import { batchOf, datasetOf, fitTransforms, profileDataset, profileToJson } from "@millwright/data";
import { openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { expect, test } from "vitest";
import { type EndpointOptions, type ModelServer, type Stage, inputRules, openModelServer } from "@millwright/serving";
import { type FuzzedRequest, fuzzedRequests } from "./body-fuzz.ts";
import { denseRuntime, packFolder } from "./models.ts";

/** `late` takes four numbers, `named` rows through transforms; both count what reaches the model. */
async function open(
  more: Partial<EndpointOptions> = {},
): Promise<AsyncDisposable & { readonly server: ModelServer; readonly asked: () => number }> {
  const folder = await packFolder(1);
  const root = await mkdtemp(join(tmpdir(), "millwright-validation-"));
  const rows = datasetOf([batchOf({ distance: [50, 150, 50, 150], carrier: ["AA", "AA", "BB", "BB"] })]);
  const steps = [
    { kind: "numeric", column: "distance" },
    { kind: "oneHot", column: "carrier", other: false },
  ] as const;
  await packModel(join(root, "named", "1"), {
    name: "named",
    format: "dense",
    ...writeDenseModel([{ kernel: [2, 1, -1], bias: [0], activation: "sigmoid" }]),
    transforms: (await fitTransforms(steps, rows)) as unknown as JsonObject,
    profile: profileToJson(await profileDataset(rows)),
  });
  const named = openDirectoryModelSource(root);
  const sourceOf = (ref: string) => (ref.startsWith("named") ? named : folder.source);
  let asked = 0;
  const counting = (): Stage => ({ name: "counting", model: (call, next) => ((asked += 1), next(call)) });
  const { stages = [] } = more;
  const server = await openModelServer({
    source: {
      resolve: (ref, options) => sourceOf(ref).resolve(ref, options),
      watch: (ref, options) => sourceOf(ref).watch(ref, options),
    },
    runtimes: [denseRuntime()],
    endpoints: {
      late: { variants: { main: { model: "late/1", weight: 1 } }, ...more, stages: [counting()] },
      named: { variants: { main: { model: "named/1", weight: 1 } }, ...more, stages: [...stages, counting()] },
    },
    watch: false,
  });
  return {
    server,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const ask = ({ handle }: ModelServer, { path, headers, body }: FuzzedRequest): Promise<Response> =>
  handle(new Request(`http://host${path}`, { method: "POST", headers, body: body as Uint8Array<ArrayBuffer> }));

const post = (
  server: ModelServer,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> =>
  ask(server, {
    path,
    headers: { "content-type": "application/json", ...headers },
    body: Buffer.from(JSON.stringify(body)),
  });

test("SV-5: what does not fit the signature is refused with the path of the value, and never reaches the model", async () => {
  await using opened = await open({ unknownFields: "refuse" });
  const { server } = opened;
  const good = [1, 2, 3, 4];
  const wrong: readonly (readonly [string, unknown, string | undefined])[] = [
    ["/invocations", { instances: [good, [1, 2, "x", 4]] }, "/instances/1/2"],
    ["/invocations", { instances: [good, [1, 2]] }, "/instances/1"],
    ["/invocations", { instances: [good, { features: good }] }, "/instances/1"],
    ["/invocations", { instances: [{ features: good }, { features: [1, 2, 3, true] }] }, "/instances/1/features/3"],
    ["/invocations", { instances: [{ features: good }, { other: good }] }, "/instances/1/other"],
    ["/invocations", { instances: "x" }, "/instances"],
    ["/invocations", { instances: [] }, "/instances"],
    ["/invocations", { instances: [good], extra: 1 }, "/extra"],
    ["/invocations", { inputs: { features: [good, [1, 2, {}, 4]] } }, "/inputs/features/1/2"],
    ["/invocations", { inputs: { features: [[1, 2, 3]] } }, "/inputs/features"],
    ["/invocations", { inputs: { "a/b~c": [[1]] } }, "/inputs/a~1b~0c"],
    ["/invocations", { inputs: [] }, "/inputs"],
    [
      "/endpoints/named/predict",
      {
        instances: [
          { distance: 1, carrier: "AA" },
          { distance: "x", carrier: "AA" },
        ],
      },
      "/instances/1/distance",
    ],
    ["/endpoints/named/predict", { instances: [{ distance: [1], carrier: "AA" }] }, "/instances/0/distance"],
    ["/endpoints/named/predict", { instances: [{ distance: 1, carrier: "AA" }, 7] }, "/instances/1"],
    [
      "/v2/models/late/infer",
      { inputs: [{ name: "features", datatype: "FP32", shape: [1, 4], data: [1, 2, "3", 4] }] },
      "/inputs/features/data/2",
    ],
    [
      "/v2/models/late/infer",
      { inputs: [{ name: "features", datatype: "INT8", shape: [1, 4], data: [1, 2, 300, 4] }] },
      "/inputs/features/data/2",
    ],
    [
      "/v2/models/late/infer",
      { inputs: [{ name: "features", datatype: "FP64", shape: [1, 4], data: good }] },
      "/inputs/features",
    ],
  ];
  for (const [path, body, place] of wrong) {
    const response = await post(server, path, body);
    const told = (await response.json()) as { readonly path?: string; readonly code?: string };
    expect([response.status, told.path], JSON.stringify([body, told])).toEqual([400, place]);
  }
  expect(opened.asked()).toBe(0);
  expect((await post(server, "/invocations", { instances: [good] })).status).toBe(200);
  expect(opened.asked()).toBe(1);
});

test("SV-5: a request that was written for another signature is refused by the hash of its header, and answers carry theirs", async () => {
  await using opened = await open();
  const { server } = opened;
  const body = { instances: [[1, 2, 3, 4]] };
  const answered = await post(server, "/invocations", body);
  const schema = answered.headers.get("x-millwright-schema") ?? "";
  expect(schema).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect((await post(server, "/endpoints/late/predict", body, { "x-millwright-schema": schema })).status).toBe(200);
  for (const path of ["/invocations", "/endpoints/named/predict"]) {
    const other = path === "/invocations" ? `sha256:${"0".repeat(64)}` : schema;
    const response = await post(server, path, body, { "x-millwright-schema": other });
    expect([response.status, await response.json()]).toMatchObject([422, { code: "SERVING_SCHEMA_MISMATCH" }]);
  }
  expect(opened.asked()).toBe(2);
});

test("SV-5: input rules refuse numbers outside of their range, given or of the training profile, and columns that nothing reads", async () => {
  const distances = async (
    rules: Stage,
    instance: Readonly<Record<string, unknown>>,
  ): Promise<readonly [number, unknown]> => {
    await using opened = await open({ stages: [rules] });
    const before = opened.asked();
    const response = await post(opened.server, "/endpoints/named/predict", {
      instances: [{ distance: 100, carrier: "AA" }, instance],
    });
    const told = (await response.json()) as { readonly path?: string };
    expect(opened.asked() - before).toBe(response.ok ? 1 : 0);
    return [response.status, told.path];
  };
  const given = (): Stage => inputRules({ ranges: { distance: { min: 0, max: 20_000 } } });
  expect(await distances(given(), { distance: -1, carrier: "AA" })).toEqual([400, "/instances/1/distance"]);
  expect(await distances(given(), { distance: null, carrier: "AA" })).toEqual([200, undefined]);
  const trained = (margin: number): Stage => inputRules({ ranges: "profile", margin });
  expect(await distances(trained(0), { distance: 151, carrier: "AA" })).toEqual([400, "/instances/1/distance"]);
  expect(await distances(trained(0.1), { distance: 151, carrier: "AA" })).toEqual([200, undefined]);
  const strict = inputRules({ unknownColumns: "refuse" });
  expect(await distances(strict, { distance: 1, carrier: "AA", gate: "B" })).toEqual([400, "/instances/0/gate"]);
  expect(() => inputRules({ ranges: { distance: { min: 2, max: 1 } } })).toThrow(RangeError);
});

/** How many malformed bodies: some thousands here, 100,000 where it is asked for. */
const bodies = Number(process.env["MILLWRIGHT_FUZZ_BODIES"] ?? 4_000);

test(
  `SV-5: malformed bodies are answered, never with 5xx, and each in bounded time`,
  { timeout: 3_600_000 },
  async () => {
    await using opened = await open();
    const { server } = opened;
    const statuses: Record<number, number> = {};
    let slowestMs = 0;
    let done = 0;
    const startMs = performance.now();
    for (const request of fuzzedRequests(20_261_126)) {
      const beganMs = process.cpuUsage();
      const response = await ask(server, request);
      const text = await response.text();
      const used = process.cpuUsage(beganMs);
      slowestMs = Math.max(slowestMs, (used.user + used.system) / 1000);
      statuses[response.status] = (statuses[response.status] ?? 0) + 1;
      if (response.status >= 500 || (response.status >= 400 && !text.includes('"code":"')))
        expect.fail(
          `${response.status} ${text.slice(0, 300)} for ${request.path} ${JSON.stringify(request.headers)} ${Buffer.from(request.body).toString("base64")}`,
        );
      done += 1;
      if (done === bodies) break;
    }
    if (bodies > 10_000)
      console.log(
        `${done} bodies in ${((performance.now() - startMs) / 1000).toFixed(1)} s`,
        statuses,
        `slowest ${slowestMs.toFixed(1)} ms of processor time`,
      );
    // Most are refused, some are still good: the mutations are neither too wild nor too tame.
    expect(statuses[400]).toBeGreaterThan(bodies / 3);
    expect(statuses[200]).toBeGreaterThan(bodies / 50);
    expect(slowestMs).toBeLessThan(2_000);
    expect((await post(server, "/invocations", { instances: [[1, 2, 3, 4]] })).status).toBe(200);
  },
);
