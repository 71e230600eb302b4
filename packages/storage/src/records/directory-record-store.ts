import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  type CallOptions,
  type Clock,
  createIdSource,
  createRandom,
  hashSeed,
  type IdSource,
  type JsonValue,
  type RecordStore,
  type StoredRecord,
  systemClock,
  versionConflict,
} from "@millwright/contracts";
import { formatNewer, recordCorrupt } from "../errors.ts";
import { errorOfFile } from "../file-failure.ts";
import { createFileMutex, type FileMutex } from "../file-lock.ts";
import { flushDirectory } from "../flush-directory.ts";
import { checkKey, recordText } from "../record-text.ts";

export interface DirectoryRecordStoreOptions extends CallOptions {
  /** Spaces the tries of writers that wait for each other. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Names temporary files. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
}

/** What a file holds; one without a value was deleted: its version goes on counting. */
interface RecordFile {
  readonly key: string;
  readonly version: number;
  readonly value?: JsonValue | undefined;
}

interface RecordFiles {
  readonly root: string;
  readonly ids: IdSource;
  readonly mutex: FileMutex;
}

const formatVersion = 1;
const longestName = 200;
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/**
 * Small JSON records as files in a directory, which is made if it is not there, with compare-and-swap among all processes that use it: they write one
 * after another. A write makes a temporary file, flushes it, renames it and flushes the directory: at any crash a record is there as it was or as it
 * became. For many writes a second use a database.
 */
export async function openDirectoryRecordStore(
  path: string,
  { clock = systemClock, ids = createIdSource(clock), signal }: DirectoryRecordStoreOptions = {},
): Promise<RecordStore> {
  signal?.throwIfAborted();
  const random = createRandom(hashSeed(ids.next()));
  const files: RecordFiles = { root: path, ids, mutex: createFileMutex(join(path, "lock"), { clock, random }) };
  try {
    await mkdir(join(path, "records"), { recursive: true });
    await mkdir(join(path, "temporary"), { recursive: true });
    await flushDirectory(path);
    await deleteAbandoned(join(path, "temporary"), clock.nowMs() - abandonedAfterMs);
  } catch (error) {
    throw errorOfFile(path, error);
  }
  return {
    async read(key, options = {}) {
      options.signal?.throwIfAborted();
      checkKey(key);
      return storedRecord(await readRecord(pathOf(path, key)));
    },
    async write(key, value, options = {}) {
      options.signal?.throwIfAborted();
      checkKey(key);
      // Refuses what JSON would change.
      recordText(value);
      return await change(files, key, options.ifVersion, options.signal, (last) => ({ key, version: last + 1, value }));
    },
    async delete(key, options = {}) {
      options.signal?.throwIfAborted();
      checkKey(key);
      await change(files, key, options.ifVersion, options.signal, (last, isThere) =>
        isThere ? { key, version: last } : undefined,
      );
    },
    list: (prefix, options = {}) => listRecords(path, prefix, options.signal),
  };
}

/** @param next What the record becomes, given its last version and whether it is there; undefined: it stays as it is. */
async function change(
  { root, ids, mutex }: RecordFiles,
  key: string,
  ifVersion: number | undefined,
  signal: AbortSignal | undefined,
  next: (lastVersion: number, isThere: boolean) => RecordFile | undefined,
): Promise<number> {
  const file = pathOf(root, key);
  return await mutex.hold(async () => {
    const found = await readRecord(file);
    const current = found?.value === undefined ? 0 : found.version;
    if (ifVersion !== undefined && ifVersion !== current) throw versionConflict(key, ifVersion, current);
    const record = next(found?.version ?? 0, current > 0);
    if (record === undefined) return current;
    await writeRecord(root, join(root, "temporary", ids.next()), file, record);
    return record.version;
  }, signal);
}

async function writeRecord(root: string, temporary: string, file: string, record: RecordFile): Promise<void> {
  const text = JSON.stringify({ formatVersion, ...record });
  try {
    const handle = await open(temporary, "wx");
    try {
      await handle.writeFile(`${checksum(text)}\n${text}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await flushDirectory(join(root, "records"));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw errorOfFile(file, error);
  }
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, "0");

/** Undefined where there is no file. Throws `STORAGE_FILE_CORRUPT`, `STORAGE_FORMAT_NEWER`. */
async function readRecord(file: string): Promise<RecordFile | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw errorOfFile(file, error);
  }
  const [sum = "", body = ""] = text.split("\n", 2);
  if (checksum(body) !== sum) throw recordCorrupt(file);
  const { formatVersion: found, ...record } = JSON.parse(body) as RecordFile & { readonly formatVersion: number };
  if (found > formatVersion) throw formatNewer(file, found, formatVersion);
  return record;
}

function storedRecord(record: RecordFile | undefined): StoredRecord | undefined {
  if (record?.value === undefined) return undefined;
  return { key: record.key, value: record.value, version: record.version };
}

async function* listRecords(
  root: string,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredRecord, void, undefined> {
  signal?.throwIfAborted();
  const found: { readonly key: Buffer; readonly file: string }[] = [];
  for (const name of await readdir(join(root, "records"))) {
    signal?.throwIfAborted();
    const file = join(root, "records", name);
    // A long key is in its file alone.
    const key = keyIn(name) ?? (await readRecord(file))?.key;
    if (key?.startsWith(prefix) === true) found.push({ key: Buffer.from(key), file });
  }
  for (const { file } of found.toSorted((a, b) => Buffer.compare(a.key, b.key))) {
    signal?.throwIfAborted();
    const record = storedRecord(await readRecord(file));
    if (record !== undefined) yield record;
  }
}

/**
 * Names that hold on every file system: lower case, since some tell no more apart; nothing that is a path or a device of Windows; a digest where the
 * key is long.
 */
function pathOf(root: string, key: string): string {
  const plain = [...Buffer.from(key, "utf8")].map((byte) =>
    /[a-z0-9._-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).padStart(2, "0")}`,
  );
  const name = `k-${plain.join("")}`;
  const short = name.length <= longestName ? name : `h-${createHash("sha256").update(key).digest("hex")}`;
  return join(root, "records", `${short}.json`);
}

function keyIn(name: string): string | undefined {
  if (!name.startsWith("k-")) return undefined;
  const encoded = name.slice(2, -".json".length);
  const latin = encoded.replaceAll(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(latin, "latin1").toString("utf8");
}

async function deleteAbandoned(temporary: string, beforeMs: number): Promise<void> {
  for (const name of await readdir(temporary)) {
    const file = join(temporary, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < beforeMs) await rm(file, { force: true });
  }
}
