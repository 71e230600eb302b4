import { execFile, spawnSync } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { type MlflowApp, openMlflowApp } from "./mlflow-app.ts";

const scenario = fileURLToPath(new URL("mlflow/scenario.py", import.meta.url));
const fixture = (name: string): URL => new URL(`mlflow/${name}`, import.meta.url);

/** Runs the client's program. @returns what it saw. */
async function drive(python: string, app: MlflowApp, given: readonly string[] = []): Promise<Record<string, unknown>> {
  const folder = join(app.folder, "client");
  await mkdir(folder);
  // The address is of this machine: no proxy stands before it.
  const environment = { ...process.env, NO_PROXY: "127.0.0.1", PYTHONWARNINGS: "ignore", PYTHONDONTWRITEBYTECODE: "1" };
  await promisify(execFile)(python, [scenario, app.url, folder, ...given], {
    cwd: folder,
    env: environment,
    maxBuffer: 64 << 20,
  });
  return JSON.parse(await readFile(join(folder, "seen.json"), "utf8")) as Record<string, unknown>;
}

for (const version of [2, 3] as const) {
  const variable = `MILLWRIGHT_MLFLOW${version}_PYTHON`;
  const python = process.env[variable] ?? "python3";
  const asks = `import mlflow, pandas; raise SystemExit(not mlflow.__version__.startswith("${version}."))`;
  const isFound = spawnSync(python, ["-c", asks]).status === 0;
  const isWanted = isFound || process.env["CI"] === "true";
  const missing = `${python} has no mlflow ${version}: pip install "mlflow-skinny==${version}.*" pandas, and name that Python in ${variable}`;

  test(
    `MR-8: an unmodified MLflow ${version} client sees what it saw of MLflow's own server: it logs, searches, registers, downloads and loads`,
    { timeout: 600_000 },
    async (context) => {
      context.skip(!isWanted, missing);
      await using app = await openMlflowApp();
      const seen = await drive(python, app);
      const expected: unknown = JSON.parse(await readFile(fixture(`seen-${version}.json`), "utf8"));
      expect(seen).toEqual(expected);
      // What it logged is all there for Node: 2,500 points, exact, and models with their files by digest.
      const runs = await app.registry.runs({ experiment: "late flights" });
      const byHand = runs.find(({ name }) => name === "renamed");
      expect((await app.registry.series(byHand?.id ?? "", "batch")).map(({ value }) => value)).toEqual(
        Array.from({ length: 2500 }, (_, index) => index / 2),
      );
      const { manifest } = await app.registry.version("slopes@champion");
      expect(manifest).toMatchObject({
        format: "mlflow",
        signature: { inputs: [{ name: "x", dtype: "float64" }], outputs: [{ name: "y", dtype: "float64" }] },
      });
      expect(manifest.files.map(({ path }) => path)).toEqual([
        "MLmodel",
        "conda.yaml",
        "python_env.yaml",
        "python_model.pkl",
        "requirements.txt",
      ]);
    },
  );
}
