import { expect, test } from "vitest";
import type { ModelSignature, Tensor } from "@millwright/contracts";
import { createModelClient, openInference, sageMaker } from "../src/clients.ts";
import { openFakeServer } from "./fake-server.ts";

const one = {
  inputs: [{ name: "x", dtype: "float32", shape: [-1, 2] }],
  outputs: [{ name: "y", dtype: "float64", shape: [-1, 1] }],
} as const;
const signature = {
  inputs: [...one.inputs, { name: "name", dtype: "string", shape: [-1] }],
  outputs: one.outputs,
} as const;

const x = { dtype: "float32", shape: [2, 2], data: Float32Array.of(0.5, -1, 2, 0.1) } as const;
const inputs = { x, name: ["a", "é"] };
const once = { retries: false } as const;
const retried = { retries: { attempts: 2, firstDelayMs: 0 } } as const;
const jsonBody = (value: unknown): { readonly body: string } => ({ body: JSON.stringify(value) });

test("errors tell the mend: by status, by what Millwright says of itself, by what SageMaker hands on", async () => {
  let answer: { status: number; headers?: Record<string, string>; body: string } = { status: 500, body: "" };
  await using server = await openFakeServer(() => answer);
  const client = createModelClient({
    protocol: openInference({ url: server.url, model: "late", encoding: "json" }),
    signature: one,
    ...once,
  });
  const thrown = async (status: number, body: string, headers: Record<string, string> = {}): Promise<unknown> => {
    answer = { status, body, headers };
    return client.predict({ x: [[1, 2]] }).catch((error: unknown) => error);
  };
  const code = (name: string, rest: object = {}): unknown =>
    expect.objectContaining({ code: `SERVING_CLIENT_${name}`, ...rest });
  expect(await thrown(400, '{"error":"the input is odd"}')).toEqual(
    code("REFUSED", {
      retryable: false,
      message: expect.stringMatching(/^late at http:.* answered 400: the input is odd\. Mend/),
    }),
  );
  expect(await thrown(401, "no")).toEqual(code("ACCESS_DENIED"));
  expect(await thrown(404, "{}")).toEqual(code("MODEL_UNKNOWN"));
  expect(await thrown(429, "", { "retry-after": "2" })).toEqual(code("BUSY", { retryable: true, retryAfterMs: 2000 }));
  const date = { date: "Tue, 01 Sep 2026 10:00:00 GMT", "retry-after": "Tue, 01 Sep 2026 10:00:03 GMT" };
  expect(await thrown(503, "", date)).toEqual(code("BUSY", { retryAfterMs: 3000 }));
  expect(await thrown(503, "")).toEqual(code("SERVER_FAILED", { retryable: true }));
  expect(await thrown(500, '{"detail":"boom"}')).toEqual(code("SERVER_FAILED", { retryable: false }));
  const own = { error: "The queue is full.", code: "SERVING_OVERLOADED", retryable: false };
  expect(await thrown(503, JSON.stringify(own))).toEqual(
    code("SERVER_FAILED", { retryable: false, message: expect.stringContaining("SERVING_OVERLOADED") }),
  );
  expect(await thrown(200, "not json")).toEqual(code("ANSWER_INVALID"));
  expect(await thrown(200, '{"outputs":[]}')).toEqual(code("ANSWER_INVALID"));
  const wrong = { name: "y", datatype: "FP32", shape: [1, 1], data: [1] };
  expect(await thrown(200, JSON.stringify({ outputs: [wrong] }))).toEqual(
    code("ANSWER_INVALID", { message: expect.stringContaining('the output "y" is float32') }),
  );

  const failing = (error: object) =>
    createModelClient({
      protocol: sageMaker({
        client: { invokeEndpoint: () => Promise.reject(Object.assign(new TypeError("x"), error)) },
        endpoint: "late",
      }),
      signature: one,
      ...once,
    }).predict({ x: [[1, 2]] });
  const metadata = (httpStatusCode: number) => ({ $metadata: { httpStatusCode } });
  const model = { name: "ModelError", ...metadata(424) };
  await expect(failing({ ...model, OriginalStatusCode: 400, OriginalMessage: '{"error":"odd"}' })).rejects.toEqual(
    code("REFUSED", { message: expect.stringContaining("odd") }),
  );
  await expect(failing({ ...model, OriginalStatusCode: 503, OriginalMessage: "" })).rejects.toEqual(
    code("SERVER_FAILED", { retryable: true }),
  );
  await expect(failing({ name: "ThrottlingException", ...metadata(400) })).rejects.toEqual(
    code("BUSY", { retryable: true }),
  );
  await expect(failing({ name: "AccessDeniedException", ...metadata(403) })).rejects.toEqual(code("ACCESS_DENIED"));
  await expect(failing({ code: "ECONNREFUSED" })).rejects.toEqual(code("UNREACHABLE", { retryable: true }));
  await expect(failing({ code: "ECONNRESET" })).rejects.toEqual(code("CONNECTION_LOST", { retryable: true }));
});

test("no connection, a broken one and a certificate that is not trusted are told apart; what may pass is tried again over kept connections", async () => {
  await using server = await openFakeServer((_, index) =>
    index === 0
      ? { body: '{"outputs":[', broken: true }
      : jsonBody({ outputs: [{ name: "y", datatype: "FP64", shape: [1, 1], data: [1] }] }),
  );
  const clientOf = (url: string, retries: typeof retried.retries | false, fetch?: typeof globalThis.fetch) =>
    createModelClient({
      protocol: openInference({ url, model: "late", encoding: "json", fetch }),
      signature: one,
      retries,
    });
  const client = clientOf(server.url, retried.retries);
  const { evidence } = await client.predict({ x: [[1, 2]] });
  expect(evidence.attempts).toBe(2);
  for (let at = 0; at < 5; at += 1) await client.predict({ x: [[1, 2]] });
  expect(server.requests).toHaveLength(7);
  expect(server.connections()).toBeLessThanOrEqual(3);
  // The same id for each try of one request.
  const ids = server.requests.map(({ headers }) => headers["x-request-id"]);
  expect([ids[0] === ids[1], new Set(ids).size]).toEqual([true, 6]);

  const gone = await openFakeServer(() => ({}));
  await gone[Symbol.asyncDispose]();
  await expect(clientOf(gone.url, false).predict({ x: [[1, 2]] })).rejects.toMatchObject({
    code: "SERVING_CLIENT_UNREACHABLE",
    retryable: true,
  });
  let asked = 0;
  const untrusted = async (): Promise<Response> => {
    asked += 1;
    throw new TypeError("fetch failed", {
      cause: Object.assign(new TypeError("self-signed"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
    });
  };
  await expect(clientOf(server.url, retried.retries, untrusted).predict({ x: [[1, 2]] })).rejects.toMatchObject({
    code: "SERVING_CLIENT_UNREACHABLE",
    retryable: false,
  });
  expect(asked).toBe(1);
});

test("inputs are checked before anything is sent: names, types, shapes, sizes, ragged lists", async () => {
  let asked = 0;
  const fetch = async (): Promise<Response> => {
    asked += 1;
    return new Response();
  };
  const loose: ModelSignature = signature;
  const client = createModelClient({
    protocol: openInference({ url: "http://models", model: "late", fetch }),
    signature: loose,
  });
  const tensor = (data: Tensor["data"], shape: readonly number[], dtype = "float32"): Tensor =>
    ({ dtype, shape, data }) as Tensor;
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{ x }, /"name" does not fit: it is missing/],
    [{ ...inputs, z: [1] }, /"z" does not fit: the model has no such input/],
    [{ ...inputs, x: tensor(new Float64Array(2), [1, 2], "float64") }, /its type is float64/],
    [{ ...inputs, x: tensor(new Float64Array(2), [1, 2]) }, /no array of float32/],
    [{ ...inputs, x: tensor(new Float32Array(3), [1, 3]) }, /its shape is \[1, 3\]/],
    [{ ...inputs, x: tensor(new Float32Array(3), [2, 2]) }, /3 elements for the shape/],
    [{ ...inputs, x: [[1, 2], [3]] }, /1 items at \[1\], and 2 elsewhere/],
    [{ ...inputs, x: [1, 2] }, /its shape is \[2\]/],
    [{ ...inputs, x: [["1", "2"]] }, /its element 0 is "1"/],
    [{ ...inputs, name: [1] }, /its element 0 is 1/],
    [undefined, /no record/],
  ];
  for (const [given, problem] of wrong)
    await expect(client.predict(given as never), String(problem)).rejects.toMatchObject({
      code: "SERVING_INPUT_INVALID",
      message: expect.stringMatching(problem),
    });
  expect(asked).toBe(0);
});
