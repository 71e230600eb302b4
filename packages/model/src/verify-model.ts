import { join, resolve } from "node:path";
import {
  type CallOptions,
  type ModelFile,
  type ModelManifest,
  type ResolvedModel,
  modelCorrupt,
  parseModelManifest,
} from "@millwright/contracts";
import { manifestPath, resolved } from "./pack-model.ts";
import { manifestName, pathProblem, signaturesName, walk } from "./package-files.ts";
import { type OpenedFile, readOnce } from "./read-once.ts";
import { scanDigested } from "./scan/clean-files.ts";
import type { Observation } from "./scan/observation.ts";
import { findingsOf, refuseFindings } from "./scan/scan-model.ts";
import { readSignatures } from "./trust/signature-file.ts";
import type { TrustPolicy } from "./trust/trust-policy.ts";
import { holdVerified } from "./verified-files.ts";

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
  const seen = new Map<string, Observation>();
  const manifest = checkedPaths(root, await readManifest(root, { seen, signal }));
  const isSigned = await compareNames(root, manifest);
  const held = await checkFiles(root, manifest, { seen, signal });
  if (isSigned) await readOnce(join(root, signaturesName), { signal }, observer(signaturesName, { seen, signal }));
  refuseFindings(manifest.name, findingsOf(seen, [], manifest.format));
  const model = resolved(root, manifest);
  if (trust !== undefined) trust.check({ ...model, name: name ?? model.name }, await readSignatures(root, { signal }));
  holdVerified(manifest, held);
  return model;
}

interface Looking extends CallOptions {
  /** What files turned out to be, by path: is added to. */
  readonly seen: Map<string, Observation>;
}

/** Files at once: more would keep those who read other files waiting. */
const filesAtOnce = 4;

/** Reads every file once: its digest, and what it is. @returns the bytes of small ones. */
async function checkFiles(root: string, { files }: ModelManifest, looking: Looking): Promise<Map<string, Buffer>> {
  const held = new Map<string, Buffer>();
  for (let at = 0; at < files.length; at += filesAtOnce) {
    const group = files.slice(at, at + filesAtOnce);
    const looked = await Promise.allSettled(group.map((file) => checkFile(root, file, looking)));
    for (const [index, { path }] of group.entries()) {
      const outcome = looked[index] as (typeof looked)[number];
      if (outcome.status === "rejected") throw outcome.reason;
      if (outcome.value !== undefined) held.set(path, outcome.value);
    }
  }
  return held;
}

function checkFile(root: string, file: ModelFile, looking: Looking): Promise<Buffer | undefined> {
  const { path } = file;
  const observe = observer(path, looking);
  return readOnce(join(root, ...path.split("/")), looking, (opened) => {
    const { digest, sizeBytes } = opened;
    if (digest === file.digest && sizeBytes === file.sizeBytes) return observe(opened);
    throw modelCorrupt(
      root,
      `the file "${path}" was changed: it has ${sizeBytes} bytes and the digest ${digest}, where the manifest says ${file.sizeBytes} and ${file.digest}`,
    );
  });
}

const observer =
  (path: string, { seen, signal }: Looking) =>
  async ({ bytes, digest, held }: OpenedFile): Promise<Buffer | undefined> => {
    seen.set(path, await scanDigested(bytes, path, digest, { signal }));
    return held;
  };

/** The manifest, none of whose files lies outside the package. Throws `PORT_MODEL_CORRUPT`. */
export function checkedPaths(root: string, manifest: ModelManifest): ModelManifest {
  for (const { path } of manifest.files) {
    const problem = pathProblem(path);
    if (problem !== undefined) throw modelCorrupt(root, `its manifest names the file "${path}", and ${problem}`);
  }
  return manifest;
}

/** The manifest alone, its files unchecked. Throws `PORT_MODEL_CORRUPT`. */
export async function readManifest(root: string, looking: Partial<Looking> = {}): Promise<ModelManifest> {
  const { seen, signal } = looking;
  try {
    return await readOnce(manifestPath(root), { signal }, async (opened) => {
      const manifest = parseModelManifest(JSON.parse((await opened.bytes.at(0, opened.sizeBytes)).toString("utf8")));
      if (seen !== undefined) await observer(manifestName, { seen, signal })(opened);
      return manifest;
    });
  } catch (error) {
    signal?.throwIfAborted();
    const problem = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    throw modelCorrupt(root, `its ${manifestName} cannot be read: ${problem}`, error);
  }
}

/** Throws `PORT_MODEL_CORRUPT`. @returns whether there are signatures. */
async function compareNames(root: string, manifest: ModelManifest): Promise<boolean> {
  const { files, others } = await walk(root);
  if (others.length > 0) throw modelCorrupt(root, `"${others[0]}" is neither a file nor a directory`);
  const named = new Set(manifest.files.map(({ path }) => path));
  if (named.size !== manifest.files.length) throw modelCorrupt(root, "its manifest names a file twice");
  const present = new Set(files);
  const missing = [...named].find((path) => !present.has(path));
  if (missing !== undefined) throw modelCorrupt(root, `the file "${missing}" is missing`);
  const added = files.find((path) => path !== manifestName && path !== signaturesName && !named.has(path));
  if (added !== undefined) throw modelCorrupt(root, `the file "${added}" is not in its manifest`);
  return present.has(signaturesName);
}
