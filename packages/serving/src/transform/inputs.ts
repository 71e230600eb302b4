import { createReadStream } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { pipeline } from "node:stream";
import { fileURLToPath } from "node:url";
import { createGunzip } from "node:zlib";
import type { ArtifactStore, Batch, CallOptions, Dataset, Digest } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { transformInputMissing, transformInvalid } from "./errors.ts";

/** Bytes under a name: what becomes one output. Wherever it is: give your own for stores that are not known here. */
export interface TransformObject {
  /** Its output is `<key>.out`, below the output folder; with `/` between folders. */
  readonly key: string;
  readonly sizeBytes?: number | undefined;
  /** Changes when the content does: an ETag, a time and size. An object that is done is done again where it differs. */
  readonly version?: string | undefined;
  /** Its bytes from the beginning; called again when the job goes on. */
  open(options?: CallOptions): AsyncIterable<Uint8Array>;
}

/** A manifest as SageMaker's `ManifestFile`: `[{ "prefix": "s3://bucket/folder/" }, "a.csv", "b.csv"]`. */
export interface ManifestInput {
  readonly manifest: string;
  /** Where beginnings of what it names are on this machine: `{ "s3://bucket/": "/data/" }`. */
  readonly locations?: Readonly<Record<string, string>> | undefined;
  /** Opens what is not on this machine. */
  readonly open?: ((uri: string, options: CallOptions) => AsyncIterable<Uint8Array>) | undefined;
}

/** Rows that become one object of JSON lines: of this process, or of a dataset (Parquet and the like, through `openDuckDb().scan`). */
export interface RowsInput {
  /** Default: `"rows"`. */
  readonly key?: string | undefined;
  readonly rows: Dataset | Iterable<object> | AsyncIterable<object>;
}

/** A file, a folder, or what a prefix begins; several of them; a manifest; rows; objects of any store. */
export type TransformInput =
  | string
  | URL
  | readonly (string | URL)[]
  | ManifestInput
  | RowsInput
  | { readonly objects: readonly TransformObject[] };

/** The objects of an input, in the order of their keys; of a list and a manifest, in theirs. Throws `SERVING_TRANSFORM_INPUT_MISSING`, `SERVING_TRANSFORM_INVALID`. */
export async function objectsOf(
  input: TransformInput,
  { output, signal }: { readonly output: string } & CallOptions,
): Promise<readonly TransformObject[]> {
  signal?.throwIfAborted();
  const objects = await listObjects(input, output);
  const keys = new Set<string>();
  for (const { key } of objects) {
    if (
      key === "" ||
      key.startsWith("/") ||
      key.split(/[/\\]/).some((part) => part === ".." || part === "." || part === "")
    )
      throw transformInvalid(`${JSON.stringify(key)} is no name of an output`, "Name objects by paths below a folder.");
    if (keys.has(key))
      throw transformInvalid(`two inputs are named "${key}"`, "Give them one folder in common, or keys of their own.");
    keys.add(key);
  }
  return objects;
}

async function listObjects(input: TransformInput, output: string): Promise<readonly TransformObject[]> {
  if (typeof input === "string" || input instanceof URL) return filesAt(pathOf(input), output);
  if ("objects" in input) return input.objects;
  if ("manifest" in input) return manifestObjects(input);
  if ("rows" in input) return [rowsObject(input)];
  return (await Promise.all(input.map((each) => filesAt(pathOf(each), output)))).flat();
}

const pathOf = (path: string | URL): string =>
  resolve(path instanceof URL || path.startsWith("file:") ? fileURLToPath(path) : path);

async function filesAt(path: string, output: string): Promise<readonly TransformObject[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() === true) return [await fileObject(basename(path), path)];
  // What a job writes must not be what its next start reads.
  if (`${output}${sep}`.startsWith(found === undefined ? path : `${path}${sep}`))
    throw transformInvalid(`its output "${output}" lies in its input "${path}"`, "Give a folder of its own.");
  const root = found === undefined ? dirname(path) : path;
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw transformInputMissing(path, error);
  });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((each) => found !== undefined || each.startsWith(path));
  if (paths.length === 0) throw transformInputMissing(path);
  const named = paths.map((each) => ({ key: relative(root, each).replaceAll("\\", "/"), path: each }));
  const objects: TransformObject[] = [];
  for (const { key, path: each } of named.toSorted((a, b) => (a.key < b.key ? -1 : 1)))
    objects.push(await fileObject(key, each));
  return objects;
}

async function fileObject(key: string, path: string): Promise<TransformObject> {
  const found = await stat(path).catch((error: unknown) => {
    throw transformInputMissing(path, error);
  });
  return {
    key,
    sizeBytes: found.size,
    version: `${found.size}-${found.mtimeMs}`,
    open: ({ signal } = {}) => readPieces(path, signal),
  };
}

async function* readPieces(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    throw transformInputMissing(path, error);
  }
}

async function manifestObjects({ manifest, locations = {}, open }: ManifestInput): Promise<readonly TransformObject[]> {
  const text = await readFile(manifest, "utf8").catch((error: unknown) => {
    throw transformInputMissing(manifest, error);
  });
  const [prefix, names] = manifestParts(manifest, text);
  const objects: TransformObject[] = [];
  for (const name of names) {
    const uri = prefix + name;
    const path = localPath(uri, manifest, locations);
    if (path !== undefined) objects.push(await fileObject(name, path));
    else if (open !== undefined) objects.push({ key: name, version: uri, open: (options = {}) => open(uri, options) });
    else
      throw transformInvalid(
        `"${uri}", which "${manifest}" names, is not on this machine`,
        "Say by `locations` where it is, or open it by `open`.",
      );
  }
  return objects;
}

function manifestParts(path: string, text: string): readonly [string, readonly string[]] {
  const wrong = (problem: string): Error =>
    transformInvalid(`the manifest "${path}" ${problem}`, 'Write it as [{ "prefix": "…" }, "a", "b"].');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong("is no JSON");
  }
  const [first, ...names] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  if (first === null || typeof first !== "object" || !("prefix" in first) || typeof first.prefix !== "string")
    throw wrong("does not begin with a prefix");
  if (!names.every((name) => typeof name === "string")) throw wrong("names something that is no text");
  return [first.prefix, names];
}

/** The longest beginning that is known says where it is; else a path is one of this machine, a URL of another scheme is not. */
function localPath(uri: string, manifest: string, locations: Readonly<Record<string, string>>): string | undefined {
  const [found] = Object.entries(locations)
    .filter(([beginning]) => uri.startsWith(beginning))
    .toSorted(([a], [b]) => b.length - a.length);
  if (found !== undefined) return join(found[1], uri.slice(found[0].length));
  if (uri.startsWith("file:")) return fileURLToPath(uri);
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(uri) ? undefined : resolve(dirname(manifest), uri);
}

function rowsObject({ key = "rows", rows }: RowsInput): TransformObject {
  return {
    key,
    async *open({ signal } = {}) {
      const walked = "batches" in rows ? rowsOfDataset(rows, signal) : rows;
      let lines: string[] = [];
      let size = 0;
      for await (const row of walked) {
        signal?.throwIfAborted();
        const line = `${JSON.stringify(row, jsonCell)}\n`;
        lines.push(line);
        size += line.length;
        if (size < 1 << 18) continue;
        yield Buffer.from(lines.join(""));
        lines = [];
        size = 0;
      }
      if (lines.length > 0) yield Buffer.from(lines.join(""));
    },
  };
}

/** 64-bit integers beyond what a number holds are texts, which is how JSON carries them to a model. */
const jsonCell = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? (Number.isSafeInteger(Number(value)) ? Number(value) : String(value)) : value;

async function* rowsOfDataset(
  dataset: Dataset,
  signal: AbortSignal | undefined,
): AsyncGenerator<object, void, undefined> {
  for await (const batch of dataset.batches({ signal, batchRows: 8192 })) yield* rowsOfBatch(batch);
}

function* rowsOfBatch(batch: Batch): Generator<object, void, undefined> {
  const columns = Object.entries(batch.columns).map(([name, column]) => [name, toArray(column)] as const);
  for (let row = 0; row < batch.length; row += 1)
    yield Object.fromEntries(columns.map(([name, values]) => [name, values[row]]));
}

/** An artifact of a store as an object. */
export const artifactObject = (store: ArtifactStore, digest: Digest, key: string): TransformObject => ({
  key,
  version: digest,
  open: (options) => store.open(digest, options),
});

/** The bytes of an object, unpacked where they are compressed. */
export async function* openContent(
  object: TransformObject,
  compression: "None" | "Gzip",
  { signal }: CallOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = object.open({ signal });
  if (compression === "None") {
    yield* bytes;
    return;
  }
  const unpacked = createGunzip({ chunkSize: 1 << 18 });
  // Failures of either end come out of the reading.
  pipeline(bytes, unpacked, () => {});
  yield* unpacked as AsyncIterable<Uint8Array>;
}
