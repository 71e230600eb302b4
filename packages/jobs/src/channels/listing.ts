import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { inputMissing } from "../errors.ts";
import type { LinkedFile } from "../job-files.ts";
import { readAugmentedManifest, readManifest } from "./manifest.ts";
import type { TrainingChannel } from "./training-channel.ts";

/** A file of a channel: its path below the channel's folder, with `/` between names, and where it is. */
export interface ChannelFile extends LinkedFile {
  readonly source: string;
}

/** What a channel sends as one: a file, or the attributes of a record. */
export type ChannelItem = readonly (ChannelFile | { readonly text: string })[];

export type PathChannel = Extract<TrainingChannel, { readonly path: string }>;

async function fileAt(name: string, path: string, source: string): Promise<ChannelFile> {
  const found = await stat(source).catch((error: unknown) => {
    throw inputMissing(name, source, error);
  });
  if (!found.isFile()) throw inputMissing(name, source, undefined);
  return { path, source, sizeBytes: found.size, modifiedMs: Math.floor(found.mtimeMs) };
}

/** Calls for many at a time, and keeps their order. */
async function inOrder<Item, Result>(items: readonly Item[], call: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let place = 0; place < items.length; place += 64)
    results.push(...(await Promise.all(items.slice(place, place + 64).map(call))));
  return results;
}

/** The files of a channel in the order in which they are shared out: of a folder by their paths, of a manifest as it names them. Nothing is read of them. */
export async function filesOf(name: string, channel: PathChannel): Promise<readonly ChannelFile[]> {
  const path = resolve(channel.path);
  if (channel.dataType === "ManifestFile") {
    const named = await readManifest(name, path, channel.locations ?? {});
    return inOrder(named, (file) => fileAt(name, file.path, file.source));
  }
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() === true) return [await fileAt(name, basename(path), path)];
  if (found === undefined && channel.dataType !== "S3Prefix") throw inputMissing(name, path, undefined);
  const root = found === undefined ? dirname(path) : path;
  const sources = (await pathsBelow(root)).filter((each) => found !== undefined || each.startsWith(path));
  if (sources.length === 0 && found === undefined) throw inputMissing(name, path, undefined);
  const named = sources.map((source) => ({ source, path: relative(root, source).replaceAll("\\", "/") }));
  return inOrder(
    named.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    (file) => fileAt(name, file.path, file.source),
  );
}

/** Links are followed, as they are when a folder is copied. */
async function pathsBelow(folder: string): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isFolderAt(path)));
    if (isFolder) paths.push(...(await pathsBelow(path)));
    else paths.push(path);
  }
  return paths;
}

const isFolderAt = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

/** What a channel's pipe sends, in the order in which it is shared out. */
export async function itemsOf(name: string, channel: PathChannel): Promise<readonly ChannelItem[]> {
  if (channel.dataType !== "AugmentedManifestFile") return (await filesOf(name, channel)).map((file) => [file]);
  const { attributeNames = [], locations = {} } = channel;
  const records = await readAugmentedManifest(name, resolve(channel.path), { attributeNames, locations });
  return inOrder(records, (record) =>
    Promise.all(record.map(async (part) => ("text" in part ? part : fileAt(name, basename(part.source), part.source)))),
  );
}
