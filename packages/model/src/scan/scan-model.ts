import { type FileHandle, open } from "node:fs/promises";
import { join, posix, resolve } from "node:path";
import type { CallOptions } from "@millwright/contracts";
import { folderUnreadable } from "../errors.ts";
import { manifestName, signaturesName, walk } from "../package-files.ts";
import { bytesInMemory, bytesOfFile } from "../random-bytes.ts";
import { contentUnsafe } from "../trust-errors.ts";
import type { Observation, Problem } from "./observation.ts";
import { scanFile } from "./scan-file.ts";

export interface ScanModelOptions extends CallOptions {
  /**
   * The format they are of. In those that this house reads (`dense`, `trees`, `linear`, `onnx`, `tfjs-layers`, `tfjs-graph`) each file has to be of a kind that the format needs; files of other
   * formats may hold numbers in any layout, for their runtime alone reads them. Default: as those of this house.
   */
  readonly format?: string | undefined;
}

/** Something in a folder that a model need not have. */
export interface ScanFinding extends Problem {
  /** Relative to the folder, with `/`. */
  readonly path: string;
}

export interface ScanReport {
  readonly files: readonly {
    readonly path: string;
    /** What it is by its bytes: `json`, `onnx`, `safetensors`, `npy`, `text`, `lightgbm`, `numbers`, `pickle`, … */
    readonly kind: string;
  }[];
  /** By path. */
  readonly findings: readonly ScanFinding[];
}

/** Smaller files are read at once. */
const mostHeld = 1 << 20;

const houseFormats = new Set(["dense", "trees", "linear", "onnx", "tfjs-layers", "tfjs-graph"]);
const houseKinds = new Set(["json", "text", "onnx", "safetensors", "npy", "lightgbm", "empty"]);

/**
 * Looks at every file of a folder for what is no model: pickles (also in PyTorch's zips, NumPy's arrays and joblib's files), programs, scripts and pages, layers and operators that are code, weights outside of the folder,
 * archives, links. Files are told apart by their bytes and not by their names. Nothing is run, built or imported. Throws `MODEL_FILE_PATH` for a folder that cannot be listed.
 */
export async function scanModel(directory: string, { format, signal }: ScanModelOptions = {}): Promise<ScanReport> {
  signal?.throwIfAborted();
  const root = resolve(directory);
  const { files: paths, others } = await walk(root, { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw folderUnreadable(directory, error);
  });
  const seen = new Map<string, Observation>();
  for (const path of paths) seen.set(path, await observeFile(root, path, signal));
  return {
    files: [...seen].map(([path, { kind }]) => ({ path, kind })),
    findings: findingsOf(seen, others, format),
  };
}

/** What is wrong with files that were looked at, and with what is no file, by path. */
export function findingsOf(
  seen: ReadonlyMap<string, Observation>,
  others: readonly string[],
  format: string | undefined,
): readonly ScanFinding[] {
  const findings = [
    ...others.map((path): ScanFinding => ({ path, rule: "link", problem: "is a link, or no file" })),
    ...[...seen].flatMap(([path, { problems }]) => problems.map((problem) => ({ path, ...problem }))),
    ...(format === undefined || houseFormats.has(format) ? strangers(seen) : []),
  ];
  return findings.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

async function observeFile(root: string, path: string, signal: AbortSignal | undefined): Promise<Observation> {
  let file: FileHandle;
  try {
    file = await open(join(root, ...path.split("/")), "r");
  } catch (error) {
    throw folderUnreadable(root, error);
  }
  try {
    const bytes = await bytesOfFile(file);
    const held = bytes.sizeBytes <= mostHeld ? bytesInMemory(await bytes.at(0, bytes.sizeBytes)) : bytes;
    return await scanFile(held, path, { signal });
  } finally {
    await file.close();
  }
}

/** Files of a kind that no format of this house needs, among them bytes that no other file names as its numbers. `network.json` of dense networks means the one beside it. */
function strangers(seen: ReadonlyMap<string, Observation>): readonly ScanFinding[] {
  const named = new Set(["weights.bin"]);
  for (const [path, { names = [] }] of seen) for (const name of names) named.add(posix.join(posix.dirname(path), name));
  return [...seen].flatMap(([path, { kind, problems }]) => {
    if (problems.length > 0 || path === manifestName || path === signaturesName) return [];
    if (houseKinds.has(kind) || (kind === "numbers" && named.has(path))) return [];
    const what =
      kind === "numbers"
        ? "holds bytes of no known kind, and no other file names it as its numbers"
        : `is of the kind ${kind}`;
    return [{ path, rule: "unrecognised" as const, problem: `${what}, which a package of this format has no use for` }];
  });
}

/** Throws `MODEL_CONTENT_UNSAFE`, with the findings. */
export async function refuseUnsafe(
  directory: string,
  name: string,
  format: string,
  options: CallOptions,
): Promise<void> {
  const { findings } = await scanModel(directory, { ...options, format });
  refuseFindings(name, findings);
}

/** Throws `MODEL_CONTENT_UNSAFE`, with the findings, where there are any. */
export function refuseFindings(name: string, findings: readonly ScanFinding[]): void {
  if (findings.length === 0) return;
  const shown = findings.slice(0, 5).map(({ path, problem }) => `"${path}" ${problem}`);
  throw contentUnsafe(name, findings.length > 5 ? [...shown, `and ${findings.length - 5} more`] : shown);
}
