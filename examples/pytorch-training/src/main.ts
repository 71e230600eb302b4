// node dist/main.js <python with torch> [folder], in a folder where `npm install --ignore-scripts onnxruntime-node` was run
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { openJobs } from "@millwright/jobs";
import { openDirectoryModelSource } from "@millwright/model";
import { onnxRuntime, type OnnxLibrary } from "@millwright/model/onnx";
import { openModelServer } from "@millwright/serving";
import { writeMoons } from "./moons.ts";
import { trainWithPyTorch } from "./train.ts";

const [python = "python3", folder = "moons"] = process.argv.slice(2);
const root = resolve(folder);
const library = createRequire(join(process.cwd(), "package.json"))("onnxruntime-node") as OnnxLibrary;

await using jobs = await openJobs({ directory: join(root, "jobs") });
const trained = await trainWithPyTorch(jobs, {
  python,
  directory: join(root, "training"),
  packageDirectory: join(root, "models", "moons", "1"),
  channels: await writeMoons(join(root, "data")),
  hyperparameters: { epochs: 20 },
  onEvent: (event) => event.kind === "log" && console.log(event.line),
});

await using server = await openModelServer({
  source: openDirectoryModelSource(join(root, "models")),
  runtimes: [onnxRuntime(library)],
  endpoints: { moons: { variants: { main: { model: "moons/1", weight: 1 } } } },
});
const { outputs, provenance } = await server.predict("moons", { instances: [[0, 1], [1, -0.5]] }); // oxfmt-ignore
console.log(trained.metrics["validation:accuracy"]?.at(-1), outputs["prediction"]?.data, provenance.model);
