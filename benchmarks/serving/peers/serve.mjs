// Servers in Node around one model, one kind a process: serve.mjs KIND FOLDER PORT [MODEL of ONNX]
import { createRequire } from "node:module";
import { join } from "node:path";
import fastify from "../../../packages/serving/node_modules/fastify/fastify.js";
import { denseRuntime, loadModel, openDirectoryModelSource } from "../../../packages/model/dist/index.js";
import { onnxRuntime } from "../../../packages/model/dist/onnx.js";
import { openMonitor } from "../../../packages/monitor/dist/index.js";
import { openArrowCapture } from "../../../packages/monitor/dist/drivers/arrow.js";
import { openNdjsonCapture } from "../../../packages/monitor/dist/drivers/ndjson.js";
import { listen, openModelServer } from "../../../packages/serving/dist/index.js";

const [kind, folder, port, onnxModel = "onnx/1"] = process.argv.slice(2);
const source = openDirectoryModelSource(folder);
const app = fastify();

/** Calls of the session, and their rows. */
const asked = { calls: 0, rows: 0 };
app.get("/asked", async () => asked);

async function onnx() {
  const require = createRequire(join(process.env.MILLWRIGHT_ONNXRUNTIME, "package.json"));
  const runtime = onnxRuntime(require("onnxruntime-node"));
  return {
    formats: runtime.formats,
    async load(...given) {
      const model = await runtime.load(...given);
      const predict = (inputs, options) => {
        asked.calls += 1;
        asked.rows += inputs.features.shape[0];
        return model.predict(inputs, options);
      };
      return { ...model, predict };
    },
  };
}

/** Every request profiled and written down, features and outputs. */
async function monitored(openCapture) {
  const capture = await openCapture({ directory: join(folder, "..", `captured-${port}`) });
  await serve([denseRuntime()], "dense/1", { predictions: openMonitor({ capture, evaluateEveryMs: 1000 }) });
}

async function serve(runtimes, model, options = {}) {
  const endpoints = { mlp: { variants: { main: { model, weight: 1 } } } };
  const server = await openModelServer({ source, runtimes, endpoints, ...options });
  await app.register(server.fastify);
}

const kinds = {
  // The limit: no model, no check.
  fastify: async () => void app.post("/invocations", async () => ({ predictions: [[0.5]] })),
  ours: () => serve([denseRuntime()], "dense/1"),
  "ours-monitored": () => monitored(openArrowCapture),
  "ours-monitored-ndjson": () => monitored(openNdjsonCapture),
  "ours-onnx": async () => serve([await onnx()], onnxModel),
  // Every request a call of its own, as the simplest examples of the peers do.
  "onnx-unbatched": async () => {
    const model = await loadModel(await source.resolve(onnxModel), [await onnx()]);
    const { inputs, outputs } = model.manifest.signature;
    const width = inputs[0].shape[1];
    const units = outputs[0].shape[1];
    app.post("/invocations", async ({ body }) => {
      const rows = body.instances;
      const features = { dtype: "float32", shape: [rows.length, width], data: Float32Array.from(rows.flat()) };
      const { probability } = await model.predict({ features });
      const { data } = probability;
      return { predictions: rows.map((_, row) => Array.from(data.subarray(row * units, (row + 1) * units))) };
    });
  },
};

await kinds[kind]();
await listen(app, { port: Number(port) });
process.once("SIGINT", () => process.exit(0));
