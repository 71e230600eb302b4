import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { changedMeanwhile, writeFailure } from "./errors.ts";
import type { JobFile } from "./job-files.ts";

const blockBytes = 512;

/** Writes the files of a folder as a gzipped tar (POSIX.1-2001): equal files give equal bytes. Whole or not at all. Throws `JOBS_WRITE_FAILED`. */
export async function writeArchive(
  target: string,
  folder: string,
  files: readonly JobFile[],
  signal?: AbortSignal,
): Promise<{ readonly path: string; readonly sizeBytes: number }> {
  const draft = `${target}.draft`;
  try {
    await pipeline(Readable.from(blocksOf(folder, files)), createGzip(), createWriteStream(draft), { signal });
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    signal?.throwIfAborted();
    throw writeFailure(target, error);
  }
  return { path: target, sizeBytes: (await stat(target)).size };
}

async function* blocksOf(folder: string, files: readonly JobFile[]): AsyncGenerator<Uint8Array> {
  for (const { path, sizeBytes } of files) {
    yield* headersOf(path, sizeBytes);
    let bytes = 0;
    for await (const chunk of createReadStream(join(folder, path)) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== sizeBytes) throw changedMeanwhile(join(folder, path));
    yield padding(sizeBytes);
  }
  yield Buffer.alloc(2 * blockBytes);
}

const padding = (sizeBytes: number): Uint8Array => Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes);

/** The header of a file; where its name or size is too much for that, with an extended one before it that has them whole. */
function* headersOf(path: string, sizeBytes: number): Generator<Uint8Array> {
  const fits = /^[\u0020-\u007e]{1,100}$/.test(path) && sizeBytes < 8 ** 11;
  if (!fits) {
    const records = Buffer.from(recordOf("path", path) + recordOf("size", String(sizeBytes)));
    yield headerOf("PaxHeaders/file", records.length, "x");
    yield records;
    yield padding(records.length);
  }
  yield headerOf(fits ? path : "file", fits ? sizeBytes : Math.min(sizeBytes, 8 ** 11 - 1), "0");
}

/** `length key=value\n`, where the length counts its own digits. */
function recordOf(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function headerOf(name: string, sizeBytes: number, type: "0" | "x"): Uint8Array {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, offset: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset, "latin1");
  };
  header.write(name, 0, "latin1");
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(sizeBytes, 124, 12);
  octal(0, 136, 12);
  header.fill(" ", 148, 156);
  header.write(type, 156, "latin1");
  header.write("ustar\u000000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}
