#!/usr/bin/env node
import { parseArgs } from "node:util";
import { type ModelRuntime, isMillwrightError } from "@millwright/contracts";
import { denseRuntime, linearRuntime, treeRuntime } from "@millwright/model";
import { type OnnxLibrary, onnxRuntime } from "@millwright/model/onnx";
import { serveContainer } from "./serve-container.ts";

const usage = `millwright-serve: SageMaker's container contract for one model package

  millwright-serve serve [--model DIR] [--port N] [--host HOST]

  --model DIR   the package (default: $SM_MODEL_DIR, else /opt/ml/model)
  --port N      default: $SAGEMAKER_BIND_TO_PORT, else 8080; 0 takes a free one
  --host HOST   default: 0.0.0.0

  GET /ping is 503 until the model is loaded, then 200; POST /invocations answers. SIGTERM answers what it has, and ends with 0.
  Packages of the format onnx need onnxruntime-node beside.`;

/** SageMaker kills 30 s after SIGTERM. */
const graceMs = 25_000;

const print = (stream: NodeJS.WriteStream, text: string): void => void stream.write(`${text}\n`);

/** What loads packages here: ONNX where its runtime is installed. */
async function runtimesHere(): Promise<readonly ModelRuntime[]> {
  const library = "onnxruntime-node";
  const onnx = (await import(library).catch(() => undefined)) as OnnxLibrary | undefined;
  return [denseRuntime(), treeRuntime(), linearRuntime(), ...(onnx === undefined ? [] : [onnxRuntime(onnx)])];
}

async function main(args: readonly string[]): Promise<number> {
  const { env } = process;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      model: { type: "string", default: env["SM_MODEL_DIR"] ?? "/opt/ml/model" },
      port: { type: "string", default: env["SAGEMAKER_BIND_TO_PORT"] ?? "8080" },
      host: { type: "string", default: "0.0.0.0" },
      help: { type: "boolean", short: "h" },
    },
  });
  const port = Number(values.port);
  if (
    values.help === true ||
    positionals.join(" ") !== "serve" ||
    !(Number.isInteger(port) && port >= 0 && port < 65_536)
  ) {
    print(values.help === true ? process.stdout : process.stderr, usage);
    return values.help === true ? 0 : 2;
  }
  const asked = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  const container = await serveContainer({
    runtimes: await runtimesHere(),
    modelDirectory: values.model,
    port,
    host: values.host,
  });
  print(process.stdout, `listening on ${container.address}`);
  const failed = await Promise.race([
    asked.then(() => undefined),
    container.ready.then(
      () => asked.then(() => undefined),
      (error: unknown) => ({ error }),
    ),
  ]);
  await container.stop({ signal: AbortSignal.timeout(graceMs) });
  if (failed === undefined) return 0;
  throw failed.error;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const told = isMillwrightError(error)
    ? `${error.code}: ${error.message}`
    : error instanceof Error && "code" in error
      ? error.message
      : undefined;
  if (told === undefined) throw error;
  print(process.stderr, `✗ ${told}`);
  process.exitCode = isMillwrightError(error) ? 1 : 2;
}
