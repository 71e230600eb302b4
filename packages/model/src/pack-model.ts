import { join, resolve } from "node:path";
import {
  type CallOptions,
  type Clock,
  type GoldenRequest,
  type JsonObject,
  type ModelFile,
  type ModelManifest,
  type ModelProvenance,
  type ModelSignature,
  type ResolvedModel,
  canonicalJson,
  digestOf,
  parseModelManifest,
  systemClock,
} from "@millwright/contracts";
import { type FittedTransforms, parseTransforms } from "@millwright/data";
import { transformsProblem } from "./batch-inputs.ts";
import { filePath, transformsUnfit } from "./errors.ts";
import { refuseUnsafe } from "./scan/scan-model.ts";
import {
  type ModelFileSource,
  foldedPath,
  manifestName,
  pathProblem,
  replaceAtomically,
  writeFileDurably,
} from "./package-files.ts";

export interface PackModelOptions extends CallOptions {
  readonly name: string;
  /** `tfjs-layers`, `dense`, `trees`, … : which runtime can load it. */
  readonly format: string;
  /** By their path in the package, with `/`. */
  readonly files: Readonly<Record<string, ModelFileSource>>;
  readonly signature: ModelSignature;
  /** As `@millwright/data` fits them; their output feeds the model's one input, and the package takes the columns that they read. */
  readonly transforms?: FittedTransforms | JsonObject | undefined;
  readonly featureService?: ModelManifest["featureService"];
  /** Default: none. */
  readonly golden?: readonly GoldenRequest[] | undefined;
  /** As `@millwright/data` writes them. */
  readonly profile?: JsonObject | undefined;
  /** Default: nothing known but the time. */
  readonly provenance?: Partial<ModelProvenance> | undefined;
  /** For `provenance.createdTimeMs`. Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

/**
 * Writes a model package: the files and a canonical `manifest.json` that names them. The directory must be absent or empty; it is there
 * whole, and on disk, when this resolves, and not at all when it rejects.
 * Throws `MODEL_TRANSFORMS_UNFIT`, `MODEL_CONTENT_UNSAFE` for pickles, programs and whatever else `scanModel` finds, `MODEL_DIRECTORY_OCCUPIED`, `MODEL_FILE_PATH`, `MODEL_WRITE_FAILED` where the disk is full or refuses, and
 * `CONTRACTS_VALUE_INVALID` for a manifest that could not be read again.
 */
export async function packModel(directory: string, options: PackModelOptions): Promise<ResolvedModel> {
  const { files, signal } = options;
  signal?.throwIfAborted();
  const paths = Object.keys(files).toSorted();
  checkPaths(paths);
  checkTransforms(options);
  let manifest: ModelManifest | undefined;
  await replaceAtomically(directory, async (partial) => {
    const written: ModelFile[] = [];
    for (const path of paths)
      written.push(await writeFileDurably(partial, path, files[path] as ModelFileSource, { signal }));
    await refuseUnsafe(partial, options.name, options.format, { signal });
    // What nobody could read is not written.
    manifest = parseModelManifest(manifestOf(options, written));
    await writeFileDurably(partial, manifestName, canonicalJson(manifest), { signal });
  });
  return resolved(resolve(directory), manifest as unknown as ModelManifest);
}

function checkPaths(paths: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const path of paths) {
    const problem = pathProblem(path);
    if (problem !== undefined) throw filePath(path, problem);
    const twin = seen.get(foldedPath(path));
    if (twin !== undefined) throw filePath(path, `it differs from "${twin}" only in its case or its form of Unicode`);
    seen.set(foldedPath(path), path);
  }
}

/** What could not be loaded again is not packed. */
function checkTransforms({ name, transforms, signature }: PackModelOptions): void {
  if (transforms === undefined) return;
  let fitted: FittedTransforms;
  try {
    fitted = parseTransforms(transforms);
  } catch (error) {
    throw transformsUnfit(name, error instanceof Error ? error.message.replace(/\.$/, "") : String(error), error);
  }
  const problem = transformsProblem(fitted, signature.inputs);
  if (problem !== undefined) throw transformsUnfit(name, problem);
}

function manifestOf(options: PackModelOptions, files: readonly ModelFile[]): ModelManifest {
  const { name, format, signature, transforms, featureService, golden = [], profile, provenance = {} } = options;
  const { clock = systemClock } = options;
  return {
    formatVersion: 1,
    name,
    format,
    files,
    signature,
    ...(transforms === undefined ? {} : { transforms: transforms as JsonObject }),
    ...(featureService === undefined ? {} : { featureService }),
    golden,
    ...(profile === undefined ? {} : { profile }),
    provenance: {
      datasets: {},
      environment: {},
      hyperparameters: {},
      metrics: {},
      createdTimeMs: clock.nowMs(),
      ...provenance,
    },
  };
}

/** The package in `directory`, whose digest is that of its canonical manifest. */
export const resolved = (directory: string, manifest: ModelManifest): ResolvedModel => ({
  digest: digestOf(canonicalJson(manifest)),
  manifest,
  directory,
  name: manifest.name,
});

/** Where the manifest of a package lies. */
export const manifestPath = (directory: string): string => join(directory, manifestName);
