import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

/** Names the training sets that were written to paths of their caller's, so that they can be found. */
const FOLDER = "elsewhere";
const FORMAT_VERSION = 1;

interface PathText {
  readonly formatVersion: number;
  readonly path: string;
}

const nameOf = (path: string): string => `${createHash("sha256").update(path).digest("hex").slice(0, 24)}.json`;

/** Notes where a training set is about to be written. @param datasets The folder of the store's own. */
export async function notePath(datasets: string, given: string): Promise<void> {
  const path = resolve(given);
  const folder = join(datasets, FOLDER);
  await mkdir(folder, { recursive: true });
  const file = join(folder, nameOf(path));
  const text: PathText = { formatVersion: FORMAT_VERSION, path };
  await writeFile(`${file}.${process.pid}.tmp`, JSON.stringify(text), { flush: true });
  await rename(`${file}.${process.pid}.tmp`, file);
}

/** The paths that were noted. */
export async function notedPaths(datasets: string): Promise<string[]> {
  const folder = join(datasets, FOLDER);
  const names = (await readdir(folder).catch((): string[] => [])).filter((name) => name.endsWith(".json"));
  const paths = await Promise.all(
    names.map(async (name) => (JSON.parse(await readFile(join(folder, name), "utf8")) as PathText).path),
  );
  return paths.toSorted();
}

export const dropPath = async (datasets: string, path: string): Promise<void> =>
  await rm(join(datasets, FOLDER, nameOf(path)), { force: true });
