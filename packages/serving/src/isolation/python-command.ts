import { fileURLToPath } from "node:url";
import type { WorkerCommand } from "./process-transport.ts";

export interface PythonCommandOptions {
  /** Default: `"python3"`. */
  readonly python?: string | undefined;
  /** Of the program. Default: none. */
  readonly args?: readonly string[] | undefined;
}

// Python's files are not compiled: they stay among the sources, which are published.
const launcher = new URL(
  import.meta.url.endsWith(".ts") ? "./millwright_worker.py" : "../../src/isolation/millwright_worker.py",
  import.meta.url,
);

/**
 * The command of a worker in Python, for `isolatedRuntime`: runs a program that calls `serve` of the module `millwright_worker`, which it finds without an
 * installation. The package ships the module as `src/isolation/millwright_worker.py`; it needs Python 3.9, and uses numpy where that is there.
 */
export function pythonCommand(program: URL | string, options: PythonCommandOptions = {}): WorkerCommand {
  const { python = "python3", args = [] } = options;
  const path = program instanceof URL ? fileURLToPath(program) : program;
  if (typeof path !== "string" || typeof python !== "string")
    throw new TypeError("program and python must be paths of files: pythonCommand('/models/worker.py').");
  return { program: python, args: [fileURLToPath(launcher), path, ...args] };
}
