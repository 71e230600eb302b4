import { appendFile, type FileHandle, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createDigestBuilder, type Digest } from "@millwright/contracts";
import type { Validators } from "./http-range.ts";

/** What a download that is under way is of; another of these means another download. */
export interface PartialState {
  readonly formatVersion: 1;
  readonly url: string;
  readonly sizeBytes: number;
  readonly partBytes: number;
  readonly validators: Validators;
}

const stateIn = (folder: string): string => join(folder, "partial.json");
const partsIn = (folder: string): string => join(folder, "parts.ndjson");
export const partialIn = (folder: string): string => join(folder, "partial.data");

export async function readState(folder: string): Promise<PartialState | undefined> {
  try {
    const state = JSON.parse(await readFile(stateIn(folder), "utf8")) as PartialState;
    return state.formatVersion === 1 ? state : undefined;
  } catch {
    return undefined;
  }
}

export async function writeState(folder: string, state: PartialState): Promise<void> {
  await rm(partsIn(folder), { force: true });
  await writeFile(`${stateIn(folder)}.draft`, JSON.stringify(state));
  await rename(`${stateIn(folder)}.draft`, stateIn(folder));
}

export async function dropPartial(folder: string): Promise<void> {
  for (const path of [stateIn(folder), partsIn(folder), partialIn(folder)]) await rm(path, { force: true });
}

/** Says that a part is whole: its bytes were written before. */
export const notePart = (folder: string, part: number, digest: Digest): Promise<void> =>
  appendFile(partsIn(folder), `${JSON.stringify({ part, digest })}\n`);

/** Parts that were noted and whose bytes are as they were noted. What a crash cut off is left out. */
export async function wholeParts(
  folder: string,
  { sizeBytes, partBytes }: PartialState,
  file: FileHandle,
): Promise<Map<number, Digest>> {
  const noted = new Map<number, Digest>();
  for (const line of (await readFile(partsIn(folder), "utf8").catch(() => "")).split("\n")) {
    try {
      const { part, digest } = JSON.parse(line) as { readonly part: number; readonly digest: Digest };
      noted.set(part, digest);
    } catch {
      // Half a line, at the end.
    }
  }
  for (const [part, digest] of noted) {
    const start = part * partBytes;
    const end = Math.min(sizeBytes, start + partBytes);
    if (!(start < end) || (await digestOfRange(file, start, end)) !== digest) noted.delete(part);
  }
  return noted;
}

const chunkBytes = 1 << 20;

export async function digestOfRange(file: FileHandle, start: number, end: number): Promise<Digest> {
  const hash = createDigestBuilder();
  const chunk = Buffer.allocUnsafe(Math.max(1, Math.min(chunkBytes, end - start)));
  for (let at = start; at < end;) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, end - at), at);
    if (bytesRead === 0) break;
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest();
}

/** Opens the file for reading and writing, keeping what it has. */
export async function openPartial(folder: string): Promise<FileHandle> {
  await (await open(partialIn(folder), "a")).close();
  return open(partialIn(folder), "r+");
}
