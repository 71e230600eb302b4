import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import fastify from "fastify";
import type { ModelRuntime, TensorSpec } from "@millwright/contracts";
import { openDirectoryModelSource, packModel } from "@millwright/model";
import { expect, test } from "vitest";
import { listen, openModelServer } from "@millwright/serving";
import { denseRuntime, expected, packFolder } from "./models.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import tritonclient.http, numpy"]).status === 0;

/** Answers what it was asked. */
const echo: ModelRuntime = {
  formats: ["echo"],
  load: async () => ({ memoryBytes: 0, predict: (inputs) => inputs, dispose: async () => {} }),
};
const echoed: readonly TensorSpec[] = [
  { name: "text", dtype: "string", shape: [-1, 2] },
  { name: "wide", dtype: "int64", shape: [-1, 1] },
  { name: "unsigned", dtype: "uint64", shape: [-1, 1] },
  { name: "double", dtype: "float64", shape: [-1, 1] },
  { name: "flag", dtype: "bool", shape: [-1, 1] },
  { name: "small", dtype: "int8", shape: [-1, 1] },
];

test(
  "Triton's own client reads and asks the server: health, metadata, JSON, binary, compressed, every kind of element",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (!found && process.env["CI"] !== "true") {
      skip(
        `${python} cannot import tritonclient.http: pip install "tritonclient[http]" numpy, and name that Python in MILLWRIGHT_PYTHON`,
      );
    }
    await using folder = await packFolder(1);
    const root = await mkdtemp(join(tmpdir(), "millwright-echo-"));
    await packModel(join(root, "echo", "1"), {
      name: "echo",
      format: "echo",
      files: { "echo.txt": new Uint8Array([1]) },
      signature: { inputs: echoed, outputs: echoed },
    });
    const other = openDirectoryModelSource(root);
    await using server = await openModelServer({
      source: {
        resolve: (ref, options) => (ref.startsWith("echo") ? other : folder.source).resolve(ref, options),
        watch: (ref, options) => (ref.startsWith("echo") ? other : folder.source).watch(ref, options),
      },
      runtimes: [denseRuntime(), echo],
      endpoints: {
        late: { variants: { main: { model: "late/1", weight: 1 } } },
        echo: { variants: { main: { model: "echo/1", weight: 1 } } },
      },
    });
    const app = fastify();
    await app.register(server.fastify);
    const { host } = new URL(await listen(app, { port: 0 }));
    try {
      const script = fileURLToPath(new URL("./fixtures/triton_client.py", import.meta.url));
      const { stdout } = await promisify(execFile)(python, [script, host]);
      const said = JSON.parse(stdout) as Record<string, unknown>;
      const answers = [
        [expect.closeTo(expected(1, [0.5, -1, 2, 0.25]), 6)],
        [expect.closeTo(expected(1, [1, 1, 1, 1]), 6)],
      ];
      expect(said).toMatchObject({
        live: true,
        ready: true,
        model_ready: true,
        version_ready: true,
        unknown_ready: false,
      });
      expect(said["server"]).toMatchObject({ name: "millwright", extensions: ["binary_tensor_data"] });
      expect(said["model"]).toMatchObject({
        name: "late",
        inputs: [{ name: "features", datatype: "FP32", shape: [-1, 4] }],
      });
      for (const kind of ["binary", "json", "mixed", "gzip", "deflate"]) expect(said[kind], kind).toEqual(answers);
      expect(said["binary_id"]).toBe("binary");
      for (const { name } of echoed) {
        expect([said[`${name}_binary`], said[`${name}_json`]], name).toEqual([true, true]);
      }
      expect(said["error"]).toEqual(["400", expect.stringContaining('The input "features" does not fit')]);
    } finally {
      await app.close();
      await rm(root, { recursive: true, force: true });
    }
  },
);
