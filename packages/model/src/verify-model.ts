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
import { digestFile, manifestName, pathProblem, signaturesName, walk } from "./package-files.ts";
import { refuseUnsafe } from "./scan/scan-model.ts";
import { readSignatures } from "./trust/signature-file.ts";
import type { TrustPolicy } from "./trust/trust-policy.ts";

export interface VerifyModelOptions extends CallOptions {
  /** Whose signatures it needs. Default: none. */
  readonly trust?: TrustPolicy | undefined;
  /** The name it is asked for under, whose rules must hold too. Default: that of its manifest. */
  readonly name?: string | undefined;
}

/**
 * Reads the package's manifest and checks every file against it.
 * Throws `PORT_MODEL_CORRUPT`, naming the first file that is missing, added, changed, no regular file or outside the package, or saying
 * what is wrong with the manifest (a `formatVersion` this release does not know, a field that is missing); `MODEL_CONTENT_UNSAFE` for
 * code in its files, whatever the manifest says of them; with `trust`, what the policy throws.
 * Who may write to the directory can change it afterwards: `stageModel` copies it to where nobody can.
 */
export async function verifyModel(
  directory: string,
  { signal, trust, name }: VerifyModelOptions = {},
): Promise<ResolvedModel> {
  signal?.throwIfAborted();
  const root = resolve(directory);
  const manifest = checkedPaths(root, await readManifest(root));
  await compareNames(root, manifest);
  for (const file of manifest.files) {
    const { digest, sizeBytes } = await digestFile(join(root, ...file.path.split("/")), { signal });
    if (digest === file.digest && sizeBytes === file.sizeBytes) continue;
    throw modelCorrupt(
      root,
      `the file "${file.path}" was changed: it has ${sizeBytes} bytes and the digest ${digest}, where the manifest says ${file.sizeBytes} and ${file.digest}`,
    );
  }
  await refuseUnsafe(root, manifest.name, manifest.format, { signal });
  const model = resolved(root, manifest);
  if (trust !== undefined) trust.check({ ...model, name: name ?? model.name }, await readSignatures(root, { signal }));
  return model;
}

/** The manifest, none of whose files lies outside the package. Throws `PORT_MODEL_CORRUPT`. */
export function checkedPaths(root: string, manifest: ModelManifest): ModelManifest {
  for (const { path } of manifest.files) {
    const problem = pathProblem(path);
    if (problem !== undefined) throw modelCorrupt(root, `its manifest names the file "${path}", and ${problem}`);
  }
  return manifest;
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
  const added = files.find((path) => path !== manifestName && path !== signaturesName && !named.has(path));
  if (added !== undefined) throw modelCorrupt(root, `the file "${added}" is not in its manifest`);
}
