import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import {
  type ArtifactStore,
  type CallOptions,
  type Digest,
  type ModelManifest,
  type ResolvedModel,
  canonicalJson,
  hasCode,
  modelCorrupt,
} from "@millwright/contracts";
import { openStaging, verifyModel } from "@millwright/model";
import { deepFreeze } from "./deep-freeze.ts";

/** Model packages as artifacts: taken apart into content-addressed files, and put together again in a local directory to be loaded from. */
export interface PackageStore {
  /** Verifies the package and stores its files; files that other packages have already are not stored twice. */
  store(directory: string, options?: CallOptions): Promise<ResolvedModel>;
  /** The package in a local directory, every byte of which was verified after this was called. */
  open(digest: Digest, options?: CallOptions): Promise<ResolvedModel>;
}

/**
 * @param directory Where packages are put together; may be emptied while nothing is loaded. Where it has to be private, nobody but this process's user
 * may write to it: what was verified there stays what is loaded.
 */
export function createPackageStore(
  artifacts: ArtifactStore,
  directory: string,
  { isPrivate = false }: { readonly isPrivate?: boolean | undefined } = {},
): PackageStore {
  /** Those being opened: many who ask at once wait for one. */
  const opening = new Map<Digest, Promise<ResolvedModel>>();
  const open = async (digest: Digest): Promise<ResolvedModel> => {
    if (isPrivate) await openStaging(resolve(directory));
    const target = join(resolve(directory), digest.replace(":", "-"));
    const present = await presentModel(target);
    if (present?.digest === digest) return deepFreeze(present);
    await assemble(artifacts, digest, target);
    const assembled = await verifyModel(target);
    if (assembled.digest !== digest) throw modelCorrupt(digest, `its manifest has the digest ${assembled.digest}`);
    return deepFreeze(assembled);
  };
  return {
    store: (source, options) => storePackage(artifacts, source, options),
    async open(digest, { signal } = {}) {
      signal?.throwIfAborted();
      const asked = opening.get(digest) ?? open(digest).finally(() => opening.delete(digest));
      opening.set(digest, asked);
      const model = await asked;
      signal?.throwIfAborted();
      return model;
    },
  };
}

/** Opened when it is read: a file that is not there fails the put, and not the process. */
async function* fileBytes(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(file) as AsyncIterable<Uint8Array>;
}

async function storePackage(
  artifacts: ArtifactStore,
  source: string,
  { signal }: CallOptions = {},
): Promise<ResolvedModel> {
  const model = await verifyModel(source, { signal });
  for (const { path, digest } of model.manifest.files) {
    if (await artifacts.has(digest, { signal })) continue;
    const stored = await artifacts.put(fileBytes(join(source, ...path.split("/"))), { signal });
    if (stored.digest !== digest) throw modelCorrupt(source, `the file "${path}" changed while it was registered`);
  }
  // Last, so that a manifest that is there speaks of files that are there.
  await artifacts.put(new TextEncoder().encode(canonicalJson(model.manifest)), { signal });
  return model;
}

/** The package that lies there, if it is whole. */
async function presentModel(directory: string): Promise<ResolvedModel | undefined> {
  try {
    return await verifyModel(directory);
  } catch (error) {
    // Absent or changed: it is put together anew. Anything else (no more file handles) says nothing about the package.
    if (hasCode(error, "PORT_MODEL_CORRUPT")) return undefined;
    throw error;
  }
}

/** Writes the files beside the target and renames the whole: it is there complete, or not at all. */
async function assemble(artifacts: ArtifactStore, digest: Digest, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const partial = await mkdtemp(`${target}.partial-`);
  try {
    await writePackage(artifacts, digest, partial);
    if (await movedInto(partial, target)) return;
    // Another process was quicker, or what lies there is damaged: only that is taken away, for others may be reading what is whole.
    if ((await presentModel(target)) !== undefined) return;
    await rm(target, { recursive: true, force: true });
    await movedInto(partial, target);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** False where the target is there. */
async function movedInto(partial: string, target: string): Promise<boolean> {
  try {
    await rename(partial, target);
    return true;
  } catch (error) {
    const occupied = ["ENOTEMPTY", "EEXIST", "EPERM"];
    if (error instanceof Error && "code" in error && occupied.includes(String(error.code))) return false;
    throw error;
  }
}

async function writePackage(artifacts: ArtifactStore, digest: Digest, directory: string): Promise<void> {
  const text = new TextDecoder().decode(await bytesOf(artifacts.open(digest)));
  const { files } = JSON.parse(text) as ModelManifest;
  await writeFile(join(directory, "manifest.json"), text);
  for (const file of files) {
    const path = join(directory, ...file.path.split("/"));
    if (!path.startsWith(directory + sep)) throw modelCorrupt(digest, `its file "${file.path}" lies outside of it`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, artifacts.open(file.digest));
  }
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
