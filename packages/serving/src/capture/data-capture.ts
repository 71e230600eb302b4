import { type FileHandle, mkdir, open, statfs } from "node:fs/promises";
import { join } from "node:path";
import {
  type CallOptions,
  type Clock,
  type IdSource,
  type Logger,
  type Meter,
  type Random,
  type Redactor,
  abortable,
  createIdSource,
  createRandom,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import { safeName } from "../async/submission.ts";
import type { Exchange, ExchangeSink } from "../http/exchange.ts";
import { captureRefused } from "./capture-errors.ts";
import { type RecordOptions, recordOf } from "./capture-record.ts";

export interface DataCaptureOptions extends CallOptions {
  /** Where files are put: `<endpoint>/<variant>/yyyy/mm/dd/hh/<mm-ss-mmm>-<id>.jsonl`, by UTC. */
  readonly directory: string;
  /** Share of the requests that are captured, 0 to 1. Default: 0.2, as SageMaker's. */
  readonly sampleShare?: number | undefined;
  /** Default: both. */
  readonly content?: "input" | "output" | "both" | undefined;
  /** Media types whose bytes are written as JSON or CSV; all others as base 64. Default: `application/json`, `application/jsonlines`, `application/x-ndjson`; `text/csv`. */
  readonly contentTypes?:
    | { readonly json?: readonly string[] | undefined; readonly csv?: readonly string[] | undefined }
    | undefined;
  /** Masks values before they are written; what it fails at, or cannot be taken apart, is not written. Default: bytes are written as they came. */
  readonly redactor?: Redactor | undefined;
  /** Names of the values of rows that have none (CSV, lists), for the redactor. */
  readonly inputColumns?: readonly string[] | undefined;
  /** The same of answers. */
  readonly outputColumns?: readonly string[] | undefined;
  /** Most bytes that wait to be written; what comes beyond is dropped. Default: 8 MiB. */
  readonly maxQueueBytes?: number | undefined;
  /** Nothing is written while so much of the disk is used, 0 to 1. Default: 0.75. */
  readonly maxDiskShare?: number | undefined;
  /** How long a record may wait to be written, milliseconds. Default: 1,000. */
  readonly flushMs?: number | undefined;
  /** When another file is begun, bytes. Default: 16 MiB. */
  readonly maxFileBytes?: number | undefined;
  /** Draws the sample. Default: seeded by the first id. */
  readonly random?: Random | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  readonly meter?: Meter | undefined;
  readonly logger?: Logger | undefined;
}

/** What became of the requests that were seen. */
export interface DataCaptureCounts {
  readonly seen: number;
  readonly sampled: number;
  readonly written: number;
  /** Of those sampled, by why nothing was written of them. */
  readonly dropped: { readonly queue: number; readonly disk: number; readonly redaction: number };
}

/** Writes what was asked and answered over HTTP as SageMaker's data capture does. */
export interface DataCapture extends ExchangeSink, AsyncDisposable {
  counts(): DataCaptureCounts;
  /** Resolves when all that was taken before is written or dropped. Never throws of the disk. */
  flush(options?: CallOptions): Promise<void>;
}

/** Throws `SERVING_CAPTURE_REFUSED` for a folder that cannot be made. */
export async function openDataCapture(options: DataCaptureOptions): Promise<DataCapture> {
  const { directory, sampleShare = 0.2, content = "both", maxDiskShare = 0.75, flushMs = 1000, signal } = options;
  for (const [name, value] of Object.entries({ sampleShare, maxDiskShare }))
    if (!(value >= 0 && value <= 1)) throw new RangeError(`${name} must be 0 to 1, not ${String(value)}.`);
  if (!["input", "output", "both"].includes(content))
    throw new RangeError(`content is "input", "output" or "both", not ${String(content)}.`);
  if (!(flushMs > 0)) throw new RangeError(`flushMs must be more than 0, not ${String(flushMs)}.`);
  signal?.throwIfAborted();
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw captureRefused(directory, error);
  }
  return new OpenDataCapture(options);
}

interface Waiting {
  readonly exchange: Exchange;
  readonly timeMs: number;
  readonly eventId: string;
  readonly bytes: number;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly hour: number;
  size: number;
}

class OpenDataCapture implements DataCapture {
  readonly #options: DataCaptureOptions;
  readonly #record: RecordOptions;
  readonly #clock: Clock;
  readonly #ids: IdSource;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #count: (outcome: string) => void;
  readonly #closing = new AbortController();
  readonly #files = new Map<string, OpenFile>();
  readonly #loop: Promise<void>;
  readonly #counts = { seen: 0, sampled: 0, written: 0, dropped: { queue: 0, disk: 0, redaction: 0 } };
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: DataCaptureOptions) {
    const { clock = systemClock, logger = silentLogger, meter = silentMeter, contentTypes } = options;
    const { content = "both", redactor, inputColumns, outputColumns } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#ids = options.ids ?? createIdSource(clock);
    this.#random = options.random ?? createRandom(Number.parseInt(this.#ids.next().slice(-8), 16));
    const counter = meter.counter("millwright_serving_captures_total", {
      help: "Requests that were sampled to be captured, by what became of them.",
      labelNames: ["outcome"],
    });
    this.#count = (outcome) => counter.add(1, { outcome });
    const json = contentTypes?.json ?? ["application/json", "application/jsonlines", "application/x-ndjson"];
    this.#record = { json, csv: contentTypes?.csv ?? ["text/csv"], content, redactor, inputColumns, outputColumns };
    this.#loop = this.#run(options.flushMs ?? 1000);
  }

  exchange(exchange: Exchange): void {
    const { sampleShare = 0.2, maxQueueBytes = 8 * 1024 * 1024 } = this.#options;
    this.#counts.seen += 1;
    if (this.#closing.signal.aborted || this.#random.next() >= sampleShare) return;
    this.#counts.sampled += 1;
    const bytes = exchange.input.bytes.length + exchange.output.bytes.length + 512;
    if (this.#queueBytes + bytes > maxQueueBytes) return this.#drop("queue");
    this.#queueBytes += bytes;
    this.#queue.push({ exchange, timeMs: this.#clock.nowMs(), eventId: this.#ids.next(), bytes });
  }

  counts(): DataCaptureCounts {
    return { ...this.#counts, dropped: { ...this.#counts.dropped } };
  }

  async flush({ signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await abortable(this.#write(), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#loop;
    await this.#write();
    await Promise.all([...this.#files.values()].map(({ handle }) => handle.close().catch(() => undefined)));
    this.#files.clear();
  }

  #drop(why: keyof DataCaptureCounts["dropped"]): void {
    this.#counts.dropped[why] += 1;
    this.#count(`dropped-${why}`);
  }

  async #run(flushMs: number): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#clock.sleep(flushMs, { signal }).catch(() => undefined);
      await this.#write();
    }
  }

  /** One write after another; what comes meanwhile waits for the next. */
  #write(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeAll());
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    const taken = this.#queue;
    this.#queue = [];
    if (taken.length === 0) return;
    const room = await this.#hasRoom();
    const lines = new Map<string, { readonly first: Waiting; readonly lines: string[] }>();
    for (const [at, waiting] of taken.entries()) {
      this.#queueBytes -= waiting.bytes;
      // Requests are answered in between: redaction may take its time.
      if (at % 64 === 63) await new Promise<void>((resolve) => setImmediate(resolve));
      const line = room ? this.#lineOf(waiting) : undefined;
      if (!room) this.#drop("disk");
      if (line === undefined) continue;
      const { endpoint, variant = "none" } = waiting.exchange;
      const place = join(safeName(endpoint), safeName(variant));
      const group = lines.get(place) ?? { first: waiting, lines: [] };
      group.lines.push(line);
      lines.set(place, group);
    }
    for (const [place, { first, lines: some }] of lines) await this.#append(place, first.timeMs, some);
  }

  #lineOf({ exchange, timeMs, eventId }: Waiting): string | undefined {
    let line: string | undefined;
    try {
      line = recordOf(exchange, { eventId, timeMs }, this.#record);
    } catch {
      // Its message may quote the value that was to be kept out of here.
    }
    if (line === undefined) this.#drop("redaction");
    return line;
  }

  async #hasRoom(): Promise<boolean> {
    const { directory, maxDiskShare = 0.75 } = this.#options;
    try {
      const { blocks, bavail } = await statfs(directory);
      return blocks === 0 || 1 - bavail / blocks < maxDiskShare;
    } catch {
      return false;
    }
  }

  async #append(place: string, timeMs: number, lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(`${lines.join("\n")}\n`, "utf8");
    try {
      const file = await this.#fileOf(place, timeMs);
      try {
        for (let at = 0; at < bytes.length;)
          at += (await file.handle.write(bytes, at, bytes.length - at, file.size + at)).bytesWritten;
        file.size += bytes.length;
      } catch (error) {
        // Half a record is none.
        await file.handle.truncate(file.size).catch(() => undefined);
        throw error;
      }
      this.#counts.written += lines.length;
      for (const _ of lines) this.#count("written");
    } catch (error) {
      for (const _ of lines) this.#drop("disk");
      const code = error instanceof Error && "code" in error ? error.code : "none";
      this.#logger.warn({ code, records: lines.length }, "captured requests could not be written");
    }
  }

  /** The file of the hour; another one where it is full. */
  async #fileOf(place: string, timeMs: number): Promise<OpenFile> {
    const hour = Math.floor(timeMs / 3_600_000);
    const { directory, maxFileBytes = 16 * 1024 * 1024 } = this.#options;
    const known = this.#files.get(place);
    if (known !== undefined && known.hour === hour && known.size < maxFileBytes) return known;
    this.#files.delete(place);
    await known?.handle.close().catch(() => undefined);
    const [day = "", time = ""] = new Date(timeMs).toISOString().split("T");
    const folder = join(directory, place, ...day.split("-"), time.slice(0, 2));
    await mkdir(folder, { recursive: true });
    const name = `${time.slice(3, 5)}-${time.slice(6, 8)}-${time.slice(9, 12)}-${this.#ids.next()}.jsonl`;
    const file = { handle: await open(join(folder, name), "wx"), hour, size: 0 };
    this.#files.set(place, file);
    return file;
  }
}
