import { link, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { IdSource, JsonObject } from "@millwright/contracts";
import { captureUnreadable, logConflict, writeFailure } from "../errors.ts";

/** A file that counts: rows as Parquet, or windows as JSON. */
export interface LogFile {
  readonly name: string;
  /** `tables`: requests of one layout; `lines`: all others, each as JSON; `hours`, `days`: windows of so long. */
  readonly kind: "tables" | "lines" | "hours" | "days";
  readonly requests: number;
  /** The times of the first and the last request. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Names of Parquet's columns. */
  readonly columns: readonly string[];
}

/** A file that counts no more, since another holds what was in it. */
export interface RetiredFile {
  readonly name: string;
  readonly atMs: number;
}

/** What the log consists of beside the segments that are no part of it yet. */
export interface LogManifest {
  readonly version: number;
  readonly files: readonly LogFile[];
  readonly retired: readonly RetiredFile[];
}

const folder = "log";
const pattern = /^manifest-(\d{9})\.json$/;
const nameOf = (version: number): string => `manifest-${String(version).padStart(9, "0")}.json`;

export const logFolder = (directory: string): string => join(directory, folder);

/** @returns the newest one; an empty one where nothing was committed. Throws `MONITOR_CAPTURE_UNREADABLE`. */
export async function readManifest(directory: string): Promise<LogManifest> {
  for (let attempt = 0; ; attempt += 1) {
    const names = await listed(logFolder(directory));
    const newest = names
      .filter((name) => pattern.test(name))
      .sort()
      .at(-1);
    if (newest === undefined) return { version: 0, files: [], retired: [] };
    try {
      const text = await readFile(join(logFolder(directory), newest), "utf8");
      const { files, retired } = JSON.parse(text) as LogManifest;
      return { version: Number(pattern.exec(newest)?.[1]), files, retired };
    } catch (error) {
      // A newer one may have taken its place meanwhile.
      if (attempt > 10 || !isMissing(error)) throw captureUnreadable(newest, String(error), error);
    }
  }
}

/** Makes a manifest the one that counts: at once, or not at all. Throws `MONITOR_LOG_CONFLICT` where another was committed since `before` was read. */
export async function commitManifest(
  directory: string,
  before: LogManifest,
  next: Omit<LogManifest, "version">,
  ids: IdSource,
): Promise<LogManifest> {
  const manifest = { version: before.version + 1, ...next };
  const path = join(logFolder(directory), nameOf(manifest.version));
  const temporary = `${path}.${ids.next()}.tmp`;
  await writeWhole(temporary, JSON.stringify({ formatVersion: 1, ...manifest } as unknown as JsonObject));
  try {
    // Unlike a rename, a link does not take the place of what another process has committed.
    await link(temporary, path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") throw logConflict(directory, error);
    throw writeFailure(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
  await flushFolder(logFolder(directory));
  for (const name of await listed(logFolder(directory))) {
    const version = Number(pattern.exec(name)?.[1]);
    if (version < manifest.version - 1) await rm(join(logFolder(directory), name), { force: true });
  }
  return manifest;
}

/** Writes a file beside its place, flushes it, and puts it there. */
export async function writeDurable(path: string, text: string, ids: IdSource): Promise<void> {
  const temporary = `${path}.${ids.next()}.tmp`;
  await writeWhole(temporary, text);
  await rename(temporary, path).catch((error: unknown) => {
    throw writeFailure(path, error);
  });
  await flushFolder(logFolder(join(path, "..", "..")));
}

async function writeWhole(path: string, text: string): Promise<void> {
  try {
    await mkdir(join(path, ".."), { recursive: true });
    await using file = await open(path, "w");
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    throw writeFailure(path, error);
  }
}

async function flushFolder(path: string): Promise<void> {
  // Windows has no such thing, and needs none.
  if (process.platform === "win32") return;
  await using handle = await open(path, "r");
  await handle.sync();
}

export async function listed(path: string): Promise<readonly string[]> {
  return readdir(path).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error instanceof Error ? captureUnreadable(path, error.message, error) : error;
  });
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";
