import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type CallOptions,
  type ModelManifest,
  type ResolvedModel,
  modelCorrupt,
  parseModelManifest,
} from "@millwright/contracts";
import { manifestPath, resolved } from "./pack-model.ts";
import { digestFile, manifestName, pathProblem, walk } from "./package-files.ts";

/**
 * Reads the package's manifest and checks every file against it.
 * Throws `PORT_MODEL_CORRUPT`, naming the first file that is missing, added, changed, no regular file or outside the package, or saying
 * what is wrong with the manifest (a `formatVersion` this release does not know, a field that is missing).
 */
export async function verifyModel(directory: string, { signal }: CallOptions = {}): Promise<ResolvedModel> {
  signal?.throwIfAborted();
  const root = resolve(directory);
  const manifest = await readManifest(root);
  for (const { path } of manifest.files) {
    const problem = pathProblem(path);
    if (problem !== undefined) throw modelCorrupt(root, `its manifest names the file "${path}", and ${problem}`);
  }
  await compareNames(root, manifest);
  for (const file of manifest.files) {
    const { digest, sizeBytes } = await digestFile(join(root, ...file.path.split("/")), { signal });
    if (digest === file.digest && sizeBytes === file.sizeBytes) continue;
    throw modelCorrupt(
      root,
      `the file "${file.path}" was changed: it has ${sizeBytes} bytes and the digest ${digest}, where the manifest says ${file.sizeBytes} and ${file.digest}`,
    );
  }
  return resolved(root, manifest);
}

/** The manifest alone, its files unchecked. Throws `PORT_MODEL_CORRUPT`. */
export async function readManifest(root: string): Promise<ModelManifest> {
  try {
    return parseModelManifest(JSON.parse(await readFile(manifestPath(root), "utf8")));
  } catch (error) {
    const problem = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    throw modelCorrupt(root, `its ${manifestName} cannot be read: ${problem}`, error);
  }
}

async function compareNames(root: string, manifest: ModelManifest): Promise<void> {
  const { files, others } = await walk(root);
  if (others.length > 0) throw modelCorrupt(root, `"${others[0]}" is neither a file nor a directory`);
  const named = new Set(manifest.files.map(({ path }) => path));
  if (named.size !== manifest.files.length) throw modelCorrupt(root, "its manifest names a file twice");
  const present = new Set(files);
  const missing = [...named].find((path) => !present.has(path));
  if (missing !== undefined) throw modelCorrupt(root, `the file "${missing}" is missing`);
  const added = files.find((path) => path !== manifestName && !named.has(path));
  if (added !== undefined) throw modelCorrupt(root, `the file "${added}" is not in its manifest`);
}
