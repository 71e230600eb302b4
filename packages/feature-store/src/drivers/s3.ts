import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import type { CallOptions } from "@millwright/contracts";
import { historyCorrupt, historyNotACopy, writeFailure } from "../errors.ts";
import { countedParts, openHistoryLog } from "../history/history-log.ts";
import { type Bucket, type CopiedFile, digestOfFile, openBucket, type S3Client } from "../remote/s3-bucket.ts";
import { onlineBusy } from "../keyed/keyed-errors.ts";
import { sideBySide } from "../remote/side-by-side.ts";

export type { S3Client } from "../remote/s3-bucket.ts";

export interface HistoryCopyOptions extends CallOptions {
  /** The folder of the history. */
  readonly history: string;
  readonly bucket: string;
  /** What the names of all objects begin with. Default: `"features/"`. */
  readonly prefix?: string | undefined;
}

export interface UploadResult {
  readonly files: number;
  /** Files that were not there yet. */
  readonly uploadedFiles: number;
  readonly uploadedBytes: number;
  /** Objects that no history names any more: what was compacted or forgotten. */
  readonly deletedFiles: number;
}

export interface DownloadResult {
  readonly files: number;
  readonly downloadedFiles: number;
  readonly downloadedBytes: number;
  readonly deletedFiles: number;
}

/** Says that a folder is a copy, and what was in it when it was made. */
const COPY = "_s3-copy.json";
const ENTRIES = "/_batches/";
const MOST_ATTEMPTS = 5;
/** Written by this process so far: two downloads into one folder have drafts of their own. */
let drafts = 0;

/**
 * Copies a history to a bucket of S3, or of anything that speaks as it does: Parquet files and entries, each once, and then the list of them,
 * so that whoever downloads sees a whole history or the one before. Files that the history no longer has, as after `compact` and `forget`, are
 * deleted there. S3 checks the digest of each file. One folder is uploaded to a prefix; call `flush` of its store first.
 *
 * @param client An `S3` of `@aws-sdk/client-s3`; the caller destroys it.
 * Throws `FEATURE_STORE_ONLINE_UNREACHABLE`, `FEATURE_STORE_ONLINE_BUSY`, `FEATURE_STORE_ONLINE_REFUSED`.
 */
export async function uploadHistory(client: S3Client, options: HistoryCopyOptions): Promise<UploadResult> {
  const { bucket, prefix = "features/", signal } = options;
  const root = resolve(options.history);
  const place = openBucket(client, { bucket, prefix }, signal);
  let uploadedFiles = 0;
  let uploadedBytes = 0;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const there = await place.manifest();
    const known = new Map((there?.manifest.files ?? []).map((file) => [file.path, file]));
    const files = await sideBySide(await pathsOf(root), async (path): Promise<CopiedFile | undefined> => {
      signal?.throwIfAborted();
      const from = join(root, path);
      const sizeBytes = (await stat(from).catch(() => undefined))?.size;
      if (sizeBytes === undefined) return undefined;
      const old = known.get(path);
      if (old?.sizeBytes === sizeBytes) return old;
      const file = { path, sizeBytes, sha256: await digestOfFile(from) };
      await place.putFile(file, from);
      uploadedFiles++;
      uploadedBytes += sizeBytes;
      return file;
    });
    // A file that a compaction took away meanwhile has another in its place: the list is made anew.
    const whole = files.filter((file) => file !== undefined);
    if (whole.length < files.length) continue;
    if (!(await place.putManifest({ formatVersion: 1, files: whole }, there?.etag))) continue;
    const deletedFiles = await place.deleteOthers(new Set(whole.map(({ path }) => path)));
    return { files: whole.length, uploadedFiles, uploadedBytes, deletedFiles };
  }
  throw onlineBusy(
    `the copy of ${root} in the bucket "${bucket}"`,
    "the history, or what lists it, changed while it was copied, several times",
    "Upload when there is less to do, and from one process only.",
  );
}

/** The files that count, of all views: entries and the Parquet files that they name. */
async function pathsOf(root: string): Promise<string[]> {
  const paths: string[] = [];
  for (const view of (await readdir(root, { withFileTypes: true })).filter((each) => each.isDirectory())) {
    const entries = join(root, view.name, "_batches");
    if ((await stat(entries).catch(() => undefined)) === undefined) continue;
    const snapshot = await (await openHistoryLog(root, view.name)).snapshot();
    for (const { part } of countedParts(snapshot.batches)) paths.push(`${view.name}/${part.path}`);
    for (const { quarantine } of snapshot.batches) {
      if (quarantine !== undefined) paths.push(`${view.name}/${quarantine.path}`);
    }
    for (const name of snapshot.names) paths.push(`${view.name}${ENTRIES}${name}`);
  }
  return paths;
}

/**
 * Makes a folder a copy of the history in a bucket, or brings one up to date: files that are there are not fetched again, each that is fetched
 * has the digest that the list says, and entries come last, so that a reader of the folder never meets one without its files. Open a store on
 * it to read; what is written to it cannot be kept, and makes the next call throw `FEATURE_STORE_HISTORY_NOT_A_COPY`.
 *
 * Throws `FEATURE_STORE_HISTORY_CORRUPT`, `FEATURE_STORE_WRITE_FAILED`, `FEATURE_STORE_ONLINE_UNREACHABLE`, `FEATURE_STORE_ONLINE_BUSY`,
 * `FEATURE_STORE_ONLINE_REFUSED`, this also where there is no history in the bucket.
 */
export async function downloadHistory(client: S3Client, options: HistoryCopyOptions): Promise<DownloadResult> {
  const { bucket, prefix = "features/", signal } = options;
  const root = resolve(options.history);
  const place = openBucket(client, { bucket, prefix }, signal);
  const before = await copiedBefore(root);
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const there = await place.manifest();
    if (there === undefined) throw historyNotACopy(root, `there is no history under ${bucket}/${prefix}`);
    const { files } = there.manifest;
    for (const { path } of files) checkInside(root, path);
    await checkOwn(root, new Set([...before, ...files.map(({ path }) => path)]));
    await writeList(root, [...new Set([...before, ...files.map(({ path }) => path)])]);
    const isEntry = ({ path }: CopiedFile): boolean => path.includes(ENTRIES);
    const parts = await fetchFiles(
      place,
      root,
      files.filter((file) => !isEntry(file)),
    );
    const entries = parts === undefined ? undefined : await fetchFiles(place, root, files.filter(isEntry));
    // A newer list came, and what only the old one names is deleted.
    if (parts === undefined || entries === undefined) continue;
    const deletedFiles = await deleteOthers(root, before, new Set(files.map(({ path }) => path)));
    await writeList(
      root,
      files.map(({ path }) => path),
    );
    const fetched = [...parts, ...entries];
    const downloadedBytes = fetched.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { files: files.length, downloadedFiles: fetched.length, downloadedBytes, deletedFiles };
  }
  const remedy = "Download again when less is uploaded.";
  throw onlineBusy(`the history under ${bucket}/${prefix}`, "it changed while it was fetched, several times", remedy);
}

/** The paths that were fetched into the folder before. A folder that has none must be empty or missing. */
async function copiedBefore(root: string): Promise<readonly string[]> {
  await mkdir(root, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(root, error);
  });
  const text = await readFile(join(root, COPY), "utf8").catch(() => undefined);
  if (text !== undefined) return listIn(root, text);
  if ((await readdir(root)).length > 0) throw historyNotACopy(root, "it has files, and was not made by a download");
  return [];
}

function listIn(root: string, text: string): readonly string[] {
  try {
    return (JSON.parse(text) as { readonly files: readonly string[] }).files;
  } catch {
    throw historyNotACopy(root, `its ${COPY} is not what a download writes`);
  }
}

/** Whole or not at all, so that a process that is killed leaves the list it found. */
async function writeList(root: string, files: readonly string[]): Promise<void> {
  const target = join(root, COPY);
  const draft = `${target}.${process.pid}-${++drafts}.tmp`;
  try {
    await writeFile(draft, JSON.stringify({ formatVersion: 1, files }), { flush: true });
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw writeFailure(root, error);
  }
}

/** What this process wrote to the copy would be lost. */
async function checkOwn(root: string, known: ReadonlySet<string>): Promise<void> {
  for (const view of (await readdir(root, { withFileTypes: true })).filter((each) => each.isDirectory())) {
    const names = await readdir(join(root, view.name, "_batches")).catch(() => []);
    const own = names.find((name) => name.endsWith(".json") && !known.has(`${view.name}${ENTRIES}${name}`));
    if (own !== undefined) throw historyNotACopy(root, `rows were written to its view "${view.name}"`);
  }
}

/** Names come from elsewhere. */
function checkInside(root: string, path: string): void {
  if (!resolve(root, path).startsWith(root + sep)) {
    throw historyCorrupt(path.split("/")[0]!, path, "is listed, and outside of the history");
  }
}

/** @returns those that were not there; undefined where one is gone. */
async function fetchFiles(
  place: Bucket,
  root: string,
  files: readonly CopiedFile[],
): Promise<readonly CopiedFile[] | undefined> {
  const fetched = await sideBySide(files, async (file): Promise<"there" | "gone" | CopiedFile> => {
    const target = join(root, file.path);
    if ((await stat(target).catch(() => undefined))?.size === file.sizeBytes) return "there";
    const body = await place.getFile(file.path);
    if (body === undefined) return "gone";
    await mkdir(dirname(target), { recursive: true });
    const temporary = `${target}.${process.pid}-${++drafts}.tmp`;
    try {
      const sha256 = await writeBody(temporary, body);
      if (sha256 !== file.sha256) {
        throw historyCorrupt(file.path.split("/")[0]!, file.path, "came with another digest than its list says");
      }
      await rename(temporary, target);
    } catch (error) {
      throw writeFailure(root, error);
    } finally {
      await rm(temporary, { force: true });
    }
    return file;
  });
  if (fetched.includes("gone")) return undefined;
  return fetched.filter((each) => typeof each !== "string");
}

/** @returns the digest of what was written, once the disk has it. */
async function writeBody(path: string, body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  const handle = await open(path, "w");
  try {
    for await (const part of body) {
      hash.update(part);
      await handle.writeFile(part);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return hash.digest("hex");
}

/** Entries go before the files that they name. */
async function deleteOthers(root: string, before: readonly string[], kept: ReadonlySet<string>): Promise<number> {
  const others = before.filter((path) => !kept.has(path));
  const last = (path: string): number => (path.includes(ENTRIES) ? 0 : 1);
  for (const path of others.toSorted((a, b) => last(a) - last(b))) await rm(join(root, path), { force: true });
  return others.length;
}
