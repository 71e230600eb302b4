import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { type LaunchedContainer, checkContainer } from "@millwright/serving/container";

const python = process.env["MILLWRIGHT_MLFLOW3_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import mlflow.pyfunc, pandas, uvicorn"]).status === 0;

const saving = `
import sys, mlflow.pyfunc
class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input.sum(axis=1)
mlflow.pyfunc.save_model(sys.argv[1], python_model=Sum(), pip_requirements=[])
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test(
  "SV-1: the contract runs against a server that is not ours: MLflow's, which also wants to be a container of SageMaker",
  { timeout: 300_000 },
  async ({ skip }) => {
    if (process.env["CI"] !== "true")
      skip(
        !found,
        `${python} cannot import mlflow: pip install mlflow pandas, and name that Python in MILLWRIGHT_MLFLOW3_PYTHON`,
      );
    const root = await mkdtemp(join(tmpdir(), "millwright-foreign-"));
    const model = join(root, "model");
    try {
      const saved = spawnSync(python, ["-c", saving, model], { cwd: root, encoding: "utf8" });
      expect(saved.status, saved.stderr).toBe(0);
      const port = await freePort();
      const launch = async (): Promise<LaunchedContainer> => {
        const child = spawn(
          python,
          [
            "-m",
            "mlflow",
            "models",
            "serve",
            "-m",
            model,
            "-p",
            String(port),
            "--env-manager",
            "local",
            "--workers",
            "1",
          ],
          // MLflow finds its server by the PATH.
          {
            cwd: root,
            env: { ...process.env, PATH: `${dirname(python)}${delimiter}${process.env["PATH"] ?? ""}` },
            stdio: "ignore",
            detached: true,
          },
        );
        return {
          url: `http://127.0.0.1:${port}`,
          async terminate() {
            const ended = once(child, "exit");
            if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
            await ended;
          },
        };
      };
      const report = await checkContainer({
        launch,
        example: {
          contentType: "application/json",
          body: JSON.stringify({ dataframe_split: { columns: ["a", "b"], data: [[1, 2]] } }),
        },
      });
      const failed = report.cases.filter(({ passed }) => !passed).map(({ name }) => name);
      // It answers /ping with a line end, which the contract does not have.
      expect(failed.filter((name) => !name.startsWith("GET /ping"))).toEqual([]);
      expect(report.cases).toHaveLength(8);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
);
