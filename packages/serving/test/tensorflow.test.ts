import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fastify from "fastify";
import { expect, test } from "vitest";
import { type ModelServer } from "../src/index.ts";
import { expected } from "./models.ts";
import { openProtocolServer } from "./protocol-server.ts";

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}

async function ask(
  server: ModelServer,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Reply> {
  const answer = await server.handle(
    new Request(`http://host/v1/models${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(headers === undefined ? {} : { headers }),
    }),
  );
  return { status: answer.status, body: await answer.json(), headers: answer.headers };
}

const rows = [
  [0.5, -1, 2, 0.25],
  [1, 2, 3, 4],
];
const column = (version: number, of = rows): unknown => of.map((row) => [expect.closeTo(expected(version, row), 6)]);

test("predict answers rows with predictions and columns with outputs, in the tensor's own shape", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  const predictions = { predictions: column(2) };
  const outputs = { outputs: column(2) };
  for (const [body, answer] of [
    [{ instances: rows }, predictions],
    [{ signature_name: "serving_default", instances: rows }, predictions],
    [{ instances: rows.map((features) => ({ features })) }, predictions],
    [{ inputs: rows }, outputs],
    [{ inputs: { features: rows } }, outputs],
  ] as const)
    expect(await ask(server, "/late:predict", body)).toMatchObject({ status: 200, body: answer });
  const answer = await ask(server, "/late:predict", { instances: rows }, { "x-request-id": "r-1" });
  expect(answer.headers.get("x-millwright-model")).toContain("late/2");
  expect(answer.headers.get("x-request-id")).toBe("r-1");
});

test("versions and labels name a variant", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  const body = { instances: rows };
  for (const [path, version] of [
    ["/late/versions/1:predict", 1],
    ["/late/versions/2:predict", 2],
    ["/late/labels/old:predict", 1],
    ["/late/labels/main:predict", 2],
  ] as const)
    expect(await ask(server, path, body)).toMatchObject({ status: 200, body: { predictions: column(version) } });
});

test("bytes in base64, bare NaN and infinities, and 64-bit integers arrive as they are", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  const b64 = Buffer.from('ä "NaN"').toString("base64");
  const row = `{"string": ["plain", {"b64": "${b64}"}], "int64": ["9007199254740993", 2], "uint64": [1, 2], "int32": [1, 2],
    "uint32": [1, 2], "int16": [1, 2], "uint16": [1, 2], "int8": [1, 2], "uint8": [1, 2], "float32": [NaN, 0.5],
    "float64": [-Infinity, 0.25], "bool": [true, false]}`;
  const one = {
    string: ["plain", 'ä "NaN"'],
    uint64: [1, 2],
    int8: [1, 2],
    float32: [null, 0.5],
    float64: [null, 0.25],
    bool: [true, false],
  };
  expect(await ask(server, "/echo:predict", `{"instances": [${row}]}`)).toMatchObject({
    status: 200,
    body: { predictions: [one] },
  });
  const columns = row.replaceAll("[", "[[").replaceAll("]", "]]");
  expect(await ask(server, "/echo:predict", `{"inputs": ${columns}}`)).toMatchObject({
    status: 200,
    body: { outputs: { string: [one.string], float32: [one.float32], bool: [one.bool] } },
  });
  const raw = await server.handle(
    new Request("http://host/v1/models/echo:predict", { method: "POST", body: `{"instances": [${row}]}` }),
  );
  expect(await raw.text()).toContain('"int64":[9007199254740993,2]');
});

test("classify answers labels with scores, regress one number for each example", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  expect(await ask(server, "/late:regress", { examples: rows.map((features) => ({ features })) })).toMatchObject({
    status: 200,
    body: { results: rows.map((row) => expect.closeTo(expected(2, row), 6)) },
  });
  expect(
    await ask(server, "/late/versions/1:regress", { context: { features: rows[0] }, examples: [{}] }),
  ).toMatchObject({ body: { results: [expect.closeTo(expected(1, rows[0] ?? []), 6)] } });
  expect(await ask(server, "/halves:classify", { examples: [{ x: [0.25, 0.75] }, { x: [0.5, 0.125] }] })).toMatchObject(
    {
      status: 200,
      body: {
        results: [
          [
            ["0", 0.25],
            ["1", 0.75],
          ],
          [
            ["0", 0.5],
            ["1", 0.125],
          ],
        ],
      },
    },
  );
  expect(await ask(server, "/late:classify", { examples: [{ features: rows[0] }] })).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining(":predict") },
  });
  expect(await ask(server, "/halves:regress", { examples: [{ x: [1, 2] }] })).toMatchObject({ status: 400 });
});

test("status is that of both servers, and metadata the signature", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  const state = (version: string): object => ({
    version,
    state: "AVAILABLE",
    status: { error_code: "OK", error_message: "" },
  });
  const status = (...versions: string[]): object => ({
    name: "late",
    ready: true,
    model_version_status: versions.map(state),
  });
  expect((await ask(server, "/late")).body).toEqual(status("2", "1"));
  expect((await ask(server, "/late/versions/1")).body).toEqual(status("1"));
  expect((await ask(server, "/late/labels/old")).body).toEqual(status("1"));
  expect((await ask(server, "")).body).toEqual({ models: ["late", "echo", "halves", "slow", "broken"] });
  const tensor = (name: string, ...sizes: string[]): object => ({
    dtype: "DT_FLOAT",
    tensor_shape: { dim: sizes.map((size) => ({ size, name: "" })), unknown_rank: false },
    name,
  });
  expect((await ask(server, "/late/versions/1/metadata")).body).toEqual({
    model_spec: { name: "late", signature_name: "", version: "1" },
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: { features: tensor("features", "-1", "4") },
            outputs: { probability: tensor("probability", "-1", "1") },
            method_name: "tensorflow/serving/predict",
          },
        },
      },
    },
  });
  const leaving = server.drain({ graceMs: 200 });
  expect(await ask(server, "/late")).toMatchObject({
    status: 503,
    body: { name: "late", ready: false, model_version_status: [{ state: "UNLOADING" }, { state: "UNLOADING" }] },
  });
  await leaving;
});

test("models of a catalog are asked by their names", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  // Clients leave slashes as they are, or encode them.
  for (const name of [encodeURIComponent("late/1"), "late/1"]) {
    expect(await ask(server, `/${name}:predict`, { inputs: rows })).toMatchObject({
      status: 200,
      body: { outputs: column(1) },
    });
    expect(await ask(server, `/${name}`)).toMatchObject({ status: 200, body: { name: "late/1", ready: true } });
    expect(await ask(server, `/${name}/metadata`)).toMatchObject({ body: { model_spec: { name: "late/1" } } });
  }
  expect((await ask(server, "")).body).toMatchObject({ models: expect.arrayContaining(["late/1"]) });
});

test.each([
  ["/early:predict", { instances: rows }, 404, "early"],
  ["/late/versions/7:predict", { instances: rows }, 404, "7"],
  ["/late/labels/none:predict", { instances: rows }, 404, "none"],
  ["/late:predict", {}, 400, "neither"],
  ["/late:predict", { instances: rows, inputs: rows }, 400, "both"],
  ["/late:predict", { instances: 1 }, 400, "instances"],
  ["/late:predict", { instances: rows, signature_name: 1 }, 400, "signature_name"],
  ["/late:predict", { instances: [[1, 2]] }, 400, "row 0 has 2 elements"],
  ["/late:predict", { inputs: [[1, 2]] }, 400, "features"],
  ["/late:predict", { inputs: { other: rows } }, 400, "other"],
  ["/late:predict", "[1]", 400, "object"],
  ["/late:predict", '{"instances": [', 400, "JSON"],
  ["/late:predict", `${"[".repeat(5000)}${"]".repeat(5000)}`, 400, "object"],
  ["/late:predict", `{"b64": 1, "instances": ${"[".repeat(5000)}${"]".repeat(5000)}}`, 400, "deep"],
  ["/echo:predict", { inputs: [[1]] }, 400, "name"],
  ["/echo:predict", { instances: [{ string: [{ b64: "*" }, ""] }] }, 400, "base64"],
  ["/echo:predict", { instances: [{ string: [{ b64: "/w==" }, ""] }] }, 400, "UTF-8"],
  ["/late:regress", { examples: [] }, 400, "examples"],
  ["/late:regress", { examples: [1] }, 400, "example 0"],
  ["/late:regress", { examples: [{ features: rows[0] }], context: 1 }, 400, "context"],
  ["/broken:predict", { inputs: [[1]] }, 500, "broken"],
  ["/late:explain", { instances: rows }, 405, "late:explain"],
] as const)("%s refuses with an error object: case %$", async (path, body, status, told) => {
  await using served = await openProtocolServer();
  const reply = await ask(served.server, path, body);
  expect(reply).toMatchObject({ status, body: { error: expect.stringContaining(told), code: expect.any(String) } });
});

test("Fastify and a listener of node:http route the verbs as well", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  const app = fastify();
  await app.register(server.fastify);
  const listener = createServer(server.node).listen(0, "127.0.0.1");
  await new Promise((resolve) => listener.once("listening", resolve));
  try {
    const origin = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    for (const [path, version] of [
      ["/v1/models/late:predict", 2],
      ["/v1/models/late%3Apredict", 2],
      ["/v1/models/late/versions/1:predict", 1],
      ["/v1/models/late/labels/old:predict", 1],
      [`/v1/models/${encodeURIComponent("late/1")}:predict`, 1],
      ["/v1/models/late/1:predict", 1],
    ] as const) {
      const payload = JSON.stringify({ instances: rows });
      const injected = await app.inject({ method: "POST", url: path, payload });
      expect(injected.json(), path).toEqual({ predictions: column(version) });
      if (path.includes("%3A")) continue;
      const answer = await fetch(origin + path, { method: "POST", body: payload });
      expect(await answer.json(), path).toEqual({ predictions: column(version) });
    }
    expect((await app.inject("/v1/models/late")).json()).toMatchObject({ name: "late", ready: true });
    expect((await app.inject("/v1/models/late/metadata")).json()).toMatchObject({ model_spec: { name: "late" } });
  } finally {
    await app.close();
    listener.close();
  }
});
