import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as grpc from "@grpc/grpc-js";
import fastify from "fastify";
import { expect, test } from "vitest";
import { listenGrpc } from "../src/grpc.ts";
import { listen } from "../src/index.ts";
import { expected } from "./models.ts";
import { openProtocolServer } from "./protocol-server.ts";

const rows = [
  [0.5, -1, 2, 0.25],
  [1, 1, 1, 1],
];
/** Rows of one output by a version of the model. */
const answersOf = (version: number): unknown => rows.map((row) => [expect.closeTo(expected(version, row), 6)]);

/** What a Python script of the fixtures prints, of a server that answers over HTTP and gRPC. */
async function saidBy(python: string, script: string): Promise<Readonly<Record<string, unknown>>> {
  await using served = await openProtocolServer();
  const app = fastify();
  // As KServe's own server has it, beside the routes: an application's root is its own.
  app.get("/", () => ({ status: "alive" }));
  await app.register(served.server.fastify);
  const url = await listen(app, { port: 0 });
  await using listener = await listenGrpc(served.server, { grpc, port: 0 });
  try {
    const path = fileURLToPath(new URL(`./fixtures/${script}`, import.meta.url));
    const env = { ...process.env, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: "python" };
    const { stdout } = await promisify(execFile)(python, [path, url, listener.address], { env });
    return JSON.parse(stdout) as Record<string, unknown>;
  } finally {
    await app.close();
  }
}

const kserve = process.env["MILLWRIGHT_KSERVE_PYTHON"] ?? "python3";
const hasKserve = spawnSync(kserve, ["-c", "from kserve import InferenceRESTClient"]).status === 0;

test(
  "SV-3: KServe's own clients read and ask the server: REST in both versions, JSON and binary, gRPC, models whose names have slashes",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (process.env["CI"] !== "true")
      skip(
        !hasKserve,
        `${kserve} cannot import kserve: pip install kserve, and name that Python in MILLWRIGHT_KSERVE_PYTHON`,
      );
    const said = await saidBy(kserve, "kserve_client.py");
    const predictions = [{ predictions: answersOf(2) }, { predictions: answersOf(1) }];
    expect(said["v1"]).toEqual({
      live: true,
      ready: [true, true],
      rows: predictions,
      columns: [{ outputs: answersOf(2) }, { outputs: answersOf(1) }],
      refusals: [
        [404, true],
        [404, true],
        [400, true],
      ],
    });
    const answers = [
      { model: "late", id: "r1", rows: answersOf(2) },
      { model: "late/1", id: "r1", rows: answersOf(1) },
    ];
    const alive = { live: true, ready: true, binary: answers, json: answers };
    expect(said["v2"]).toEqual({ ...alive, models: [true, true, false], refusals: [[404, true]] });
    expect(said["grpc"]).toEqual({
      ...alive,
      models: [true, true],
      refusals: [
        ["NOT_FOUND", true],
        ["NOT_FOUND", true],
      ],
    });
  },
);

const tensorflow = process.env["MILLWRIGHT_TENSORFLOW_SERVING_PYTHON"] ?? "python3";
const hasTensorflow =
  spawnSync(tensorflow, ["-c", "from tensorflow_serving.apis import get_model_status_pb2"], {
    env: { ...process.env, PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION: "python" },
  }).status === 0;

test(
  "TensorFlow Serving's REST API is answered as its messages and documentation have it",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (process.env["CI"] !== "true")
      skip(
        !hasTensorflow,
        `${tensorflow} cannot import tensorflow_serving: pip install --no-deps min-tfs-client, "protobuf<4", and name that Python in MILLWRIGHT_TENSORFLOW_SERVING_PYTHON`,
      );
    const said = await saidBy(tensorflow, "tensorflow_client.py");
    expect(said["status"]).toEqual({
      late: [
        [2, "AVAILABLE", 0],
        [1, "AVAILABLE", 0],
      ],
      "late/versions/1": [[1, "AVAILABLE", 0]],
      "late/labels/old": [[1, "AVAILABLE", 0]],
      "late/1": [[1, "AVAILABLE", 0]],
    });
    const late = {
      signatures: ["serving_default"],
      method: "tensorflow/serving/predict",
      inputs: { features: ["DT_FLOAT", [-1, 4]] },
      outputs: { probability: ["DT_FLOAT", [-1, 1]] },
    };
    expect(said["metadata"]).toMatchObject({
      late: { ...late, name: "late", version: 2 },
      "late/1": { ...late, name: "late/1", version: 1 },
      echo: {
        inputs: {
          string: ["DT_STRING", [-1, 2]],
          int64: ["DT_INT64", [-1, 2]],
          uint8: ["DT_UINT8", [-1, 2]],
          float64: ["DT_DOUBLE", [-1, 2]],
          bool: ["DT_BOOL", [-1, 2]],
        },
      },
    });
    const predictions = (version: number): unknown => [200, { predictions: answersOf(version) }];
    expect(said["rows"]).toEqual({
      late: predictions(2),
      "late/versions/1": predictions(1),
      "late/labels/old": predictions(1),
      "late/1": predictions(1),
    });
    expect(said["named"]).toEqual(predictions(2));
    expect(said["columns"]).toEqual([200, { outputs: answersOf(2) }]);
    expect(said["regress"]).toEqual([200, { results: rows.map((row) => expect.closeTo(expected(2, row), 6)) }]);
    expect(said["classify"]).toEqual([
      200,
      {
        results: [
          [
            ["0", 0.25],
            ["1", 0.75],
          ],
        ],
      },
    ]);
    expect(said["echo"]).toMatchObject([
      200,
      { predictions: [{ string: ["ä", "plain"], int64: [1, -2], float32: [0.5, null], float64: [0.1, null] }] },
    ]);
    expect(said["refusals"]).toEqual([
      [404, "error"],
      [404, "error"],
      [400, "error"],
      [400, "error"],
    ]);
  },
);
