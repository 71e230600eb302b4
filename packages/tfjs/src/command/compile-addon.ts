import { access } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { provisionFailed } from "../errors.ts";
import { runProgram } from "./run-program.ts";
import type { TensorFlowLibrary } from "./tensorflow-library.ts";

/** The folder with `node_api.h`: the one named, else that of the Node that runs, else the system's. */
export async function findHeaders(named: string | undefined): Promise<string> {
  const beside = join(dirname(process.execPath), "..", "include", "node");
  const places =
    named === undefined
      ? [beside, "/usr/include/node", "/usr/local/include/node"]
      : [named, join(named, "include", "node")];
  for (const place of places) {
    const there = await access(join(place, "node_api.h")).then(
      () => true,
      () => false,
    );
    if (there) return place;
  }
  throw provisionFailed(
    `node_api.h is not in ${places.join(", ")}`,
    "Install Node's headers (Debian: libnode-dev; the archives of nodejs.org have them), or name their folder with --headers.",
  );
}

export interface CompileOptions {
  /** The package's folder. */
  readonly sources: string;
  readonly headers: string;
  readonly library: TensorFlowLibrary;
  /** Where the compiler writes to. */
  readonly built: string;
  /** Where the addon will lie. */
  readonly addon: string;
  readonly signal?: AbortSignal | undefined;
}

/** Compiles the package's two sources as its binding.gyp says. */
export async function compileAddon({ sources, headers, library, built, addon, signal }: CompileOptions): Promise<void> {
  const compiler = process.env["CXX"] ?? "c++";
  const inPackage = !relative(sources, library.runFolder).startsWith("..");
  const runFolder = inPackage ? `$ORIGIN/${relative(dirname(addon), library.runFolder)}` : library.runFolder;
  const { code, tail, found, endedBy } = await runProgram(
    compiler,
    [
      "-shared",
      "-fPIC",
      "-O2",
      "-std=c++17",
      "-DNODE_GYP_MODULE_NAME=tfjs_binding",
      "-DBUILDING_NODE_EXTENSION",
      `-DNAPI_VERSION=${/napi-v(\d+)/.exec(addon)?.[1] ?? "8"}`,
      ...[headers, sources, library.include].map((folder) => `-I${folder}`),
      ...["tfjs_backend.cc", "tfjs_binding.cc"].map((name) => join(sources, "binding", name)),
      ...library.files,
      `-Wl,-rpath,${runFolder}`,
      "-o",
      built,
    ],
    { signal },
  );
  if (!found)
    throw provisionFailed(
      `there is no C++ compiler "${compiler}"`,
      "Install one (Debian: g++), or name it in the environment variable CXX.",
    );
  if (code === 0) return;
  const lines = tail.split("\n").filter((line) => /error|undefined|cannot/i.test(line));
  throw provisionFailed(
    `${compiler} ended with ${endedBy ?? `exit code ${code}`}: ${(lines[0] ?? tail.split("\n").at(-1) ?? "").slice(0, 400)}`,
    "Check that the TensorFlow library and its headers are of one version and for this machine; 2.21.0 is known to do.",
  );
}
