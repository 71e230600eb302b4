import { readFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { CallOptions } from "@millwright/contracts";
import { createTrustPolicy } from "../trust/trust-policy.ts";
import { verifyModel } from "../verify-model.ts";
import { type EdgeExport, exportEdge } from "./export-edge.ts";

/** The command line is not understood; its message tells why. */
export class UsageError extends Error {}

export const usage = `millwright-model: a model as an ES module for browsers, workers and edge runtimes

  millwright-model edge PACKAGE --out FOLDER

  PACKAGE             the folder of a model package, of the format dense, trees or linear
  --out FOLDER        takes NAME.mjs and NAME.d.mts
  --name NAME         of the files (default: the model's)
  --weights beside    weights in NAME.bin, which the module fetches (default: embedded)
  --key FILE          signs with a private Ed25519 key in PEM
  --trust FILE        a public Ed25519 key in PEM that must have signed the package; as often as there are keys
  --max-bytes N       fails where module and weights are larger
  --json              what was written, for programs

  Exits with 0 where it was written, 1 where it could not be, 2 where the command line is not understood.`;

const options = {
  help: { type: "boolean", short: "h" },
  json: { type: "boolean" },
  key: { type: "string" },
  "max-bytes": { type: "string" },
  name: { type: "string" },
  out: { type: "string" },
  trust: { type: "string", multiple: true },
  weights: { type: "string", default: "embedded" },
} as const;

type Values = ReturnType<typeof parse>["values"];

/** Runs a command line. @returns the exit code. Throws a `UsageError`. */
export async function edgeCommand(
  args: readonly string[],
  { signal, print }: CallOptions & { print(text: string): void },
): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true || args.length === 0) {
    print(usage);
    return 0;
  }
  const [command, directory, ...others] = positionals;
  if (command !== "edge") throw new UsageError(`"${command ?? ""}" is no command; there is "edge".`);
  if (directory === undefined || others.length > 0) throw new UsageError("Give one folder of a model package.");
  if (values.out === undefined) throw new UsageError("Give the folder that takes the module, with --out.");
  const exported = await exportPackage(directory, values, signal);
  await mkdir(values.out, { recursive: true });
  for (const [name, content] of Object.entries(exported.files)) await writeFile(join(values.out, name), content);
  print(values.json === true ? jsonOf(exported) : textOf(values.out, exported));
  return 0;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function exportPackage(
  directory: string,
  { name, key, trust, weights, "max-bytes": most }: Values,
  signal: AbortSignal | undefined,
): Promise<EdgeExport> {
  if (weights !== "embedded" && weights !== "beside") throw new UsageError("--weights is embedded or beside.");
  const maxBytes = most === undefined ? undefined : Number(most);
  if (maxBytes !== undefined && !(maxBytes > 0))
    throw new UsageError(`--max-bytes is a number above 0, not "${most}".`);
  const keys = await Promise.all((trust ?? []).map((file) => readFile(file, "utf8")));
  const policy =
    keys.length === 0
      ? undefined
      : createTrustPolicy({ keys: keys.map((each, at) => ({ signer: `--trust ${at + 1}`, key: each })) });
  const resolved = await verifyModel(directory, { signal, trust: policy });
  return exportEdge(resolved, {
    name,
    weights,
    maxBytes,
    key: key === undefined ? undefined : await readFile(key, "utf8"),
    signal,
  });
}

function jsonOf({ files, ...told }: EdgeExport): string {
  return JSON.stringify({ files: Object.keys(files), ...told });
}

const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;

function textOf(folder: string, { files, digest, integrity, sizes }: EdgeExport): string {
  return [
    ...Object.keys(files).map((name) => join(folder, name)),
    `size       ${kibibytes(sizes.bytes)}, ${kibibytes(sizes.gzipBytes)} as gzip; weights ${kibibytes(sizes.weightBytes)}, code ${kibibytes(sizes.codeBytes)}`,
    `digest     ${digest}`,
    `integrity  ${integrity}`,
  ].join("\n");
}
