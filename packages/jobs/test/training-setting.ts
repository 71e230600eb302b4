import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TrainingSpec } from "@millwright/jobs";
import { temporaryFolder } from "./setting.ts";

/** A command of Node that has `fs` and the root, `at`. */
export const node = (script: string): TrainingSpec["run"] => ({
  command: [
    process.execPath,
    "-e",
    `const fs = require("node:fs"); const at = process.env.SAGEMAKER_BASE_DIR; ${script}`,
  ],
});

/** A folder with two channels' data in it, and the spec of a job beside them. */
export async function openTrainingSetting(more: Partial<TrainingSpec> = {}) {
  const folder = await temporaryFolder();
  for (const channel of ["train", "test"]) {
    await mkdir(join(folder.path, channel));
    await writeFile(join(folder.path, channel, "rows.csv"), "0,1\n1,3\n2,5\n3,7\n");
  }
  const spec: TrainingSpec = {
    id: "line",
    run: node(`fs.writeFileSync(at + "/model/model.txt", "fitted")`),
    directory: join(folder.path, "ml"),
    hyperparameters: { epochs: 40, "learning-rate": 0.05, optimizer: "sgd" },
    channels: {
      train: { path: join(folder.path, "train"), contentType: "text/csv" },
      test: { path: join(folder.path, "test") },
    },
    ...more,
  };
  return { spec, folder, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
