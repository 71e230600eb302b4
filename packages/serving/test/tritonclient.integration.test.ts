import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as grpc from "@grpc/grpc-js";
import fastify from "fastify";
import { expect, test } from "vitest";
import { listenGrpc } from "../src/grpc.ts";
import { listen } from "../src/index.ts";
import { expected } from "./models.ts";
import { echoed, openProtocolServer } from "./protocol-server.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
/** Triton's name of an element type that is called by ours. */
const configType = (dtype: string): string => `TYPE_${dtype.toUpperCase().replace("FLOAT", "FP")}`;

const found = spawnSync(python, ["-c", "import tritonclient.http, tritonclient.grpc, numpy"]).status === 0;

test(
  "SV-3: Triton's own clients read and ask the server over HTTP and gRPC: health, metadata, JSON, binary, compressed, every kind of element, streams, the repository",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (!found && process.env["CI"] !== "true") {
      skip(
        `${python} cannot import tritonclient: pip install "tritonclient[all]" numpy, and name that Python in MILLWRIGHT_PYTHON`,
      );
    }
    await using served = await openProtocolServer();
    const app = fastify();
    await app.register(served.server.fastify);
    const { host } = new URL(await listen(app, { port: 0 }));
    await using listener = await listenGrpc(served.server, { grpc, port: 0 });
    try {
      const script = fileURLToPath(new URL("./fixtures/triton_client.py", import.meta.url));
      const { stdout } = await promisify(execFile)(python, [script, host, listener.address]);
      const said = JSON.parse(stdout) as Record<string, unknown>;
      const rows = [
        [0.5, -1, 2, 0.25],
        [1, 1, 1, 1],
      ];
      const answersOf = (version: number): unknown => rows.map((row) => [expect.closeTo(expected(version, row), 6)]);
      expect(said).toMatchObject({
        live: true,
        ready: true,
        model_ready: true,
        version_ready: true,
        unknown_ready: false,
      });
      expect(said["server"]).toMatchObject({
        name: "millwright",
        extensions: ["binary_tensor_data", "model_configuration", "statistics", "model_repository"],
      });
      const model = { name: "late", inputs: [{ name: "features", datatype: "FP32" }] };
      expect(said["model"]).toMatchObject({ ...model, inputs: [{ ...model.inputs[0], shape: [-1, 4] }] });
      for (const kind of ["binary", "json", "mixed", "gzip", "deflate"]) expect(said[kind], kind).toEqual(answersOf(2));
      expect(said["binary_id"]).toBe("binary");
      for (const { name } of echoed) expect([said[`${name}_binary`], said[`${name}_json`]], name).toEqual([true, true]);
      expect(said["error"]).toEqual(["400", expect.stringContaining('The input "features" does not fit')]);
      expect(said["gzip_answer"]).toBe(true);
      expect(said["fp16"]).toEqual(["float16", true]);
      expect(said["index"]).toContain("late/1 READY");
      expect(said["of_catalog"]).toEqual(answersOf(1));
      expect(said["catalog_model"]).toEqual([true, "late/1"]);
      expect(said["unloaded"]).not.toContain("late/1");
      const config = {
        name: "late",
        platform: "millwright_dense",
        backend: "millwright",
        max_batch_size: 256,
        input: [{ name: "features", data_type: "TYPE_FP32", dims: [4] }],
        output: [{ name: "probability", data_type: "TYPE_FP32", dims: [1] }],
      };
      expect(said["config"]).toMatchObject({ ...config, version_policy: { specific: { versions: [2, 1] } } });
      expect(said["echo_config"]).toMatchObject({
        input: echoed.map(({ name }) => ({ name, data_type: configType(name), dims: [2] })),
      });
      // Binary, JSON, mixed, gzip and deflate, of two rows each; and one of a wrong shape.
      const duration = (count: number) => ({ count, ns: expect.any(Number) });
      expect(said["stats"]).toEqual([
        {
          name: "late",
          version: "2",
          last_inference: expect.closeTo(Date.now(), -6),
          inference_count: 10,
          execution_count: 5,
          inference_stats: {
            success: duration(5),
            fail: duration(1),
            queue: duration(5),
            compute_input: duration(5),
            compute_infer: duration(5),
            compute_output: duration(5),
          },
          batch_stats: [{ batch_size: 2, compute_infer: duration(5) }],
        },
      ]);
      expect(said["all_stats"]).toEqual(["broken", "echo", "halves", "late", "slow"]);

      const told = said["grpc"] as Record<string, unknown>;
      expect(told).toMatchObject({ live: true, ready: true, model_ready: true, id: "g1", fp16: true });
      expect(told["server"]).toMatchObject({
        name: "millwright",
        extensions: ["binary_tensor_data", "model_configuration", "statistics", "model_repository"],
      });
      expect(told["model"]).toMatchObject({ ...model, inputs: [{ ...model.inputs[0], shape: ["-1", "4"] }] });
      expect(told["infer"]).toEqual(answersOf(2));
      for (const { name } of echoed) expect(told[name], name).toBe(true);
      expect(told["index"]).toContain("late/1");
      expect(told["of_catalog"]).toEqual(answersOf(1));
      expect(told["error"]).toEqual([expect.stringContaining("NOT_FOUND"), expect.stringContaining("early")]);
      // 64-bit integers are texts in the JSON of protocol buffers.
      expect(told["config"]).toMatchObject({
        ...config,
        version_policy: { specific: { versions: ["2", "1"] } },
        input: [{ ...config.input[0], dims: ["4"] }],
        output: [{ ...config.output[0], dims: ["1"] }],
      });
      expect(told["echo_config"]).toMatchObject({
        input: echoed.map(({ name }) => ({ name, data_type: configType(name), dims: ["2"] })),
      });
      expect(told["stats"]).toMatchObject([
        { inference_count: "12", execution_count: "6", batch_stats: [{ batch_size: "2" }] },
      ]);
      expect(told["all_stats"]).toEqual(said["all_stats"]);
      expect(told["stream"]).toEqual(["0", "1", "2", "3", "4"]);
    } finally {
      await app.close();
    }
  },
);
