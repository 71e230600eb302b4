import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const python = process.env["MILLWRIGHT_MLFLOW3_PYTHON"] ?? "python3";
const isFound = spawnSync(python, ["-c", "import mlflow"]).status === 0;
const isWanted = isFound || process.env["CI"] === "true";
const missing = `${python} has no mlflow: pip install mlflow-skinny, and name that Python in MILLWRIGHT_MLFLOW3_PYTHON`;

test(
  "the script logs and registers, Node finds the best run, approves it and answers with it; it can be run again in the same folder",
  { timeout: 600_000 },
  async (context) => {
    context.skip(!isWanted, missing);
    const folder = await mkdtemp(join(tmpdir(), "millwright-mlflow-drop-in-"));
    try {
      for (const version of [2, 4]) {
        const { stdout } = await promisify(execFile)(process.execPath, [main, folder, python]);
        const [, first, second] = stdout.split("\n");
        expect([first, second].map((line) => line?.split(" - ")[0])).toEqual(
          version === 2 ? ["60 deliveries", "4 deliveries"] : ["60 deliveries", "60 deliveries"],
        );
        expect(stdout).toContain(`10 km: 37.0 minutes, version ${version}`);
        expect(stdout).toMatch(/made by the run [0-9a-f]{32}\n/);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
