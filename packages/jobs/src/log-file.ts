import { type FileHandle, open, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { NumberedEvent } from "./event-window.ts";
import { toJsonNumber } from "./metric-series.ts";

/** Appends lines to `log.ndjson`, which becomes `log.1.ndjson` when it has half the bytes allowed. */
export class LogFile {
  readonly #directory: string;
  readonly #maxBytes: number;
  #file: FileHandle | undefined;
  #bytes = 0;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing: Promise<void> | undefined;
  #failed = false;

  constructor(directory: string, diskBytes: number) {
    this.#directory = directory;
    this.#maxBytes = Math.max(1, Math.floor(diskBytes / 2));
  }

  write(line: string): void {
    if (this.#failed) return;
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    this.#writing ??= this.#drain().finally(() => (this.#writing = undefined));
  }

  async room(): Promise<void> {
    while (this.#waitingLength > 1_000_000 && this.#writing !== undefined) await this.#writing;
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // what is written in one go comes to the disk in one go
    try {
      while (this.#waiting.length > 0) {
        const text = this.#waiting.join("");
        this.#waiting = [];
        this.#waitingLength = 0;
        const bytes = Buffer.from(text);
        const file = await this.#current(bytes.length);
        await file.appendFile(bytes);
        this.#bytes += bytes.length;
      }
    } catch {
      // A full disk must not stop the job: what its lines say is still told to those who listen.
      this.#failed = true;
      this.#waiting = [];
      this.#waitingLength = 0;
    }
  }

  async #current(coming: number): Promise<FileHandle> {
    const path = join(this.#directory, "log.ndjson");
    if (this.#file === undefined) {
      this.#file = await open(path, "a", 0o600);
      this.#bytes = (await stat(path)).size;
    }
    if (this.#bytes > 0 && this.#bytes + coming > this.#maxBytes) {
      await this.#file.close();
      this.#file = undefined;
      await rename(path, join(this.#directory, "log.1.ndjson"));
      this.#file = await open(path, "a", 0o600);
      this.#bytes = 0;
    }
    return this.#file;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** An event as a line; a metric that JSON has no number for stands as a text. */
export function lineOf({ sequence, event, at }: NumberedEvent): string {
  const told = event.kind === "metric" ? { ...event, value: toJsonNumber(event.value) } : event;
  return `${JSON.stringify({ sequence, event: told, at })}\n`;
}

function eventOf(line: string): NumberedEvent {
  const numbered = JSON.parse(line) as NumberedEvent;
  const { event } = numbered;
  return event.kind === "metric" ? { ...numbered, event: { ...event, value: Number(event.value) } } : numbered;
}

/** The log lines and messages on disk, ordered; a line that a crash cut short is left out. */
export async function readLogEvents(directory: string): Promise<readonly NumberedEvent[]> {
  const events: NumberedEvent[] = [];
  for (const name of ["log.1.ndjson", "log.ndjson"]) {
    let text: string;
    try {
      text = await readFile(join(directory, name), "utf8");
    } catch {
      continue;
    }
    for (const line of text.split("\n")) {
      try {
        if (line !== "") events.push(eventOf(line));
      } catch {
        continue;
      }
    }
  }
  return events;
}
