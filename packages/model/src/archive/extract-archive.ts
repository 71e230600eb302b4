import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { type CallOptions, type Digest, type ModelFile, MillwrightError } from "@millwright/contracts";
import { replaceAtomically } from "../package-files.ts";
import { archiveInvalid, archiveTooLarge, archiveUnsafe } from "../trust-errors.ts";
import { type ArchiveLimits, type EntryPolicy, createEntryPolicy, defaultEntries } from "./entry-policy.ts";
import { type RandomBytes, bytesOfFile } from "../random-bytes.ts";
import { type OpenedEntry, readTar } from "./tar-reader.ts";
import { readZip } from "./zip-reader.ts";

export interface ExtractArchiveOptions extends CallOptions {
  readonly limits?: ArchiveLimits | undefined;
  /** Whether archives and compressed files within the archive are kept, as the files they are. Default: false, they are refused. */
  readonly keepNested?: boolean | undefined;
}

/** What was extracted. */
export interface ExtractedArchive {
  readonly kind: "tar" | "tar.gz" | "zip";
  /** In the archive's order. */
  readonly files: readonly ModelFile[];
  readonly totalBytes: number;
}

/**
 * Extracts a tar, a tar.gz or a zip, told apart by their bytes, into a directory that is absent or empty: whole, or not at all. Entries are read one by one in constant memory; rights and times
 * are not taken over, and the directory is for this process's user alone.
 * Refuses names that lead out of the directory, that not every system allows or that some system takes for another's; links, devices and sparse files; encrypted, overlapping and hidden entries; what is damaged or cut off;
 * and what is larger than its limits.
 * @param source A path, or the archive's bytes.
 * Throws `MODEL_ARCHIVE_UNSAFE`, `MODEL_ARCHIVE_TOO_LARGE`, `MODEL_ARCHIVE_INVALID`, `MODEL_DIRECTORY_OCCUPIED`, `MODEL_WRITE_FAILED`.
 */
export async function extractArchive(
  source: string | AsyncIterable<Uint8Array>,
  directory: string,
  { limits = {}, keepNested = false, signal }: ExtractArchiveOptions = {},
): Promise<ExtractedArchive> {
  signal?.throwIfAborted();
  let extracted: ExtractedArchive | undefined;
  await replaceAtomically(
    directory,
    async (partial) => {
      const spool = join(partial, `.archive-${randomBytes(8).toString("hex")}`);
      const file =
        typeof source === "string" ? await openArchive(source) : await spooled(source, spool, limits, signal);
      try {
        extracted = await extractFrom(await bytesOfFile(file), partial, { limits, keepNested, signal });
      } finally {
        await file.close();
        await rm(spool, { force: true });
      }
    },
    0o700,
  );
  return extracted as unknown as ExtractedArchive;
}

async function openArchive(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, "r");
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    throw archiveInvalid(`"${path}" cannot be opened: ${(error as Error).message}`, error);
  }
  throw archiveInvalid(`"${path}" is no file`);
}

/** A zip is read from its end, so what comes as a stream is written down first. */
async function spooled(
  source: AsyncIterable<Uint8Array>,
  path: string,
  { totalBytes = 16 * 2 ** 30 }: ArchiveLimits,
  signal: AbortSignal | undefined,
): Promise<FileHandle> {
  const file = await open(path, "wx+", 0o600);
  try {
    let sizeBytes = 0;
    for await (const chunk of source) {
      signal?.throwIfAborted();
      if ((sizeBytes += chunk.length) > totalBytes)
        throw archiveTooLarge(`it has itself more than ${totalBytes} bytes`, "totalBytes");
      await file.writeFile(chunk);
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function extractFrom(
  bytes: RandomBytes,
  directory: string,
  { limits, keepNested, signal }: Required<Pick<ExtractArchiveOptions, "limits" | "keepNested">> & CallOptions,
): Promise<ExtractedArchive> {
  const policy = createEntryPolicy(limits ?? {}, bytes.sizeBytes);
  const { kind, entries } = await openEntries(bytes, policy, limits?.entries ?? defaultEntries);
  const files: ModelFile[] = [];
  for await (const entry of entries) {
    signal?.throwIfAborted();
    const path = policy.accept(entry);
    if (path === undefined) continue;
    const target = join(directory, ...path.split("/"));
    await mkdir(entry.kind === "folder" ? target : dirname(target), { recursive: true, mode: 0o700 });
    if (entry.kind === "folder") continue;
    files.push({ path, ...(await writeEntry(entry, target, { policy, keepNested: keepNested === true, signal })) });
  }
  return { kind, files, totalBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

async function openEntries(
  bytes: RandomBytes,
  policy: EntryPolicy,
  mostEntries: number,
): Promise<{ readonly kind: ExtractedArchive["kind"]; readonly entries: AsyncIterable<OpenedEntry> }> {
  const head = await bytes.at(0, Math.min(512, bytes.sizeBytes));
  if (head.length === 0) throw archiveInvalid("it is empty");
  if (head[0] === 0x50 && head[1] === 0x4b) return { kind: "zip", entries: readZip(bytes, mostEntries) };
  if (head[0] === 0x1f && head[1] === 0x8b) return { kind: "tar.gz", entries: readTar(gunzipped(bytes, policy)) };
  return { kind: "tar", entries: readTar(bytes.stream(0, bytes.sizeBytes)) };
}

async function* gunzipped(bytes: RandomBytes, policy: EntryPolicy): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  // Errors reach us through the iteration.
  pipeline(bytes.stream(0, bytes.sizeBytes), gunzip, () => {});
  try {
    for await (const piece of gunzip) {
      policy.countRaw((piece as Buffer).length);
      yield piece as Buffer;
    }
  } catch (error) {
    if (error instanceof MillwrightError) throw error;
    throw archiveInvalid(`it cannot be decompressed: ${(error as Error).message}`, error);
  } finally {
    gunzip.destroy();
  }
}

async function writeEntry(
  { name, body }: OpenedEntry,
  target: string,
  { policy, keepNested, signal }: { readonly policy: EntryPolicy; readonly keepNested: boolean } & CallOptions,
): Promise<{ digest: Digest; sizeBytes: number }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let head: Uint8Array = new Uint8Array();
  // Never an entry's file that is there already.
  const file = await open(target, "wx", 0o600);
  try {
    for await (const piece of body) {
      signal?.throwIfAborted();
      policy.count(piece.length);
      if (!keepNested && head.length < 512) {
        head = Buffer.concat([head, piece.subarray(0, 512 - head.length)]);
        const nested = nestedKind(head);
        if (nested !== undefined) throw archiveUnsafe(name, `is itself ${nested}`);
      }
      hash.update(piece);
      sizeBytes += piece.length;
      await file.writeFile(piece);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { digest: `sha256:${hash.digest("hex")}` as Digest, sizeBytes };
}

const nestedMarks: readonly (readonly [kind: string, offset: number, mark: string])[] = [
  ["a zip", 0, "PK\x03\x04"],
  ["an empty zip", 0, "PK\x05\x06"],
  ["compressed by gzip", 0, "\x1f\x8b\x08"],
  ["compressed by bzip2", 0, "BZh"],
  ["compressed by xz", 0, "\xfd7zXZ\0"],
  ["compressed by zstd", 0, "\x28\xb5\x2f\xfd"],
  ["a 7z archive", 0, "7z\xbc\xaf\x27\x1c"],
  ["a rar archive", 0, "Rar!\x1a\x07"],
  ["a tar", 257, "ustar"],
];

/** What kind of archive begins so, if it is one. */
function nestedKind(head: Uint8Array): string | undefined {
  const text = Buffer.from(head).toString("latin1");
  return nestedMarks.find(([, offset, mark]) => text.startsWith(mark, offset))?.[0];
}
