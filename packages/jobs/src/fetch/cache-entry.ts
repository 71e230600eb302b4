import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestOfJson } from "@millwright/contracts";
import { identify, isAlive, type ProcessIdentity } from "../process-tree.ts";
import { cacheFull } from "../errors.ts";
import { partialIn, readState } from "./partial-file.ts";
import { tryLock } from "./entry-lock.ts";
import type { Validators } from "./http-range.ts";

/** A whole file of the cache. */
export interface CachedFile {
  readonly formatVersion: 1;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly validators: Validators;
}

const wholeIn = (folder: string): string => join(folder, "whole.json");
export const dataIn = (folder: string): string => join(folder, "data");
export const lockOf = (folder: string): string => `${folder}.lock`;
const pinsIn = (folder: string): string => join(folder, "pins");
let pins = 0;

/** The folder of a file: of its digest where that is known, else of its address. */
export const folderOf = (
  directory: string,
  { url, digest }: { readonly url: string; readonly digest?: Digest | undefined },
): string => join(directory, digestOfJson(digest === undefined ? { url } : { digest }).slice("sha256:".length));

/** What the folder has, where it is whole: size and record agree. */
export async function readCached(folder: string): Promise<CachedFile | undefined> {
  try {
    const cached = JSON.parse(await readFile(wholeIn(folder), "utf8")) as CachedFile;
    return cached.formatVersion === 1 && (await stat(dataIn(folder))).size === cached.sizeBytes ? cached : undefined;
  } catch {
    return undefined;
  }
}

/** Makes the partial file the folder's whole one. */
export async function keepWhole(folder: string, cached: CachedFile): Promise<void> {
  await rename(partialIn(folder), dataIn(folder));
  const draft = `${wholeIn(folder)}.draft`;
  const file = await open(draft, "w");
  await file.writeFile(JSON.stringify(cached));
  await file.sync();
  await file.close();
  await rename(draft, wholeIn(folder));
  for (const name of ["partial.json", "parts.ndjson"]) await rm(join(folder, name), { force: true });
}

/** Says that this process uses the file, and that it was used now. @returns takes it back. */
export async function pin(folder: string, nowMs: number): Promise<() => Promise<void>> {
  const path = join(pinsIn(folder), `${process.pid}-${(pins += 1)}.json`);
  await mkdir(pinsIn(folder), { recursive: true });
  await writeFile(path, JSON.stringify(identify(process.pid)));
  const now = new Date(nowMs);
  await utimes(wholeIn(folder), now, now);
  return () => rm(path, { force: true });
}

async function isPinned(folder: string): Promise<boolean> {
  for (const name of await readdir(pinsIn(folder)).catch(() => [] as string[])) {
    const owner = await readFile(join(pinsIn(folder), name), "utf8")
      .then((text) => JSON.parse(text) as ProcessIdentity)
      .catch(() => undefined);
    if (owner !== undefined && isAlive(owner)) return true;
  }
  return false;
}

interface Entry {
  readonly folder: string;
  readonly bytes: number;
  readonly usedMs: number;
}

async function entryOf(folder: string): Promise<Entry> {
  const whole = await stat(wholeIn(folder)).catch(() => undefined);
  const data = await stat(whole === undefined ? partialIn(folder) : dataIn(folder)).catch(() => undefined);
  // A file that is under way takes what it will have.
  const coming = whole === undefined ? ((await readState(folder))?.sizeBytes ?? 0) : 0;
  return { folder, bytes: Math.max(data?.size ?? 0, coming), usedMs: (whole ?? data)?.mtimeMs ?? 0 };
}

/**
 * Removes what was used longest ago until `bytes` more fit beside the rest; what processes use or fetch stays. Throws `JOBS_CACHE_FULL`.
 * @param own The folder that they are for, whose present size does not count.
 */
export async function makeRoom(directory: string, own: string, bytes: number, maxBytes: number): Promise<void> {
  const names = (await readdir(directory)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const entries = await Promise.all(names.map((name) => entryOf(join(directory, name))));
  const others = entries.filter(({ folder }) => folder !== own).toSorted((a, b) => a.usedMs - b.usedMs);
  let taken = others.reduce((sum, entry) => sum + entry.bytes, 0);
  for (const { folder, bytes: freed } of others) {
    if (taken + bytes <= maxBytes) return;
    if (await remove(folder)) taken -= freed;
  }
  if (taken + bytes > maxBytes) throw cacheFull(directory, bytes, maxBytes, taken);
}

async function remove(folder: string): Promise<boolean> {
  const give = await tryLock(lockOf(folder));
  if (give === undefined) return false;
  try {
    if (await isPinned(folder)) return false;
    // First out of sight, whole: a reader that comes now finds nothing rather than half of it.
    const aside = `${folder}.removed-${process.pid}-${(pins += 1)}`;
    await rename(folder, aside);
    await rm(aside, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  } finally {
    await give();
  }
}
