import { join } from "node:path";
import { denseRuntime } from "@millwright/model";
import { describe, expect, it } from "vitest";
import { createModelCatalog, openModelServer } from "../src/index.ts";
import { openFleet, row, versionOf } from "./fleet.ts";
import { expected, packFolder } from "./models.ts";

type Handle = (request: Request) => Promise<Response>;

async function call(
  handle: Handle,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
) {
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
  const response = await handle(new Request(`http://localhost${path}`, init));
  const text = await response.text();
  return { status: response.status, body: (text === "" ? undefined : JSON.parse(text)) as never };
}

describe("SageMaker's multi-model API", () => {
  it("SV-25: loads, lists in pages, gets, invokes and unloads as its containers do", async () => {
    await using folder = await packFolder(3);
    const bytes = 65_536;
    const models = createModelCatalog({ memoryBytes: 2 * bytes, containerApi: true, root: folder.root });
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: { fleet: { variants: {}, models } },
    });
    const { handle } = server;
    const url = (version: number): string => join(folder.root, "late", String(version));
    const load = (name: string, version: number) =>
      call(handle, "POST", "/models", { model_name: name, url: url(version) });
    expect((await call(handle, "GET", "/ping")).status).toBe(200);
    expect(await call(handle, "GET", "/models")).toEqual({ status: 200, body: { models: [] } });
    expect((await load("b7f3/x", 1)).status).toBe(200);
    expect(await load("b7f3/x", 1)).toMatchObject({ status: 409, body: { code: 409, type: "SERVING_MODEL_LOADED" } });
    expect((await load("a", 2)).status).toBe(200);
    // Nothing is unloaded for it: whoever runs the container decides what.
    expect(await load("c", 3)).toMatchObject({
      status: 507,
      body: { code: 507, message: expect.stringContaining("c") },
    });
    const first = { modelName: "a", modelUrl: url(2) };
    const second = { modelName: "b7f3/x", modelUrl: url(1) };
    expect(await call(handle, "GET", "/models")).toEqual({ status: 200, body: { models: [first, second] } });
    const page = await call(handle, "GET", "/models?limit=1");
    expect(page.body).toEqual({ models: [first], nextPageToken: expect.any(String) });
    const { nextPageToken } = page.body as { nextPageToken: string };
    expect((await call(handle, "GET", `/models?limit=1&next_page_token=${nextPageToken}`)).body).toEqual({
      models: [second],
    });
    expect((await call(handle, "GET", "/models?limit=x")).status).toBe(400);
    expect(await call(handle, "GET", "/models/b7f3%2Fx")).toEqual({ status: 200, body: second });
    expect((await call(handle, "GET", "/models/none")).status).toBe(404);
    const header = { "x-amzn-sagemaker-target-model": "somewhere/late.tar.gz" };
    const invoke = (name: string) => call(handle, "POST", `/models/${name}/invoke`, { instances: [row] }, header);
    expect(await invoke("a")).toEqual({ status: 200, body: { predictions: [expect.closeTo(expected(2, row), 5)] } });
    expect((await invoke("c")).status).toBe(404);
    expect((await call(handle, "POST", "/models/a/invoke", { instances: [[1]] })).status).toBe(400);
    expect((await call(handle, "DELETE", "/models/a")).status).toBe(200);
    expect((await call(handle, "DELETE", "/models/a")).status).toBe(404);
    expect((await load("c", 3)).status).toBe(200);
    expect(await invoke("c")).toMatchObject({ status: 200 });
    expect(await call(handle, "POST", "/models", { model_name: "d", url: "/etc" })).toMatchObject({ status: 400 });
    expect(await call(handle, "POST", "/models", { url: url(1) })).toMatchObject({ status: 400 });
  });

  it("is not there where nobody asked for it, nor for those who may not", async () => {
    await using plain = await openFleet({ models: 2 });
    expect((await call(plain.server.handle, "GET", "/models")).status).toBe(404);
    await using guarded = await openFleet(
      { models: 2, containerApi: true },
      {
        authorizer: {
          decide: async ({ action }) =>
            action === "endpoint:manage" ? { allowed: false, reason: "no" } : { allowed: true },
        },
      },
    );
    expect((await call(guarded.server.handle, "POST", "/models", { model_name: "m1", url: "m1" })).status).toBe(403);
    await guarded.models.load("m1");
    expect((await call(guarded.server.handle, "POST", "/models/m1/invoke", { instances: [row] })).status).toBe(200);
  });
});

describe("the model of a request", () => {
  it("SV-25: is named by SageMaker's header, and by the name of the Open Inference Protocol", async () => {
    await using fleet = await openFleet({ models: 2 });
    const { handle } = fleet.server;
    const target = (name: string) => ({ "x-amzn-sagemaker-target-model": name });
    const answer = { predictions: [expect.closeTo(expected(versionOf("m7"), row), 5)] };
    for (const path of ["/invocations", "/endpoints/fleet/invocations"]) {
      expect(await call(handle, "POST", path, { instances: [row] }, target("m7.tar.gz"))).toEqual({
        status: 200,
        body: answer,
      });
      expect(await call(handle, "POST", path, { inputs: { features: [row] } }, target("m7"))).toEqual({
        status: 200,
        body: answer,
      });
    }
    expect((await call(handle, "POST", "/invocations", { instances: [row] }, target("none"))).status).toBe(404);
    expect((await call(handle, "POST", "/invocations", { instances: [row] })).status).toBe(400);
    const inputs = [{ name: "features", shape: [1, 4], datatype: "FP32", data: row }];
    expect(await call(handle, "POST", "/v2/models/m7/infer", { inputs })).toMatchObject({
      status: 200,
      body: { model_name: "m7", model_version: "8", outputs: [{ data: [expect.closeTo(expected(8, row), 5)] }] },
    });
    expect((await call(handle, "POST", "/v2/models/none/infer", { inputs })).status).toBe(404);
    expect(await call(handle, "GET", "/v2/models/m3")).toMatchObject({
      status: 200,
      body: { name: "m3", versions: ["4"], inputs: [{ name: "features", datatype: "FP32" }] },
    });
    expect((await call(handle, "GET", "/v2/models/m3/ready")).status).toBe(200);
    expect((await call(handle, "GET", "/v2/models/none/ready")).status).toBe(404);
  });

  it("is loaded once for 200 first requests over HTTP at once, whatever form they have", async () => {
    await using fleet = await openFleet({ models: 2 });
    const headers = { "x-amzn-sagemaker-target-model": "m5" };
    const bodies = [{ instances: [row] }, { inputs: { features: [row] } }];
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        call(fleet.server.handle, "POST", "/invocations", bodies[at % 2], headers),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(fleet.runtime.loads).toBe(1);
    expect(fleet.models.stats()).toMatchObject({ loads: 1, misses: 100, hits: 100 });
  });

  it("is unknown without a word about the others, and an endpoint of nothing but models has no inputs of its own", async () => {
    await using folder = await packFolder(1);
    const models = createModelCatalog({ memoryBytes: 1e6 });
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: { fleet: { variants: {}, models } },
    });
    await expect(folder.source.resolve("nobody/1")).rejects.toThrow("late/1");
    const unknown = await call(server.handle, "GET", "/v2/models/nobody");
    expect([unknown.status, JSON.stringify(unknown.body)]).toEqual([404, expect.not.stringContaining("late")]);
    expect(await call(server.handle, "GET", "/v2/models/fleet")).toEqual({
      status: 200,
      body: { name: "fleet", platform: "millwright_multi_model", inputs: [], outputs: [] },
    });
    expect((await call(server.handle, "GET", "/v2/models/fleet/ready")).status).toBe(200);
    expect((await call(server.handle, "POST", "/v2/models/fleet/infer", { inputs: [] })).status).toBe(400);
  });

  it("is refused by an endpoint without a catalog, and beside variants chosen by the request", async () => {
    await using folder = await packFolder(2);
    const models = createModelCatalog({ memoryBytes: 1e6 });
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: {
        plain: { variants: { main: { model: "late/1", weight: 1 } } },
        both: { variants: { main: { model: "late/1", weight: 1 } }, models },
      },
    });
    const ask = async (endpoint: string, targetModel?: string) => {
      const { outputs } = await server.predict(endpoint, { instances: [row], targetModel });
      return outputs["probability"]?.data[0];
    };
    await expect(ask("plain", "late/2")).rejects.toMatchObject({ code: "SERVING_REQUEST_INVALID" });
    expect(await ask("both")).toBeCloseTo(expected(1, row), 5);
    expect(await ask("both", "late/2")).toBeCloseTo(expected(2, row), 5);
    // Names and versions of the protocol make a reference.
    const inputs = [{ name: "features", shape: [1, 4], datatype: "FP32", data: row }];
    expect(await call(server.handle, "POST", "/v2/models/late/versions/2/infer", { inputs })).toMatchObject({
      status: 200,
      body: { model_name: "late", model_version: "2" },
    });
    await expect(
      server.predict("both", { instances: [row], targetModel: "late/2", variant: "main" }),
    ).rejects.toMatchObject({
      code: "SERVING_VARIANT_UNKNOWN",
    });
  });
});
