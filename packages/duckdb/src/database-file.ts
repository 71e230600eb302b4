import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { alreadyOpen, workerRefused } from "./errors.ts";

/** Shared by every copy of this package in the process: two installs must not open one file either. */
const KEY = Symbol.for("@millwright/duckdb/open-files");

function openFiles(): Set<string> {
  const holder = globalThis as { [KEY]?: Set<string> };
  holder[KEY] ??= new Set();
  return holder[KEY];
}

/**
 * Claims a database file for this process's one instance. DuckDB's file lock keeps other processes out, but a second instance in this
 * process gets in and silently loses what one of them commits; worker threads, which this set does not reach, are refused.
 * @returns the real path, and what gives the claim back.
 */
export async function claimDatabaseFile(path: string): Promise<{ readonly path: string; release(): void }> {
  const real = await realpath(path).catch(async () => join(await realpath(dirname(path)), basename(path)));
  if (!isMainThread) throw workerRefused(real);
  const files = openFiles();
  if (files.has(real)) throw alreadyOpen(real);
  files.add(real);
  return { path: real, release: () => void files.delete(real) };
}
