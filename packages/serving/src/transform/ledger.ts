import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CallOptions, type Digest, digestOf } from "@millwright/contracts";
import { type AppendLog, openAppendLog, readAppendLog } from "@millwright/storage";
import { named } from "./durable-files.ts";
import { ledgerNewer, transformChanged } from "./errors.ts";

const formatVersion = 1;
/** Before each record of an append log: its length and its checksum. */
const logHeaderBytes = 8;

/** What is known of a chunk that was transformed. */
export interface ChunkEntry {
  readonly index: number;
  /** Where it begins in the object, and how many bytes of it it is. */
  readonly offset: number;
  readonly bytes: number;
  /** Of those bytes: a chunk with other content is another chunk. */
  readonly digest: Digest;
  readonly records: number;
  /** Records in the output: all but those that were left out. */
  readonly written: number;
  readonly failed: number;
  readonly outputBytes: number;
  readonly failureBytes: number;
  readonly invocations: number;
  readonly retries: number;
  /** When it was begun, UTC milliseconds, and how long it took. */
  readonly startMs: number;
  readonly durationMs: number;
  /** When the job was started that did it, UTC milliseconds, and how many chunks were under way at once then. */
  readonly jobStartMs: number;
  readonly workers: number;
}

/** What the figures of a job are worked out from. */
export type ChunkFigures = Pick<
  ChunkEntry,
  "records" | "invocations" | "retries" | "startMs" | "durationMs" | "jobStartMs" | "workers"
>;

/** What is known of an object whose output stands. */
export interface ObjectSummary {
  readonly key: string;
  /** Below the output folder. */
  readonly output: string;
  /** The error file below the output folder, where records failed. */
  readonly errors?: string | undefined;
  readonly inputBytes: number;
  readonly inputDigest: Digest;
  readonly outputBytes: number;
  readonly outputDigest: Digest;
  readonly records: number;
  readonly written: number;
  readonly failed: number;
  /** Its chunks without what they are made of, for the figures of the job. */
  readonly chunks: readonly ChunkFigures[];
  /** What tells that the object is still the same, where it has such. */
  readonly version?: string | undefined;
}

/** Chunks of one object, in a log of its own that goes when its output stands. */
export interface ObjectLedger extends AsyncDisposable {
  /** A chunk that is done. @returns `undefined` where it is not, or was another one. */
  find(index: number, offset: number, digest: Digest): ChunkEntry | undefined;
  /** When it resolves, the chunk survives a crash. */
  add(entry: ChunkEntry, output: Buffer, failures: Buffer): Promise<void>;
  /** What was written of a chunk. */
  read(index: number): Promise<{ readonly entry: ChunkEntry; readonly output: Buffer; readonly failures: Buffer }>;
}

export interface JobLedger extends AsyncDisposable {
  /** Objects that are done, by key. */
  readonly done: ReadonlyMap<string, ObjectSummary>;
  openObject(key: string, options?: CallOptions): Promise<ObjectLedger>;
  /** When it resolves, the object survives a crash as done; its chunks are forgotten. */
  finish(summary: ObjectSummary): Promise<void>;
  /** Closes and deletes it: the job is done. */
  remove(): Promise<void>;
}

export interface JobLedgerOptions extends CallOptions {
  readonly job: string;
  readonly directory: string;
  /** Of everything but the data that decides what is written. */
  readonly fingerprint: Digest;
  readonly restart: boolean;
}

type JobRecord =
  | { readonly kind: "job"; readonly formatVersion: number; readonly job: string; readonly fingerprint: Digest }
  | ({ readonly kind: "object" } & ObjectSummary);

/**
 * Opens the ledger of a job, one process at a time. Throws `SERVING_TRANSFORM_CHANGED` where it is of a job that would write something else,
 * `SERVING_TRANSFORM_LEDGER_NEWER`, `STORAGE_LOG_LOCKED` while another process runs the job.
 */
export async function openJobLedger(options: JobLedgerOptions): Promise<JobLedger> {
  const { job, directory, fingerprint, restart, signal } = options;
  await named(directory, () => mkdir(directory, { recursive: true }));
  const log = await openAppendLog(join(directory, "job.log"), { signal });
  try {
    if (restart) await log.clear();
    const done = await readJob(log, options);
    return new OpenJobLedger({ job, directory, fingerprint, log, done });
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}

async function readJob(
  log: AppendLog,
  { job, directory, fingerprint, signal }: JobLedgerOptions,
): Promise<Map<string, ObjectSummary>> {
  const done = new Map<string, ObjectSummary>();
  let begun: Extract<JobRecord, { readonly kind: "job" }> | undefined;
  for await (const { bytes } of log.read({ signal })) {
    const record = JSON.parse(Buffer.from(bytes).toString("utf8")) as JobRecord;
    if (record.kind === "object") {
      const { kind: _, ...summary } = record;
      done.set(summary.key, summary);
      continue;
    }
    if (record.formatVersion > formatVersion) throw ledgerNewer(job, record.formatVersion);
    begun = record;
  }
  if (begun?.fingerprint === fingerprint) return done;
  // Where nothing was done there is nothing to go on with.
  if (begun !== undefined && (done.size > 0 || (await hasChunks(directory))))
    throw transformChanged(job, "it was started with another model or other options");
  await log.clear();
  await log.append([JSON.stringify({ kind: "job", formatVersion, job, fingerprint } satisfies JobRecord)]);
  return done;
}

/** Whether any object has a chunk that is done. */
async function hasChunks(directory: string): Promise<boolean> {
  for (const name of await readdir(directory)) {
    if (!name.endsWith(".chunks")) continue;
    let records = 0;
    // The first says whose it is.
    for await (const _ of readAppendLog(join(directory, name))) if ((records += 1) > 1) return true;
  }
  return false;
}

interface JobLedgerParts {
  readonly job: string;
  readonly directory: string;
  readonly fingerprint: Digest;
  readonly log: AppendLog;
  readonly done: Map<string, ObjectSummary>;
}

class OpenJobLedger implements JobLedger {
  readonly done: ReadonlyMap<string, ObjectSummary>;
  readonly #parts: JobLedgerParts;

  constructor(parts: JobLedgerParts) {
    this.#parts = parts;
    this.done = parts.done;
  }

  openObject(key: string, { signal }: CallOptions = {}): Promise<ObjectLedger> {
    return openObjectLedger(this.#path(key), this.#parts.fingerprint, signal);
  }

  async finish(summary: ObjectSummary): Promise<void> {
    const { log, done } = this.#parts;
    await log.append([JSON.stringify({ kind: "object", ...summary } satisfies JobRecord)]);
    done.set(summary.key, summary);
    await rm(this.#path(summary.key), { force: true });
    await rm(`${this.#path(summary.key)}.lock`, { force: true });
  }

  async remove(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await rm(this.#parts.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.log[Symbol.asyncDispose]();
  }

  /** By the digest of the key: keys have folders, characters that some file system does not take, and any length. */
  #path(key: string): string {
    return join(this.#parts.directory, `${digestOf(key).slice("sha256:".length)}.chunks`);
  }
}

async function openObjectLedger(
  path: string,
  fingerprint: Digest,
  signal: AbortSignal | undefined,
): Promise<ObjectLedger> {
  // A chunk that was changed on the disk is done again.
  const log = await openAppendLog(path, { onDamage: "setAside", signal });
  const entries = new Map<number, { readonly entry: ChunkEntry; readonly at: number }>();
  try {
    let current = false;
    for await (const { bytes, offset } of log.read({ signal })) {
      const header = headerOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      if ("fingerprint" in header) current = header.fingerprint === fingerprint;
      else if (current) entries.set(header.index, { entry: header, at: offset });
    }
    if (!current) {
      // Of a job that was begun anew since.
      await log.clear();
      await log.append([encode({ fingerprint }, [])]);
    }
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
  // Where the next record begins: several may be on their way at once, and the log keeps their order.
  let next = log.sizeBytes;
  return {
    find(index, offset, digest) {
      const found = entries.get(index)?.entry;
      return found?.offset === offset && found.digest === digest ? found : undefined;
    },
    async add(entry, output, failures) {
      const record = encode(entry, [output, failures]);
      const at = next;
      next += logHeaderBytes + record.length;
      await log.append([record]);
      entries.set(entry.index, { entry, at });
    },
    async read(index) {
      const found = entries.get(index);
      if (found === undefined) throw new RangeError(`The ledger has no chunk ${index}.`);
      for await (const { bytes } of log.read({ from: found.at })) {
        const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const start = 4 + record.readUInt32LE(0);
        const end = start + found.entry.outputBytes;
        return { entry: found.entry, output: record.subarray(start, end), failures: record.subarray(end) };
      }
      throw new RangeError(`The ledger has lost its chunk ${index}.`);
    },
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

/** A record of the log: the length of its header, 4 bytes little-endian, the header as JSON, then what was written. */
function encode(header: ChunkEntry | { readonly fingerprint: Digest }, parts: readonly Buffer[]): Buffer {
  const text = Buffer.from(JSON.stringify(header), "utf8");
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(text.length, 0);
  return Buffer.concat([length, text, ...parts]);
}

const headerOf = (record: Buffer): ChunkEntry | { readonly fingerprint: Digest } =>
  JSON.parse(record.subarray(4, 4 + record.readUInt32LE(0)).toString("utf8")) as ChunkEntry | { fingerprint: Digest };

/**
 * What the ledger of an unfinished job tells, object by object: for dashboards, beside the job or after it was killed. What is done while it is read may
 * be left out. @returns nothing where there is no ledger.
 */
export async function* readTransformLedger(
  output: string,
  name = "transform",
  { signal }: CallOptions = {},
): AsyncGenerator<ChunkFigures, void, undefined> {
  signal?.throwIfAborted();
  const directory = ledgerFolder(output, name);
  for (const file of await readdir(directory).catch((): string[] => [])) {
    if (!/\.(?:log|chunks)$/.test(file)) continue;
    for await (const { bytes } of readAppendLog(join(directory, file), { signal })) {
      const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (file !== "job.log") {
        const header = headerOf(record);
        if ("index" in header) yield figuresOf(header);
        continue;
      }
      const told = JSON.parse(record.toString("utf8")) as JobRecord;
      if (told.kind === "object") yield* told.chunks;
    }
  }
}

export const ledgerFolder = (output: string, name: string): string => join(output, `.${name}.transform`);

export const figuresOf = (entry: ChunkEntry): ChunkFigures => {
  const { records, invocations, retries, startMs, durationMs, jobStartMs, workers } = entry;
  return { records, invocations, retries, startMs, durationMs, jobStartMs, workers };
};
