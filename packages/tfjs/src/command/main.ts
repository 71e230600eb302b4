#!/usr/bin/env node
import { parseArgs } from "node:util";
import { isMillwrightError } from "@millwright/contracts";
import { describeMachine } from "./describe-machine.ts";
import { inspectMachine, nativePackages } from "./inspect-machine.ts";
import { provisionNative } from "./provision-native.ts";

const usage = `millwright-tfjs: what TensorFlow.js can compute on here, and the native package's addon

  millwright-tfjs doctor [--device auto|gpu|webgpu|cpu|wasm|js] [--folder DIR] [--json]
      Tries every device, each in a process of its own, and prints what it said and what to do about it.
      Exits with 0 where the device works (default: auto, the first that does), else with 1.

  millwright-tfjs provision [--package tfjs-node-gpu|tfjs-node] [--wheel tensorflow-cpu==2.21.0 | --libtensorflow DIR]
                            [--folder DIR] [--headers DIR] [--python python3] [--json]
      Builds the addon of the installed package against a TensorFlow library, and tries it. All or nothing.

  --folder DIR  the folder with the node_modules (default: the working directory)`;

class UsageError extends Error {}

const print = (stream: NodeJS.WriteStream, text: string): void => void stream.write(`${text}\n`);

const options = {
  device: { type: "string" },
  folder: { type: "string" },
  headers: { type: "string" },
  help: { type: "boolean", short: "h" },
  json: { type: "boolean" },
  libtensorflow: { type: "string" },
  package: { type: "string" },
  python: { type: "string" },
  wheel: { type: "string" },
} as const;

type Values = ReturnType<typeof parse>["values"];

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const forDoctor: ReadonlySet<string> = new Set(["device", "folder", "json"]);

function checkOptions(command: string, values: Values): void {
  for (const name of Object.keys(values)) {
    const known = command === "doctor" ? forDoctor.has(name) : name !== "device";
    if (!known) throw new UsageError(`"${command}" has no option --${name}.`);
  }
  if (values.wheel !== undefined && values.libtensorflow !== undefined)
    throw new UsageError("Give either --wheel or --libtensorflow.");
}

async function doctor(
  { device = "auto", folder = process.cwd(), json = false }: Values,
  signal: AbortSignal,
): Promise<number> {
  const known = ["auto", "gpu", "webgpu", "cpu", "wasm", "js"];
  if (!known.includes(device)) throw new UsageError(`The device must be one of ${known.join(", ")}, not "${device}".`);
  const report = await inspectMachine({ folder, signal });
  print(process.stdout, json ? JSON.stringify(report, undefined, 2) : describeMachine(report));
  // "gpu" is had by CUDA or, without it, by WebGPU.
  const wanted = device === "auto" ? known : device === "gpu" ? ["gpu", "webgpu"] : [device];
  return report.devices.some((probe) => probe.ok && wanted.includes(probe.device)) ? 0 : 1;
}

async function provision(values: Values, signal: AbortSignal): Promise<number> {
  const { folder = process.cwd(), json = false, wheel, libtensorflow, headers, python } = values;
  const short = values.package ?? "tfjs-node-gpu";
  const packageName = nativePackages.find((name) => name === short || name === `@tensorflow/${short}`);
  if (packageName === undefined)
    throw new UsageError(`The package must be tfjs-node-gpu or tfjs-node, not "${short}".`);
  const report = (step: string): void => print(process.stderr, `… ${step}`);
  const done = await provisionNative({ folder, packageName, wheel, libtensorflow, headers, python, report, signal });
  print(process.stdout, json ? JSON.stringify(done) : `✓ ${done.packageName}: ${done.detail}`);
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort(signal));
  try {
    const { values, positionals } = parse(args);
    const [command, ...others] = positionals;
    if (values.help === true) {
      print(process.stdout, usage);
      return 0;
    }
    if ((command !== "doctor" && command !== "provision") || others.length > 0) throw new UsageError("");
    checkOptions(command, values);
    return await (command === "doctor" ? doctor : provision)(values, interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) {
      print(process.stderr, "Cancelled: nothing was changed.");
      return interrupted.signal.reason === "SIGINT" ? 130 : 143;
    }
    if (error instanceof UsageError) {
      print(process.stderr, error.message === "" ? usage : `${error.message}\n\n${usage}`);
      return 2;
    }
    if (!isMillwrightError(error)) throw error;
    print(process.stderr, `✗ ${error.code}: ${error.message}`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
