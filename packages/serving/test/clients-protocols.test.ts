import { expect, test } from "vitest";
import { bentoMl, createModelClient, kserveV1, openInference, sageMaker, tensorFlowServing } from "../src/clients.ts";
import { openFakeServer } from "./fake-server.ts";

const signature = {
  inputs: [
    { name: "x", dtype: "float32", shape: [-1, 2] },
    { name: "name", dtype: "string", shape: [-1] },
  ],
  outputs: [
    { name: "score", dtype: "float32", shape: [-1, 2] },
    { name: "id", dtype: "int64", shape: [-1] },
  ],
} as const;
const one = {
  inputs: [{ name: "x", dtype: "float32", shape: [-1, 2] }],
  outputs: [{ name: "y", dtype: "float64", shape: [-1, 1] }],
} as const;

const x = { dtype: "float32", shape: [2, 2], data: Float32Array.of(0.5, -1, 2, 0.1) } as const;
const inputs = { x, name: ["a", "é"] };
const once = { retries: false } as const;
const float = (value: number): string => String(Math.fround(value));
const jsonBody = (value: unknown): { readonly body: string } => ({ body: JSON.stringify(value) });

const littleEndian = (values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeFloatLE(value, at * 4);
  return bytes;
};
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
};

test("SV-4: the Open Inference Protocol in JSON, to the byte: digits beyond 2^53 and NaN of Python's come back whole", async () => {
  await using server = await openFakeServer(() => ({
    body: `{"model_name":"late","model_version":"3","id":"r1","outputs":[{"name":"id","datatype":"INT64","shape":[2],"data":[9007199254740993,-1]},{"name":"unasked","datatype":"ODD","shape":[1],"data":[0]},{"name":"score","datatype":"FP32","shape":[2,2],"data":[[NaN,1],[-Infinity,0.25]]}]}`,
  }));
  const protocol = openInference({ url: `${server.url}/`, model: "team/late", version: "3", encoding: "json" });
  const client = createModelClient({ protocol, signature, ...once });
  const { outputs, evidence } = await client.predict(inputs, { requestId: "r1" });
  const [taken] = server.requests;
  expect(taken?.path).toBe("/v2/models/team/late/versions/3/infer");
  expect(taken?.headers).toMatchObject({ "content-type": "application/json", "x-request-id": "r1" });
  expect(taken?.body.toString()).toBe(
    `{"id":"r1","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[0.5,-1,2,${float(0.1)}]},{"name":"name","shape":[2],"datatype":"BYTES","data":["a","é"]}],"outputs":[{"name":"score"},{"name":"id"}]}`,
  );
  expect([...outputs.id.data]).toEqual([9007199254740993n, -1n]);
  expect([...outputs.score.data]).toEqual([Number.NaN, 1, Number.NEGATIVE_INFINITY, 0.25]);
  expect(evidence).toMatchObject({ requestId: "r1", model: "late", version: "3", attempts: 1, hedged: false });
});

test("SV-4: the Open Inference Protocol in bytes, to the byte, once the server says that it knows them; 16-bit numbers too", async () => {
  const head = JSON.stringify({
    model_name: "late",
    outputs: [
      { name: "score", datatype: "FP16", shape: [1, 2], parameters: { binary_data_size: 4 } },
      { name: "id", datatype: "INT64", shape: [1], data: [7] },
    ],
  });
  await using server = await openFakeServer(({ path }) =>
    path === "/v2"
      ? jsonBody({ name: "triton", version: "2", extensions: ["binary_tensor_data"] })
      : {
          headers: { "inference-header-content-length": String(head.length) },
          body: Buffer.concat([Buffer.from(head), Buffer.from([0x00, 0x3c, 0x00, 0xb8])]),
        },
  );
  const protocol = openInference({ url: server.url, model: "late" });
  const client = createModelClient({ protocol, signature, ...once });
  const { outputs } = await client.predict({ x: [[0.5, -1]], name: ["é"] }, { requestId: "r1" });
  await client.predict({ x: [[0.5, -1]], name: ["é"] });
  expect([...outputs.score.data]).toEqual([1, -0.5]);
  expect([...outputs.id.data]).toEqual([7n]);
  expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "GET /v2",
    "POST /v2/models/late/infer",
    "POST /v2/models/late/infer",
  ]);
  const { headers, body } = server.requests[1]!;
  const json = `{"id":"r1","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},{"name":"name","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}],"outputs":[{"name":"score","parameters":{"binary_data":true}},{"name":"id","parameters":{"binary_data":true}}]}`;
  expect(headers["inference-header-content-length"]).toBe(String(json.length));
  expect(body.equals(Buffer.concat([Buffer.from(json), littleEndian([0.5, -1]), text("é")]))).toBe(true);

  const halves = openInference({ url: server.url, model: "late", encoding: "binary", halves: { x: "FP16" } });
  await createModelClient({ protocol: halves, signature, ...once }).predict({ x: [[1, -0.5]], name: [""] });
  const last = server.requests.at(-1)!.body;
  expect(last.toString()).toContain('"name":"x","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}');
  expect(last.subarray(-8, -4)).toEqual(Buffer.from([0x00, 0x3c, 0x00, 0xb8]));
});

test("SV-4: TensorFlow Serving's :predict in columns and in rows, and KServe's first protocol, to the byte", async () => {
  await using server = await openFakeServer(({ path, body }) => {
    if (body.includes('"inputs"'))
      return jsonBody({
        outputs: {
          score: [
            [1, 2],
            [3, 4],
          ],
          id: [5, 6],
        },
      });
    return path.includes("single")
      ? { body: '{"predictions":[0.5,NaN]}' }
      : jsonBody({
          predictions: [
            { score: [1, 2], id: 5 },
            { score: [3, 4], id: 6 },
          ],
        });
  });
  const { url } = server;
  const columns = tensorFlowServing({ url, model: "late", version: 3, signatureName: "scores" });
  const rows = tensorFlowServing({ url, model: "late", label: "stable", form: "rows" });
  for (const protocol of [columns, rows, kserveV1({ url, model: "late" })]) {
    const { outputs } = await createModelClient({ protocol, signature, ...once }).predict(inputs);
    expect(outputs.score).toEqual({ dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
    expect([...outputs.id.data]).toEqual([5n, 6n]);
  }
  const kserve = createModelClient({ protocol: kserveV1({ url, model: "single" }), signature: one, ...once });
  const answer = await kserve.predict({ x });
  expect(answer.outputs.y).toEqual({ dtype: "float64", shape: [2, 1], data: Float64Array.of(0.5, Number.NaN) });
  const instances = `"instances":[{"x":[0.5,-1],"name":"a"},{"x":[2,${float(0.1)}],"name":"é"}]}`;
  expect(server.requests.map(({ path, body }) => [path, body.toString()])).toEqual([
    [
      "/v1/models/late/versions/3:predict",
      `{"signature_name":"scores","inputs":{"x":[[0.5,-1],[2,${float(0.1)}]],"name":["a","é"]}}`,
    ],
    ["/v1/models/late/labels/stable:predict", `{"signature_name":"serving_default",${instances}`],
    ["/v1/models/late:predict", `{${instances}`],
    ["/v1/models/single:predict", `{"instances":[[0.5,-1],[2,${float(0.1)}]]}`],
  ]);
  // TensorFlow reads bare names; KServe's parsers do not, so that they are refused before they are sent.
  const strange = { x: [[Number.NaN, Number.POSITIVE_INFINITY]] } as const;
  await createModelClient({ protocol: rows, signature: one, ...once })
    .predict(strange)
    .catch(() => {});
  expect(server.requests.at(-1)?.body.toString()).toContain('"instances":[[NaN,Infinity]]');
  await expect(kserve.predict(strange)).rejects.toMatchObject({ code: "SERVING_INPUT_INVALID" });
});

test("SV-4: a service of BentoML, to the byte: parameters by name, the one output or outputs by name", async () => {
  await using server = await openFakeServer(({ path }) =>
    path === "/score"
      ? { headers: { "x-bentoml-request-id": "77" }, body: "[[0.25],[1.0]]" }
      : jsonBody({ score: [[1, 2]], id: [3] }),
  );
  const single = createModelClient({
    protocol: bentoMl({ url: server.url, route: "/score" }),
    signature: one,
    ...once,
  });
  const { outputs, evidence } = await single.predict({ x });
  expect([...outputs.y.data]).toEqual([0.25, 1]);
  expect(evidence.requestId).toBe("77");
  const both = createModelClient({ protocol: bentoMl({ url: server.url }), signature, ...once });
  expect([...(await both.predict({ x: [[1, 2]], name: ["a"] })).outputs.id.data]).toEqual([3n]);
  expect(server.requests.map(({ path, body }) => [path, body.toString()])).toEqual([
    ["/score", `{"x":[[0.5,-1],[2,${float(0.1)}]]}`],
    ["/predict", '{"x":[[1,2]],"name":["a"]}'],
  ]);
});

test("SV-4: an endpoint of SageMaker: what InvokeEndpoint is asked with, in rows, columns, CSV and Triton's binary tensors", async () => {
  const taken: { readonly Body: string | Uint8Array; readonly ContentType: string }[] = [];
  const answerOf = (body: string | Uint8Array, contentType = "application/json") => ({
    Body: Buffer.from(body),
    ContentType: contentType,
    InvokedProductionVariant: "blue",
  });
  const head = '{"outputs":[{"name":"y","datatype":"FP64","shape":[1,1],"parameters":{"binary_data_size":8}}]}';
  const eight = Buffer.alloc(8);
  eight.writeDoubleLE(0.5);
  const answers: Readonly<Record<string, ReturnType<typeof answerOf>>> = {
    rows: answerOf('{"predictions":[0.5]}'),
    columns: answerOf('{"outputs":[[0.5]]}'),
    csv: answerOf("0.5\n", "text/csv"),
    "open-inference": answerOf(
      Buffer.concat([Buffer.from(head), eight]),
      `application/vnd.sagemaker-triton.binary+json;json-header-size=${head.length}`,
    ),
  };
  const ask = async (body: "rows" | "columns" | "csv" | "open-inference") => {
    const client = {
      invokeEndpoint: async (input: (typeof taken)[number]) => {
        taken.push(input);
        return answers[body]!;
      },
    };
    const protocol = sageMaker({ client, endpoint: "late", body, targetVariant: "blue", sessionId: "s" });
    const answer = await createModelClient({ protocol, signature: one, ...once }).predict(
      { x: [[1, 2.5]] },
      { requestId: "r1" },
    );
    expect([...answer.outputs.y.data], body).toEqual([0.5]);
    expect(answer.evidence).toMatchObject({ requestId: "r1", variant: "blue" });
  };
  for (const body of ["rows", "columns", "csv", "open-inference"] as const) await ask(body);
  const common = { EndpointName: "late", InferenceId: "r1", TargetVariant: "blue", SessionId: "s" };
  const json = { ...common, ContentType: "application/json", Accept: "application/json" };
  expect(taken.slice(0, 3)).toEqual([
    { ...json, Body: '{"instances":[[1,2.5]]}' },
    { ...json, Body: '{"inputs":{"x":[[1,2.5]]}}' },
    { ...common, ContentType: "text/csv", Accept: "text/csv", Body: "1,2.5" },
  ]);
  const size = Number(/json-header-size=(\d+)$/.exec(taken[3]?.ContentType ?? "")?.[1]);
  const bytes = Buffer.from(taken[3]?.Body as Uint8Array);
  expect(JSON.parse(bytes.subarray(0, size).toString())).toMatchObject({ id: "r1", inputs: [{ datatype: "FP32" }] });
  expect(bytes.subarray(size)).toEqual(littleEndian([1, 2.5]));
});
