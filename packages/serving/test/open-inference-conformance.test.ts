import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { echoed, openProtocolServer, type ProtocolServer } from "./protocol-server.ts";
import { expected } from "./models.ts";

const row = [0.5, -1, 2, 0.25];
const features = { name: "features", shape: [1, 4], datatype: "FP32", data: row };

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
  readonly bytes: Buffer;
}

async function ask(
  { server }: ProtocolServer,
  method: string,
  path: string,
  body?: object | string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Told> {
  const sent =
    body === undefined || typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  const answer = await server.handle(
    new Request(`http://localhost${path}`, {
      method,
      headers,
      ...(sent === undefined ? {} : { body: sent as string }),
    }),
  );
  const bytes = Buffer.from(await answer.arrayBuffer());
  const json = answer.headers.get("content-type") === "application/json" && !answer.headers.has("content-encoding");
  return {
    status: answer.status,
    headers: answer.headers,
    bytes,
    body: json ? (JSON.parse(String(bytes)) as unknown) : undefined,
  };
}

const errorObject = (code: string) => ({
  error: expect.any(String),
  code,
  category: expect.any(String),
  retryable: expect.any(Boolean),
  docs: `docs/errors.md#${code.toLowerCase()}`,
});

test("SV-3: every endpoint of the protocol answers with the object it names", async () => {
  await using served = await openProtocolServer();
  const get = async (path: string): Promise<unknown> => {
    const { status, body } = await ask(served, "GET", path);
    expect(status, path).toBe(200);
    return body;
  };
  expect(await get("/v2")).toEqual({
    name: "millwright",
    version: "1",
    extensions: ["binary_tensor_data", "model_configuration", "statistics", "model_repository"],
  });
  expect(await get("/v2/")).toEqual(await get("/v2"));
  expect(await get("/v2/health/live")).toEqual({ live: true });
  expect(await get("/v2/health/ready")).toEqual({ ready: true });
  const metadata = {
    versions: ["2", "1"],
    platform: "millwright_dense",
    inputs: [{ name: "features", datatype: "FP32", shape: [-1, 4] }],
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  };
  for (const path of ["/v2/models/late", "/v2/models/late/versions/1", "/v2/models/late/versions/2"]) {
    expect(await get(path)).toEqual({ name: "late", ...metadata });
    expect(await get(`${path}/ready`)).toEqual({ name: "late", ready: true });
  }
  // Of a catalog, by the name, with its slash encoded or as clients leave it.
  for (const path of [
    "/v2/models/late%2F1",
    "/v2/models/late%2F1/ready",
    "/v2/models/late/1",
    "/v2/models/late/1/ready",
  ])
    expect(await get(path)).toMatchObject({ name: "late/1" });

  for (const [path, version] of [
    ["/v2/models/late", 2],
    ["/v2/models/late/versions/1", 1],
    ["/v2/models/late%2F1", 1],
    ["/v2/models/late/1", 1],
  ] as const) {
    const { status, body } = await ask(served, "POST", `${path}/infer`, { id: "42", inputs: [features] });
    expect(status).toBe(200);
    expect(body).toEqual({
      model_name: /(%2F|\/)1$/.test(path) && !path.includes("versions") ? "late/1" : "late",
      model_version: String(version),
      id: "42",
      parameters: { request_id: "42", variant: expect.any(String), model_digest: expect.stringMatching(/^sha256:/) },
      outputs: [
        { name: "probability", datatype: "FP32", shape: [1, 1], data: [expect.closeTo(expected(version, row), 6)] },
      ],
    });
  }
});

test("SV-3: the repository lists, loads and unloads the models of a catalog", async () => {
  await using served = await openProtocolServer();
  const post = (path: string, body?: object | string): Promise<Told> =>
    ask(served, "POST", `/v2/repository${path}`, body);
  const names = async (body?: object | string): Promise<readonly unknown[]> =>
    ((await post("/index", body)).body as Record<string, string>[]).map(({ name, version, state }) => [
      name,
      version,
      state,
    ]);
  const all = [
    ["late", "2", "READY"],
    ["late", "1", "READY"],
    ["echo", "1", "READY"],
    ["halves", "1", "READY"],
    ["slow", "1", "READY"],
    ["broken", "1", "READY"],
  ];
  // Triton's client sends no JSON but two quotes where nothing is asked.
  for (const body of [undefined, '""', {}, { ready: true }]) expect(await names(body)).toEqual(all);
  for (const path of ["late%2F2", "late/2"]) {
    expect(await post(`/models/${path}/load`)).toMatchObject({ status: 200, body: { name: "late/2", load: true } });
    expect(await names()).toEqual([...all, ["late/2", "2", "READY"]]);
    expect(await post(`/models/${path}/unload`, { parameters: { unload_dependents: false } })).toMatchObject({
      status: 200,
      body: { name: "late/2", unload: true },
    });
    expect(await names()).toEqual(all);
  }
  expect(await post("/models/late%2F2/unload")).toMatchObject({
    status: 404,
    body: errorObject("SERVING_MODEL_NOT_LOADED"),
  });
  expect(await post("/models/late/load")).toMatchObject({ status: 400, body: errorObject("SERVING_REQUEST_INVALID") });
  expect(await post("/models/nobody%2F1/load")).toMatchObject({ status: 404, body: errorObject("PORT_MODEL_UNKNOWN") });
  expect(await post("/index", "[]x")).toMatchObject({ status: 400, body: errorObject("SERVING_BODY_INVALID") });
});

test("SV-3: every failure is an object with `error`, and the status the protocol has for it", async () => {
  await using served = await openProtocolServer();
  const infer = (path: string, body: object | string, headers?: Record<string, string>): Promise<Told> =>
    ask(served, "POST", `/v2/models/${path}/infer`, body, headers);
  const x = { name: "x", datatype: "FP32", shape: [1, 1], data: [1] };
  const cases: readonly (readonly [Promise<Told>, number, string])[] = [
    [ask(served, "GET", "/v2/nothing"), 404, "SERVING_ROUTE_UNKNOWN"],
    [ask(served, "PUT", "/v2/models/late"), 405, "SERVING_METHOD_UNSUPPORTED"],
    [ask(served, "GET", "/v2/models/early"), 404, "PORT_MODEL_UNKNOWN"],
    [ask(served, "GET", "/v2/models/early/ready"), 404, "PORT_MODEL_UNKNOWN"],
    [ask(served, "GET", "/v2/models/late/versions/9"), 404, "SERVING_VERSION_UNKNOWN"],
    [infer("late/versions/9", { inputs: [features] }), 404, "SERVING_VERSION_UNKNOWN"],
    [infer("late", "{"), 400, "SERVING_BODY_INVALID"],
    [infer("late", { inputs: 7 }), 400, "SERVING_BODY_INVALID"],
    [infer("late", { inputs: [{ ...features, datatype: "FP8" }] }), 400, "SERVING_INPUT_INVALID"],
    [infer("late", { inputs: [{ ...features, datatype: "BF16" }] }), 400, "SERVING_INPUT_INVALID"],
    [infer("late", { inputs: [features], outputs: [{ name: "nothing" }] }), 400, "SERVING_OUTPUT_UNKNOWN"],
    [infer("late", "{}", { "inference-header-content-length": "9" }), 400, "SERVING_BODY_INVALID"],
    [infer("late", "{}", { "content-encoding": "zstd" }), 415, "SERVING_CONTENT_TYPE_UNSUPPORTED"],
    [infer("broken", { inputs: [x] }), 500, "SERVING_MODEL_FAILED"],
    [infer("slow", { inputs: [x], parameters: { timeout: 20_000 } }), 504, "SERVING_DEADLINE_EXCEEDED"],
  ];
  for (const [asked, status, code] of cases) {
    const answer = await asked;
    expect([answer.status, answer.headers.get("content-type")], code).toEqual([status, "application/json"]);
    expect(answer.body).toMatchObject(errorObject(code));
  }
  await served.server.drain();
  expect(await ask(served, "GET", "/v2/health/ready")).toMatchObject({ status: 503, body: { ready: false } });
  expect(await ask(served, "GET", "/v2/models/late/ready")).toMatchObject({
    status: 503,
    body: { name: "late", ready: false },
  });
  const refused = await infer("late", { inputs: [features] });
  expect(refused).toMatchObject({ status: 503, body: errorObject("SERVING_DRAINING") });
  expect(refused.headers.get("retry-after")).toBe("1");
});

const digits: Readonly<Record<string, string>> = {
  string: '["ü€😀", "9007199254740993 \\" 123456789012345678"]',
  int64: "[9223372036854775807, -9007199254740993]",
  uint64: "[18446744073709551615, 0]",
  float64: "[0.1, 12345678901234567890.5]",
};
const values: Readonly<Record<string, string>> = {
  int32: "[-2147483648,2147483647]",
  uint32: "[4294967295,0]",
  int16: "[-32768,32767]",
  uint16: "[65535,0]",
  int8: "[-128,127]",
  uint8: "[255,0]",
  float32: "[0.5,-0]",
  bool: "[true,false]",
  ...digits,
};
const datatypeOf = (name: string): string =>
  ({ string: "BYTES", float32: "FP32", float64: "FP64" })[name] ?? name.toUpperCase();

test("SV-3: int64, BYTES and every other element type come back in JSON with all their digits", async () => {
  await using served = await openProtocolServer();
  const inputs = echoed.map(
    ({ name }) => `{"name":"${name}","datatype":"${datatypeOf(name)}","shape":[1,2],"data":${values[name]}}`,
  );
  const { status, bytes } = await ask(served, "POST", "/v2/models/echo/infer", `{"inputs":[${inputs.join(",")}]}`);
  expect(status).toBe(200);
  const text = String(bytes);
  for (const { name } of echoed) {
    const shown = name === "float64" ? "[0.1,12345678901234567000]" : (values[name] ?? "").replaceAll(", ", ",");
    expect(text).toContain(`{"name":"${name}","datatype":"${datatypeOf(name)}","shape":[1,2],"data":${shown}}`);
  }
});

test("SV-3: FP16 and BF16 come back bit by bit as binary data, all 65,536 of them but the payloads of NaN", async () => {
  await using served = await openProtocolServer();
  for (const [datatype, exponent] of [
    ["FP16", 0x7c00],
    ["BF16", 0x7f80],
  ] as const) {
    const every = Uint16Array.from({ length: 65_536 }, (_, at) => at);
    const data = Buffer.from(every.buffer);
    const header = JSON.stringify({
      parameters: { output_datatype: datatype },
      inputs: [{ name: "x", datatype, shape: [1, 65_536], parameters: { binary_data_size: data.length } }],
    });
    const answer = await ask(served, "POST", "/v2/models/halves/infer", Buffer.concat([Buffer.from(header), data]), {
      "inference-header-content-length": String(header.length),
    });
    expect(answer.status).toBe(200);
    const length = Number(answer.headers.get("inference-header-content-length"));
    expect(JSON.parse(String(answer.bytes.subarray(0, length)))).toMatchObject({
      outputs: [{ name: "x", datatype, shape: [1, 65_536], parameters: { binary_data_size: data.length } }],
    });
    const got = new Uint16Array(new Uint8Array(answer.bytes.subarray(length)).buffer);
    const isNan = (bits: number): boolean => (bits & exponent) === exponent && (bits & ~exponent & 0x7fff) !== 0;
    let wrong = 0;
    for (const bits of every) if (isNan(bits) ? !isNan(got[bits] ?? 0) : got[bits] !== bits) wrong += 1;
    expect(wrong, datatype).toBe(0);
  }
  // Ties go to the even neighbour, what is beyond the largest to infinity: IEEE 754, 4.3.1.
  const numbers = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_519.99, 65_520, 2 ** -25, 2 ** -25 * 1.001, -0];
  const data = Buffer.from(Float32Array.from(numbers).buffer);
  const header = JSON.stringify({
    inputs: [
      { name: "x", datatype: "FP32", shape: [1, numbers.length], parameters: { binary_data_size: data.length } },
    ],
    outputs: [{ name: "x", parameters: { output_datatype: "FP16" } }],
  });
  const { bytes } = await ask(served, "POST", "/v2/models/halves/infer", Buffer.concat([Buffer.from(header), data]), {
    "inference-header-content-length": String(header.length),
  });
  const got = bytes.subarray(bytes.length - numbers.length * 2);
  expect(numbers.map((_, at) => got.readUInt16LE(at * 2))).toEqual([0x3c00, 0x3c02, 0x7bff, 0x7c00, 0, 1, 0x8000]);
});

test("gzip is read, and written where it is taken; the length of the header is that before compression", async () => {
  await using served = await openProtocolServer();
  const data = Array.from({ length: 4096 }, (_, at) => at);
  const body = JSON.stringify({
    parameters: { binary_data_output: true },
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 4096], data }],
  });
  const send = (accept: string): Promise<Told> =>
    ask(served, "POST", "/v2/models/halves/infer", gzipSync(body), {
      "content-encoding": "gzip",
      "accept-encoding": accept,
    });
  const compressed = await send("gzip, deflate");
  expect(compressed.headers.get("content-encoding")).toBe("gzip");
  const plain = await send("gzip;q=0, br");
  expect(plain.headers.get("content-encoding")).toBeNull();
  const length = Number(compressed.headers.get("inference-header-content-length"));
  const whole = gunzipSync(compressed.bytes);
  expect(whole.length).toBe(length + 4096 * 4);
  expect(whole.subarray(length).equals(plain.bytes.subarray(plain.bytes.length - 4096 * 4))).toBe(true);
  expect(compressed.bytes.length).toBeLessThan(whole.length);
});
