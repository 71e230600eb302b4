import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions } from "@millwright/contracts";
import { type FeatureView, viewDigest } from "../definition/definition.ts";
import { flushDirectory, type HistoryLog } from "../history/history-log.ts";
import { createFileSegment } from "./file-segment.ts";
import type { LoadedSegment, Segment } from "./segment.ts";
import type { Section, SegmentHeader } from "./segment-format.ts";

/** Below a view's folder: sorted rows as they stand in memory. They can be made again from the history at any time. */
export const SEGMENTS_FOLDER = "_segments";

/** The file of a segment: `MWSEGMT1`, the length of the header (8 bytes), the header as JSON, and from the next multiple of 64 on the sections, little-endian. */
const MAGIC = "MWSEGMT1";
/** Says that a view was asked for while there was no file. */
const ASKED = "asked";
/** Tells apart those that calls in this process write at once. */
let temporaryFiles = 0;

const ALIGNED = 64;
const LEFTOVER_MS = 24 * 3_600_000;
/** Nearly all headers are shorter: one read gives magic, length and header. */
const FIRST_BYTES = 16_384;
const WRITE_BYTES = 1 << 26;
const aligned = (size: number): number => Math.ceil(size / ALIGNED) * ALIGNED;

/** What a segment is of. */
export interface SegmentOrigin {
  readonly view: FeatureView;
  readonly log: HistoryLog;
  readonly batches: ReadonlySet<number>;
  readonly compactions: number;
}

/**
 * Keeps a segment in a file, in the place of those that were kept before. @returns the segment of the file, with its columns in memory still; undefined where the
 * disk takes none, or the history was compacted meanwhile.
 */
export async function saveSegment(origin: SegmentOrigin, segment: LoadedSegment): Promise<Segment | undefined> {
  const { log, view } = origin;
  const folder = join(log.directory, SEGMENTS_FOLDER);
  let temporary: string | undefined;
  try {
    await mkdir(folder, { recursive: true });
    const opened = await openTemporary(folder);
    temporary = opened.path;
    const { header, start } = await writeSegment(opened.handle, origin, segment);
    // A name that no other file has or had: who knows an earlier one must not find this one in its place.
    const { ino, mtimeNs } = await stat(temporary, { bigint: true });
    const path = join(folder, `${shortDigest(view)}-${ino}-${mtimeNs}.segment`);
    await rename(temporary, path);
    await flushDirectory(folder);
    if ((await log.snapshot()).compactions !== origin.compactions) {
      await rm(path, { force: true });
      return undefined;
    }
    await deleteOthers(folder, path);
    return createFileSegment(view, { path, header, start, loaded: segment });
  } catch {
    // Full, or not to be written to: rows are read from the history then, as without it.
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {});
    return undefined;
  }
}

/** A file of our own, whoever else writes here: on another machine a process may have the same number. */
async function openTemporary(folder: string): Promise<{ readonly path: string; readonly handle: FileHandle }> {
  for (;;) {
    const path = join(folder, `${process.pid}-${temporaryFiles++}.tmp`);
    try {
      return { path, handle: await open(path, "wx") };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

async function writeSegment(
  handle: FileHandle,
  { view, batches, compactions }: SegmentOrigin,
  { rows, index, sections: given }: LoadedSegment,
): Promise<{ readonly header: SegmentHeader; readonly start: number }> {
  const sections: Record<string, Section> = {};
  let sizeBytes = 0;
  for (const [name, { byteLength }] of given) {
    sections[name] = { at: sizeBytes, sizeBytes: byteLength };
    sizeBytes += aligned(byteLength);
  }
  const facts = { definition: viewDigest(view), batches: [...batches], compactions, rows, entities: index.length };
  const header: SegmentHeader = { formatVersion: 1, ...facts, sections, sizeBytes };
  const text = Buffer.from(JSON.stringify(header));
  const start = aligned(16 + text.length);
  try {
    const head = Buffer.alloc(start);
    head.write(MAGIC, "latin1");
    head.writeBigUInt64LE(BigInt(text.length), 8);
    text.copy(head, 16);
    await writeAt(handle, head, 0);
    for (const [name, bytes] of given) await writeAt(handle, bytes, start + sections[name]!.at);
    await handle.truncate(start + sizeBytes);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  return { header, start };
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(WRITE_BYTES, bytes.length - done), at + done);
    done += bytesWritten;
  }
}

const shortDigest = (view: FeatureView): string => viewDigest(view).slice("sha256:".length, "sha256:".length + 16);

async function deleteOthers(folder: string, path: string): Promise<void> {
  const { mtimeMs: nowMs } = await stat(path);
  for (const name of await readdir(folder)) {
    const other = join(folder, name);
    if (other === path) continue;
    const changedMs = (await stat(other).catch(() => undefined))?.mtimeMs ?? nowMs;
    // What ends in .tmp may be another's that is being written.
    if (name.endsWith(".segment") || nowMs - changedMs > LEFTOVER_MS) await rm(other, { force: true }).catch(() => {});
  }
}

/** Notes that a view was asked for while no file had its rows. @returns whether that was so before, in whatever process. */
export async function noteAsked({ directory }: Pick<HistoryLog, "directory">): Promise<boolean> {
  const folder = join(directory, SEGMENTS_FOLDER);
  try {
    await mkdir(folder, { recursive: true });
    await (await open(join(folder, ASKED), "wx")).close();
    return false;
  } catch (error) {
    // Where nothing can be noted, no file could be kept either.
    return (
      (error as NodeJS.ErrnoException).code === "EEXIST" &&
      (await readdir(folder).catch((): string[] => [])).includes(ASKED)
    );
  }
}

/**
 * Takes segments of a view away, and what is being written as one. @param current Those read when the history had been compacted so often stay. Default: none.
 * @returns the names of those that went.
 */
export async function deleteSegments(
  { directory }: Pick<HistoryLog, "directory">,
  current?: number,
): Promise<string[]> {
  const folder = join(directory, SEGMENTS_FOLDER);
  const deleted: string[] = [];
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const path = join(folder, name);
    const found = current === undefined ? undefined : await readHeader(path).catch(() => undefined);
    if (found !== undefined && found.header.compactions === current && name.endsWith(".segment")) continue;
    await rm(path, { force: true });
    if (name.endsWith(".segment")) deleted.push(name);
  }
  return deleted;
}

/** A segment in a file, and the batches whose rows it has. */
export interface FoundSegment {
  readonly segment: Segment;
  readonly batches: ReadonlySet<number>;
}

/**
 * The file with the most rows of these batches and no others, as the history is now. One that was cut, or that another version wrote, is not there.
 * @param limitBytes What may be held of it for a read.
 */
export async function findSegment(
  { view, log, batches, compactions }: SegmentOrigin,
  { limitBytes, signal }: CallOptions & { readonly limitBytes: number },
): Promise<FoundSegment | undefined> {
  const folder = join(log.directory, SEGMENTS_FOLDER);
  const names = await readdir(folder).catch((): string[] => []);
  let best: { readonly path: string; readonly header: SegmentHeader; readonly start: number } | undefined;
  for (const name of names) {
    if (!name.startsWith(shortDigest(view)) || !name.endsWith(".segment")) continue;
    const path = join(folder, name);
    const found = await readHeader(path).catch(() => undefined);
    if (found === undefined || found.header.definition !== viewDigest(view)) continue;
    const { header } = found;
    if (header.compactions !== compactions || !header.batches.every((number) => batches.has(number))) continue;
    if (best === undefined || header.rows > best.header.rows) best = { path, ...found };
  }
  if (best === undefined) return undefined;
  signal?.throwIfAborted();
  const segment = createFileSegment(view, best);
  if (segment.leastBytes > limitBytes) return undefined;
  try {
    await segment.load();
  } catch {
    return undefined;
  }
  return { segment, batches: new Set(best.header.batches) };
}

async function readHeader(
  path: string,
): Promise<{ readonly header: SegmentHeader; readonly start: number } | undefined> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    let head = Buffer.alloc(Math.min(FIRST_BYTES, size));
    await handle.read(head, 0, head.length, 0);
    if (head.toString("latin1", 0, 8) !== MAGIC) return undefined;
    const length = Number(head.readBigUInt64LE(8));
    const start = aligned(16 + length);
    if (start > size) return undefined;
    if (16 + length > head.length) {
      head = Buffer.alloc(16 + length);
      await handle.read(head, 0, head.length, 0);
    }
    const header = JSON.parse(head.toString("utf8", 16, 16 + length)) as SegmentHeader;
    return header.formatVersion === 1 && size === start + header.sizeBytes ? { header, start } : undefined;
  } finally {
    await handle.close();
  }
}
