import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { fileCut } from "./errors.ts";

/**
 * Sees that a compressed file is whole: DuckDB takes the rows of one that was cut for all of them. A `.gz` is unpacked once for it, of a `.zst` only the
 * headers of its blocks are read. Throws `DUCKDB_FILE_CORRUPT`; any other ending is whole.
 */
export async function assertWhole(path: string, signal: AbortSignal | undefined): Promise<void> {
  if (/\.gz$/i.test(path)) await assertGzip(path, signal);
  else if (/\.zst$/i.test(path)) await assertZstd(path, signal);
}

async function assertGzip(path: string, signal: AbortSignal | undefined): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline(createReadStream(path), createGunzip(), nowhere, ...(signal === undefined ? [] : [{ signal }]));
  } catch (error) {
    signal?.throwIfAborted();
    // Only what zlib says is about the content; a file that cannot be read has its own error later.
    if (error instanceof Error && "errno" in error && "code" in error && String(error.code).startsWith("Z_"))
      throw fileCut(path, error.message, error);
  }
}

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;

/** Walks frames and blocks by their headers: RFC 8878, section 3.1. */
async function assertZstd(path: string, signal: AbortSignal | undefined): Promise<void> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size === 0) throw fileCut(path, "it is empty");
    for (let at = 0; at < size;) {
      signal?.throwIfAborted();
      const end = await frameEnd(file, at, signal);
      if (end === undefined || end > size) throw fileCut(path, "its last frame has no end");
      at = end;
    }
  } finally {
    await file.close();
  }
}

/** @returns where the frame ends; undefined where its headers do, or are none. */
async function frameEnd(file: FileHandle, start: number, signal: AbortSignal | undefined): Promise<number | undefined> {
  const bytes = Buffer.alloc(8);
  const read = async (at: number, length: number): Promise<boolean> =>
    (await file.read(bytes, 0, length, at)).bytesRead === length;
  if (!(await read(start, 5))) return undefined;
  const magic = bytes.readUInt32LE(0);
  if ((magic & 0xfffffff0) >>> 0 === skippableMagic)
    return (await read(start + 4, 4)) ? start + 8 + bytes.readUInt32LE(0) : undefined;
  if (magic !== frameMagic) return undefined;
  const descriptor = bytes[4] as number;
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  let at = start + 5 + (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (;;) {
    signal?.throwIfAborted();
    if (!(await read(at, 3))) return undefined;
    const header = bytes.readUIntLE(0, 3);
    const kind = (header >> 1) & 3;
    if (kind === 3) return undefined;
    // A run-length block holds one byte, however many it stands for.
    at += 3 + (kind === 1 ? 1 : header >> 3);
    if ((header & 1) === 1) return at + ((descriptor & 4) !== 0 ? 4 : 0);
  }
}
