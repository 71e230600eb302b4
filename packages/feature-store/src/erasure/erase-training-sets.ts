import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions } from "@millwright/contracts";
import type { DuckDb } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import { keySchema, type SourceRow } from "../definition/source-columns.ts";
import type { HistorySource } from "../history/history-sql.ts";
import { isAlive } from "../online/directory-lock.ts";
import { DATASETS_FOLDER } from "../retrieval/training-pin.ts";
import { isEntitySql, rowsByFile } from "./erase-history.ts";
import { dropPath, notedPaths } from "./known-paths.ts";
import type { ErasedPlace, LeftPlace } from "./receipt.ts";

/** A file that a process writes into before it gets its name. */
const TEMPORARY = /\.(\d+)-\d+\.tmp$/;

export interface ErasedSets {
  readonly places: readonly ErasedPlace[];
  readonly left: readonly LeftPlace[];
}

/** Deletes the training sets, and the copies of labels, that hold an entity; and what processes that died while they wrote some left. */
export async function eraseFromTrainingSets(
  { duckdb, directory }: HistorySource,
  view: FeatureView,
  keys: SourceRow,
  options: CallOptions,
): Promise<ErasedSets> {
  const folder = join(directory, DATASETS_FOLDER);
  const names = (await readdir(folder).catch((): string[] => [])).toSorted();
  const places: ErasedPlace[] = [];
  const left = [...(await deleteTemporaries(folder, DATASETS_FOLDER))];
  const erase = async (path: string, shown: string): Promise<void> => {
    if (!(await hasKeys(duckdb, path, view, options))) return;
    const rows = (await rowsByFile(duckdb, [path], isEntitySql(view, keys), options)).get(path);
    if (rows === undefined) return;
    await rm(path, { force: true });
    places.push({ path: shown, what: "training-set", rows, action: "deleted" });
  };
  for (const name of names.filter((each) => each.endsWith(".parquet"))) {
    await erase(join(folder, name), `${DATASETS_FOLDER}/${name}`);
  }
  for (const path of await notedPaths(folder)) {
    try {
      if (await isFile(path)) await erase(path, path);
      else await dropPath(folder, path);
      left.push(...(await deleteTemporaries(join(path, ".."), join(path, ".."), path)));
    } catch (error) {
      options.signal?.throwIfAborted();
      left.push(unreadable(path, error));
    }
  }
  return { places, left };
}

const unreadable = (path: string, error: unknown): LeftPlace => ({
  path,
  what: "training-set",
  reason: `it was written there once, and cannot be read or deleted: ${error instanceof Error ? error.message : String(error)}`,
  remedy: "Look into the file, and delete it where it has the entity.",
});

/** Deletes half-written files of processes that are gone. @param of Only those on their way to this path. @returns those of processes at work. */
export async function deleteTemporaries(folder: string, shown: string, of?: string): Promise<LeftPlace[]> {
  const left: LeftPlace[] = [];
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const [suffix, pid] = TEMPORARY.exec(name) ?? [];
    if (suffix === undefined || (of !== undefined && join(folder, name.slice(0, -suffix.length)) !== of)) continue;
    if (!isAlive(Number(pid))) await rm(join(folder, name), { recursive: true, force: true });
    else {
      left.push({
        path: `${shown}/${name}`,
        what: "training-set",
        reason: `process ${pid} is writing it, and may have read the entity's rows before`,
        remedy: "Forget the entity again once it is written.",
      });
    }
  }
  return left;
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true;

async function hasKeys(duckdb: DuckDb, path: string, view: FeatureView, options: CallOptions): Promise<boolean> {
  const { schema } = await duckdb.scan(path, options);
  return keySchema(view).every(({ name, type }) => schema.some((field) => field.name === name && field.type === type));
}
