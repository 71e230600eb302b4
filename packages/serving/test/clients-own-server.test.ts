import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SageMakerRuntime } from "@aws-sdk/client-sagemaker-runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ClientProtocol,
  createModelClient,
  kserveV1,
  millwrightServer,
  openInference,
  openModelClient,
  sageMaker,
  tensorFlowServing,
} from "../src/clients.ts";
import { expected } from "./models.ts";
import { type ProtocolServer, echoed, openProtocolServer } from "./protocol-server.ts";

const signature = {
  inputs: [{ name: "features", dtype: "float32", shape: [-1, 4] }],
  outputs: [{ name: "probability", dtype: "float32", shape: [-1, 1] }],
} as const;

let served: ProtocolServer;
let url = "";
let sockets: ReturnType<typeof createServer>;
let aws: SageMakerRuntime;

beforeAll(async () => {
  served = await openProtocolServer();
  sockets = createServer(served.server.node as never).listen(0, "127.0.0.1");
  await once(sockets, "listening");
  url = `http://127.0.0.1:${(sockets.address() as AddressInfo).port}`;
  aws = new SageMakerRuntime({
    endpoint: url,
    region: "eu-central-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
});

afterAll(async () => {
  aws.destroy();
  sockets.closeAllConnections();
  sockets.close();
  await served[Symbol.asyncDispose]();
});

/** Every way in which the server may be asked. */
const protocols = (model: string): Readonly<Record<string, ClientProtocol>> => ({
  millwright: millwrightServer({ url, endpoint: model }),
  "v2 JSON": openInference({ url, model, encoding: "json" }),
  "v2 by what it says": openInference({ url, model }),
  "v1 columns": tensorFlowServing({ url, model }),
  "v1 rows": tensorFlowServing({ url, model, form: "rows" }),
  kserve: kserveV1({ url, model }),
  "SageMaker, rows": sageMaker({ client: aws, endpoint: model }),
  "SageMaker, columns": sageMaker({ client: aws, endpoint: model, body: "columns" }),
  "SageMaker, CSV": sageMaker({ client: aws, endpoint: model, body: "csv" }),
});

test("SV-4: our own server answers the same in every protocol that it speaks, with AWS's own client too, and says who answered", async () => {
  const rows = [
    [0.5, -1, 2, 0.25],
    [0.1, 1e-7, -3, 4],
  ] as const;
  for (const [name, protocol] of Object.entries(protocols("late"))) {
    const client = createModelClient({ protocol, signature, retries: false });
    expect(await client.ready(), name).toBe(true);
    await client.check();
    const { outputs, evidence } = await client.predict(
      { features: rows },
      { requestId: `of ${name}`.replaceAll(/[ ,]+/g, "-") },
    );
    expect(outputs.probability.shape, name).toEqual([2, 1]);
    for (const [at, row] of rows.entries())
      expect(Math.abs((outputs.probability.data[at] ?? Number.NaN) - expected(2, row)), name).toBeLessThan(1e-6);
    expect(evidence, name).toMatchObject({ variant: "main", attempts: 1 });
    expect(evidence.requestId, name).toMatch(/^of-/);
    if (!name.startsWith("SageMaker"))
      expect(evidence, name).toMatchObject({ model: "late", version: "2", digest: expect.stringMatching(/^sha256:/) });
  }
});

test("SV-4: every element type survives the way there and back in bytes; a client reads the signature from the server", async () => {
  const client = await openModelClient({ protocol: millwrightServer({ url, endpoint: "echo" }), retries: false });
  expect(client.signature.inputs).toEqual(echoed);
  const values: Readonly<Record<string, readonly unknown[]>> = {
    string: ["é\0\n", ""],
    int64: [-(2n ** 63n), 2n ** 63n - 1n],
    uint64: [0n, 2n ** 64n - 1n],
    bool: [true, false],
    float32: [Math.fround(0.1), Number.NEGATIVE_INFINITY],
    float64: [0.1, -0],
  };
  const given = Object.fromEntries(echoed.map(({ name }) => [name, [values[name] ?? [1, 2]]]));
  const { outputs } = await client.predict(given as never);
  for (const { name, dtype } of echoed) {
    const told = Array.from(outputs[name]?.data as ArrayLike<unknown>, (value) =>
      dtype === "bool" ? value === 1 : value,
    );
    expect(told, name).toEqual(values[name] ?? [1, 2]);
  }
});

test("SV-4: what our server refuses comes back under its code; a signature that is not the server's is told by check", async () => {
  const client = (endpoint: string) =>
    createModelClient({ protocol: millwrightServer({ url, endpoint }), signature, retries: false });
  await expect(client("nowhere").predict({ features: [[1, 2, 3, 4]] })).rejects.toMatchObject({
    code: "SERVING_CLIENT_MODEL_UNKNOWN",
    message: expect.stringContaining("404 PORT_MODEL_UNKNOWN"),
  });
  await expect(client("broken").predict({ features: [[1, 2, 3, 4]] })).rejects.toMatchObject({
    code: expect.stringMatching(/^SERVING_CLIENT_(REFUSED|SERVER_FAILED)$/),
  });
  expect(await client("nowhere").ready()).toBe(false);
  await expect(client("echo").check()).rejects.toMatchObject({ code: "SERVING_CLIENT_SIGNATURE_INVALID" });
  await client("late").check();
  // The deadline is the server's too: it gives up by itself.
  const slow = createModelClient({
    protocol: millwrightServer({ url, endpoint: "slow" }),
    signature: {
      inputs: [{ name: "x", dtype: "float32", shape: [-1, -1] }],
      outputs: [{ name: "x", dtype: "float32", shape: [-1, -1] }],
    },
    retries: false,
    deadlineMs: 200,
  });
  await expect(slow.predict({ x: [[1]] })).rejects.toMatchObject({
    code: expect.stringMatching(/TIMED_OUT|SERVER_FAILED/),
  });
});
