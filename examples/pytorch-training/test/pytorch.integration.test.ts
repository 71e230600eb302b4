import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openJobs } from "@millwright/jobs";
import { openDirectoryModelSource } from "@millwright/model";
import { onnxRuntime, type OnnxLibrary } from "@millwright/model/onnx";
import { openModelServer } from "@millwright/serving";
import { expect, test } from "vitest";
import { writeMoons } from "../src/moons.ts";
import { type Trained, trainWithPyTorch } from "../src/train.ts";

const python = process.env["MILLWRIGHT_TORCH_PYTHON"] ?? "python3";
const hasTorch = spawnSync(python, ["-c", "import torch"]).status === 0;
const runtimeFolder = process.env["MILLWRIGHT_ONNXRUNTIME"];
const noTorch = `${python} cannot import torch: name a Python that can in MILLWRIGHT_TORCH_PYTHON`;
const noRuntime = "onnxruntime-node is looked for in the folder that MILLWRIGHT_ONNXRUNTIME names";

test(
  "a PyTorch script trains as a supervised job, is interrupted and goes on, and a model server answers with the ONNX model that it leaves",
  { timeout: 300_000 },
  async ({ skip }) => {
    skip(!hasTorch && process.env["CI"] !== "true", noTorch);
    skip(runtimeFolder === undefined && process.env["CI"] !== "true", noRuntime);
    const library = createRequire(join(resolve(runtimeFolder ?? "."), "package.json"))(
      "onnxruntime-node",
    ) as OnnxLibrary;
    const root = await mkdtemp(join(tmpdir(), "millwright-pytorch-"));
    try {
      const channels = await writeMoons(join(root, "data"));
      const lines: string[] = [];
      /** Trains in a launcher of its own, which is closed when the script says that epoch. */
      const trainUntil = async (epoch: number): Promise<Trained> => {
        const jobs = await openJobs({ directory: join(root, "jobs") });
        let closing: Promise<void> | undefined;
        const close = (): Promise<void> => (closing ??= jobs[Symbol.asyncDispose]());
        try {
          return await trainWithPyTorch(jobs, {
            python,
            directory: join(root, "training"),
            packageDirectory: join(root, "models", "moons", "1"),
            channels,
            hyperparameters: { epochs: 12, "learning-rate": 0.02 },
            onEvent(event) {
              if (event.kind !== "log") return;
              lines.push(event.line);
              if (event.line.startsWith(`epoch=${epoch} `)) void close();
            },
          });
        } finally {
          await close();
        }
      };
      await expect(trainUntil(5)).rejects.toThrow(/Call it again/);
      const { metrics, model, attempts } = await trainUntil(13);
      expect(attempts).toBe(2);
      expect(lines.some((line) => /^goes on with epoch [5-9]$/.test(line))).toBe(true);
      expect(metrics["validation:accuracy"]!.at(-1)).toMatchObject({ epoch: 12 });
      expect(metrics["validation:accuracy"]!.at(-1)!.value).toBeGreaterThan(0.97);
      expect(model.manifest.provenance.environment["producer"]).toContain("pytorch");

      // Loading asks the golden request, whose answers are PyTorch's own.
      await using server = await openModelServer({
        source: openDirectoryModelSource(join(root, "models")),
        runtimes: [onnxRuntime(library)],
        endpoints: { moons: { variants: { main: { model: "moons/1", weight: 1 } } } },
      });
      const body = JSON.stringify({ instances: [[0, 1], [1, -0.5]] }); // oxfmt-ignore
      const response = await server.handle(
        new Request("http://localhost/endpoints/moons/predict", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
        }),
      );
      expect(response.status).toBe(200);
      const { predictions } = (await response.json()) as { readonly predictions: readonly unknown[] };
      const [upper, lower] = predictions.flat(2) as number[];
      expect(upper).toBeLessThan(0.05);
      expect(lower).toBeGreaterThan(0.95);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
);
