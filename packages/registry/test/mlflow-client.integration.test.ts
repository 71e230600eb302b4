import { afterAll, beforeAll } from "vitest";
import { type ServedMlflow, describePorts, rest } from "./mlflow-client-cases.ts";
import { describeClient } from "./mlflow-client-behaviour.ts";
import { type MlflowServerProcess, hasMlflowServer, startMlflowServer } from "./mlflow-server.ts";

const variable = "MILLWRIGHT_MLFLOW3_PYTHON";
const python = process.env[variable] ?? "python3";
const isFound = hasMlflowServer(python);
const isWanted = isFound || process.env["CI"] === "true";
const missing = `${python} has no server of MLflow 3: pip install "mlflow==3.17.*", and name that Python in ${variable}`;

let running: MlflowServerProcess | undefined;

beforeAll(async () => {
  if (isWanted) running = await startMlflowServer(python);
}, 150_000);

afterAll(async () => {
  await running?.[Symbol.asyncDispose]();
});

/** The one server, without its models. */
async function serve(): Promise<ServedMlflow> {
  const { url } = running as MlflowServerProcess;
  const { registered_models: models = [] } = await rest(url, "GET", "registered-models/search?max_results=100");
  for (const { name } of models as { name: string }[]) await rest(url, "DELETE", "registered-models/delete", { name });
  return { url, async [Symbol.asyncDispose]() {} };
}

const skipped = (skip: (note: string) => void): void => {
  if (!isWanted) skip(missing);
};

describePorts(serve, skipped);
describeClient("MLflow's own server", serve, skipped);
