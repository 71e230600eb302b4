import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type CallOptions, type JsonObject, type JsonValue, isMillwrightError } from "@millwright/contracts";
import { checkpointCorrupt, writeFailure } from "./errors.ts";

/** A tensor's raw bytes in a checkpoint. */
export interface CheckpointPart {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32";
  readonly data: Float32Array | Int32Array;
}

export interface Checkpoint {
  /** What the writer put beside the tensors: cursor, callbacks' state, fingerprint. */
  readonly state: JsonObject;
  readonly parts: readonly CheckpointPart[];
}

const magic = Buffer.from("MWCKPT01", "latin1");
const digestAt = magic.length;
const lengthAt = digestAt + 32;
const headerAt = lengthAt + 8;

/**
 * One file: eight bytes that say what it is, the SHA-256 of all that follows, the header's length (64 bits, little-endian), the header as
 * JSON, and the tensors' bytes as they are in memory.
 */
export function encodeCheckpoint({ state, parts }: Checkpoint): Buffer {
  const bytesOf = ({ data }: CheckpointPart): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let offset = 0;
  const entries = parts.map((part) => {
    const entry = { name: part.name, shape: part.shape, dtype: part.dtype, offset, sizeBytes: part.data.byteLength };
    offset += part.data.byteLength;
    return entry;
  });
  const header = Buffer.from(JSON.stringify({ formatVersion: 1, state, parts: entries }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const rest = [length, header, ...parts.map(bytesOf)];
  const hash = createHash("sha256");
  for (const piece of rest) hash.update(piece);
  return Buffer.concat([magic, hash.digest(), ...rest]);
}

interface HeaderPart {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32";
  readonly offset: number;
  readonly sizeBytes: number;
}

interface Header {
  readonly formatVersion: JsonValue;
  readonly state: JsonObject;
  readonly parts: readonly HeaderPart[];
}

function headerIn(text: string, path: string): Header {
  try {
    return JSON.parse(text) as Header;
  } catch (error) {
    throw checkpointCorrupt(path, `its header is no JSON (${(error as Error).message})`);
  }
}

/** Throws `TRAINER_CHECKPOINT_CORRUPT`. @param path For the message. */
export function decodeCheckpoint(bytes: Buffer, path: string): Checkpoint {
  if (bytes.length < headerAt || !bytes.subarray(0, digestAt).equals(magic)) {
    throw checkpointCorrupt(path, "it is not a checkpoint, or was cut short");
  }
  const actual = createHash("sha256").update(bytes.subarray(lengthAt)).digest();
  if (!actual.equals(bytes.subarray(digestAt, lengthAt))) throw checkpointCorrupt(path, "its bytes have changed");
  const bodyAt = headerAt + Number(bytes.readBigUInt64LE(lengthAt));
  const header = headerIn(bytes.toString("utf8", headerAt, bodyAt), path);
  if (header.formatVersion !== 1) {
    throw checkpointCorrupt(path, `its format version is ${JSON.stringify(header.formatVersion)}, not 1`);
  }
  return {
    state: header.state,
    parts: header.parts.map(({ offset, sizeBytes, ...part }) => {
      // A copy begins where a typed array of 32-bit numbers may begin.
      const copy = Uint8Array.from(bytes.subarray(bodyAt + offset, bodyAt + offset + sizeBytes)).buffer;
      return { ...part, data: part.dtype === "int32" ? new Int32Array(copy) : new Float32Array(copy) };
    }),
  };
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return; // it has no such thing
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeThrough(path: string, bytes: Buffer | string): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function replaceFile(path: string, bytes: Buffer | string): Promise<void> {
  const draft = `${path}.draft`;
  try {
    await writeThrough(draft, bytes);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw writeFailure(path, error);
  }
  await syncDirectory(dirname(path));
}

const largestSequence = 999_999_999_999;
/** Its file's name. */
export const checkpointName = (sequence: number): string => `checkpoint-${String(sequence).padStart(12, "0")}.bin`;
const pattern = /^checkpoint-(\d{12})\.bin$/;

/** Writes one checkpoint's file, whole or not at all. Throws `TRAINER_WRITE_FAILED`. */
export const replaceCheckpoint = (path: string, checkpoint: Checkpoint): Promise<void> =>
  replaceFile(path, encodeCheckpoint(checkpoint));

/** Sequence numbers of the whole files there are, newest first. */
async function sequencesIn(directory: string): Promise<readonly number[]> {
  const names = await readdir(directory).catch(() => [] as string[]);
  return names
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => b - a);
}

/**
 * Writes a checkpoint whole or not at all (draft, fsync, rename), then moves `latest` to it, then deletes all but it and the one before.
 * When it resolves, the checkpoint survives a crash; once begun, it is written to the end. Sequence numbers grow;
 * they are whole, from 0, of at most 12 digits (RangeError).
 * Throws `TRAINER_WRITE_FAILED` where the disk is full or refuses; the checkpoints there stay as they are.
 */
export async function writeCheckpoint(
  directory: string,
  sequence: number,
  checkpoint: Checkpoint,
  { signal }: CallOptions = {},
): Promise<string> {
  signal?.throwIfAborted();
  if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence > largestSequence)
    throw new RangeError(
      `The sequence number of a checkpoint is ${String(sequence)}, not a whole number of 12 digits.`,
    );
  const path = join(directory, checkpointName(sequence));
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  await replaceCheckpoint(path, checkpoint);
  await replaceFile(join(directory, "latest"), checkpointName(sequence));
  const older = (await sequencesIn(directory)).filter((other) => other < sequence);
  for (const other of older.slice(1)) await rm(join(directory, checkpointName(other)), { force: true });
  return path;
}

export interface ReadCheckpoint extends Checkpoint {
  readonly path: string;
  readonly sequence: number;
}

/**
 * The newest checkpoint that is whole: the one `latest` names, else the newest other one that can be read.
 * @returns undefined where there is none. Throws `TRAINER_CHECKPOINT_CORRUPT` where there are some, and none is whole.
 */
export async function readLatestCheckpoint(
  directory: string,
  { signal }: CallOptions = {},
): Promise<ReadCheckpoint | undefined> {
  signal?.throwIfAborted();
  const named = pattern.exec(await readFile(join(directory, "latest"), "utf8").catch(() => ""))?.[1];
  const sequences = await sequencesIn(directory);
  const first = named === undefined ? [] : sequences.filter((sequence) => sequence === Number(named));
  let failure: unknown;
  for (const sequence of [...first, ...sequences.filter((other) => !first.includes(other))]) {
    signal?.throwIfAborted();
    const path = join(directory, checkpointName(sequence));
    try {
      return { ...decodeCheckpoint(await readFile(path), path), path, sequence };
    } catch (error) {
      if (!isMillwrightError(error)) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return undefined;
}
