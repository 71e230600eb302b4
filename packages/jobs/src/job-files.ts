import { createReadStream } from "node:fs";
import { constants, cp, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ArtifactStore, createDigestBuilder, type Digest, digestOfJson } from "@millwright/contracts";
import { toJsonNumber } from "./metric-series.ts";
import { inputMissing, writeFailure } from "./errors.ts";

/** A file of an input or an output, by its path below the input's or output's own folder, with `/` between names. */
export interface JobFile {
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** A folder of files, and the digest of all of them with their paths. */
export interface JobFiles {
  readonly digest: Digest;
  readonly files: readonly JobFile[];
  /** Of a training channel, what the job reads where it is: it was not read before, so it has no digest. */
  readonly linked?: readonly LinkedFile[] | undefined;
}

/** A file that was left where it is. */
export interface LinkedFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** When it was last written to before the job began, UTC milliseconds. */
  readonly modifiedMs: number;
}

/** Where an input comes from: a file or a folder of this machine, which is copied, or an artifact. */
export type JobInput =
  | { readonly path: string }
  | {
      readonly digest: Digest;
      /** What the file is called in the input's folder. Default: `data`. */
      readonly fileName?: string | undefined;
    };

/** Puts an input into its folder. Throws `JOBS_INPUT_MISSING`, `JOBS_WRITE_FAILED`, and what the artifact store throws. */
export async function stageInput(
  name: string,
  input: JobInput,
  folder: string,
  {
    artifacts,
    signal,
  }: { readonly artifacts: Pick<ArtifactStore, "open"> | undefined; readonly signal: AbortSignal | undefined },
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    if ("path" in input) await copyInto(name, input.path, folder);
    else if (artifacts !== undefined) await fetchInto(artifacts, input, folder, signal);
  } catch (error) {
    throw writeFailure(folder, error);
  }
}

async function copyInto(name: string, path: string, folder: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw inputMissing(name, path, error);
  });
  const target = found.isDirectory() ? folder : join(folder, basename(path));
  // Where the file system can share blocks until one side is written to, nothing is copied.
  await cp(path, target, { recursive: true, dereference: true, mode: constants.COPYFILE_FICLONE });
}

async function fetchInto(
  artifacts: Pick<ArtifactStore, "open">,
  { digest, fileName = "data" }: Extract<JobInput, { readonly digest: Digest }>,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await open(join(folder, fileName), "w");
  try {
    for await (const chunk of artifacts.open(digest, { signal })) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}

/** Of a folder's files in the order of their paths, keeps each `count`-th from the one at `index`: the shards of all indexes are disjoint, and together the folder. */
export async function keepShard(folder: string, index: number, count: number): Promise<void> {
  if (count === 1) return;
  const paths = await pathsBelow(folder);
  for (const [place, path] of paths.entries()) if (place % count !== index) await rm(path);
}

/** The paths of every file below a folder, sorted; none where there is no folder. */
export const pathsBelow = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();

/** A folder with nothing in it. Throws `JOBS_WRITE_FAILED`. */
export async function makeEmpty(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw writeFailure(folder, error);
  }
}

/** Every file below a folder with its digest, by path; none where there is no folder. */
export async function filesBelow(folder: string): Promise<JobFiles> {
  const files: JobFile[] = [];
  for (const path of await pathsBelow(folder)) {
    const builder = createDigestBuilder();
    let sizeBytes = 0;
    for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
      builder.update(chunk);
      sizeBytes += chunk.length;
    }
    files.push({ path: path.slice(folder.length + 1).replaceAll("\\", "/"), digest: builder.digest(), sizeBytes });
  }
  return { digest: digestOfJson(files), files };
}

/** Writes JSON whole or not at all, and so that it survives a crash. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const draft = `${path}.draft`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(draft, "w");
    try {
      await file.writeFile(
        `${JSON.stringify(value, (_, each: unknown) => (typeof each === "number" ? toJsonNumber(each) : each), 2)}\n`,
      );
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw writeFailure(path, error);
  }
}

/** @returns the JSON of a file; undefined where there is no file, or none that was written whole. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
