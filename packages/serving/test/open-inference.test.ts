import { expect, test } from "vitest";
import fastify, { type FastifyInstance } from "fastify";
import { openModelServer } from "@millwright/serving";
import { denseRuntime, expected, packFolder } from "./models.ts";

async function openApp(): Promise<
  {
    readonly app: FastifyInstance;
    readonly ask: (
      method: "GET" | "POST",
      url: string,
      payload?: string | Buffer,
      headers?: Record<string, string>,
    ) => Promise<{ status: number; body: unknown; headers: Record<string, unknown>; raw: Buffer }>;
  } & AsyncDisposable
> {
  const folder = await packFolder(2, { champion: 2 });
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late@champion", weight: 1 } } } },
  });
  const app = fastify();
  await app.register(server.fastify);
  return {
    app,
    async ask(method, url, payload, headers) {
      const reply = await app.inject({
        method,
        url,
        ...(payload === undefined ? {} : { payload }),
        ...(headers === undefined ? {} : { headers }),
      });
      const type = String(reply.headers["content-type"] ?? "");
      return {
        status: reply.statusCode,
        headers: reply.headers,
        raw: reply.rawPayload,
        body: type.startsWith("application/json") ? reply.json() : reply.body,
      };
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await server.drain();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const row = [0.5, -1, 2, 0.25];
const request = { id: "42", inputs: [{ name: "features", shape: [1, 4], datatype: "FP32", data: row }] };

// The bodies are those of the protocol's text, "Required API" and "Inference Request/Response JSON Object".
test("server metadata and health are as the protocol says", async () => {
  await using served = await openApp();
  const { ask } = served;
  expect(await ask("GET", "/v2")).toMatchObject({
    status: 200,
    body: {
      name: "millwright",
      version: expect.any(String),
      extensions: ["binary_tensor_data", "model_configuration", "statistics"],
    },
  });
  expect(await ask("GET", "/v2/health/live")).toMatchObject({ status: 200, body: { live: true } });
  expect(await ask("GET", "/v2/health/ready")).toMatchObject({ status: 200, body: { ready: true } });
});

test("model metadata and readiness are as the protocol says, with and without a version", async () => {
  await using served = await openApp();
  const { ask } = served;
  const metadata = {
    name: "late",
    versions: ["2"],
    platform: "millwright_dense",
    inputs: [{ name: "features", datatype: "FP32", shape: [-1, 4] }],
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  };
  for (const path of ["/v2/models/late", "/v2/models/late/versions/2"]) {
    expect((await ask("GET", path)).body).toEqual(metadata);
    expect(await ask("GET", `${path}/ready`)).toMatchObject({ status: 200, body: { name: "late", ready: true } });
  }
  expect(await ask("GET", "/v2/models/early")).toMatchObject({
    status: 404,
    body: { error: expect.stringContaining("early") },
  });
  expect(await ask("GET", "/v2/models/late/versions/7")).toMatchObject({
    status: 404,
    body: { code: "SERVING_VERSION_UNKNOWN" },
  });
});

test("an inference request is answered as the protocol says, flat or nested, with or without a content type", async () => {
  await using served = await openApp();
  const { ask } = served;
  const nested = { ...request, inputs: [{ ...request.inputs[0], data: [row] }] };
  for (const body of [request, nested]) {
    for (const headers of [
      { "content-type": "application/json" },
      { "content-type": "application/octet-stream" },
      {},
    ]) {
      const { status, body: answer } = await ask("POST", "/v2/models/late/infer", JSON.stringify(body), headers);
      expect(status).toBe(200);
      expect(answer).toEqual({
        model_name: "late",
        model_version: "2",
        id: "42",
        parameters: { request_id: "42", variant: "main", model_digest: expect.stringMatching(/^sha256:/) },
        outputs: [
          { name: "probability", shape: [1, 1], datatype: "FP32", data: [expect.closeTo(expected(2, row), 6)] },
        ],
      });
    }
  }
  const chosen = await ask(
    "POST",
    "/v2/models/late/versions/2/infer",
    JSON.stringify({ ...request, outputs: [{ name: "probability" }] }),
  );
  expect(chosen.status).toBe(200);
});

test("binary tensors come and go as the extension says", async () => {
  await using served = await openApp();
  const { ask } = served;
  const header = JSON.stringify({
    parameters: { binary_data_output: true },
    inputs: [{ name: "features", shape: [2, 4], datatype: "FP32", parameters: { binary_data_size: 32 } }],
  });
  const data = Buffer.from(Float32Array.from([...row, ...row]).buffer);
  const { status, headers, raw } = await ask(
    "POST",
    "/v2/models/late/infer",
    Buffer.concat([Buffer.from(header), data]),
    {
      "inference-header-content-length": String(header.length),
    },
  );
  expect(status).toBe(200);
  const length = Number(headers["inference-header-content-length"]);
  const answer = JSON.parse(raw.subarray(0, length).toString()) as { outputs: object[] };
  expect(answer.outputs).toEqual([
    { name: "probability", datatype: "FP32", shape: [2, 1], parameters: { binary_data_size: 8 } },
  ]);
  expect(raw.length).toBe(length + 8);
  expect(raw.readFloatLE(length)).toBeCloseTo(expected(2, row), 6);
  expect(raw.readFloatLE(length + 4)).toBe(raw.readFloatLE(length));
});

test("what is wrong with a request is told with its input's name, and the model is not asked", async () => {
  await using served = await openApp();
  const { ask } = served;
  const input = request.inputs[0];
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{}, /`inputs` is not a list/],
    [{ inputs: [] }, /"features" does not fit: it is missing/],
    [{ inputs: [{ ...input, name: "other" }] }, /"other" does not fit: the model has no such input/],
    [{ inputs: [{ ...input, datatype: "FP64" }] }, /"features" .*its type is FP64, not FP32/],
    [{ inputs: [{ ...input, datatype: "FP8" }] }, /"features" .*datatype is "FP8"/],
    [{ inputs: [{ ...input, datatype: "BF16" }] }, /"features" .*BF16 comes as JSON/],
    [{ inputs: [{ ...input, shape: [1, 5], data: [1, 2, 3, 4, 5] }] }, /"features" .*shape is \[1, 5\], not \[-1, 4\]/],
    [{ inputs: [{ ...input, shape: [2, 4] }] }, /"features" .*4 elements for the shape \[2, 4\]/],
    [{ inputs: [{ ...input, shape: [-1, 4] }] }, /"features" .*shape is not a list of sizes/],
    [{ inputs: [{ ...input, shape: [1e9, 1e9, 4] }] }, /"features" .*shape/],
    [{ inputs: [{ ...input, data: [1, 2, "x", 4] }] }, /"features" .*element 2 is "x"/],
    [{ inputs: [{ ...input, shape: [0, 4], data: [] }] }, /"features" .*no rows/],
    [{ inputs: [input, input] }, /"features" .*there twice/],
    [{ ...request, outputs: [{ name: "nothing" }] }, /no output "nothing"/],
  ];
  for (const [body, message] of wrong) {
    const answer = await ask("POST", "/v2/models/late/infer", JSON.stringify(body), {
      "content-type": "application/json",
    });
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringMatching(message) } });
  }
  expect(await ask("POST", "/v2/models/late/infer", "{", { "content-type": "application/json" })).toMatchObject({
    status: 400,
  });
  expect(await ask("POST", "/v2/models/late/infer", "")).toMatchObject({ status: 400 });
});
