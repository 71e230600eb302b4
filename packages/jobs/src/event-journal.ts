import type { CallOptions, JobEvent } from "@millwright/contracts";
import { EventWindow, type NumberedEvent } from "./event-window.ts";
import { lineOf, LogFile } from "./log-file.ts";

/** The events of one job: a bounded part in memory for walkers, and a bounded part of logs and messages on disk. */
export interface EventJournal {
  /** Takes a log line or message. @param at Where in a job's output it was read. */
  push(event: JobEvent, at?: string): void;
  /** Makes a state durable through `persist`, then shows it; events pushed meanwhile come after it. */
  pushState(event: JobEvent, persist: (sequence: number) => Promise<void>): Promise<void>;
  /** Resolves when there is room for more: whoever pushes much waits for it. */
  room(): Promise<void>;
  walk(options?: CallOptions): AsyncIterable<JobEvent>;
  /** From a sequence on; without `follow`, to what is there when the walk begins. */
  walkNumbered(options?: WalkOptions): AsyncIterable<NumberedEvent>;
  /** No more events come: walkers end, the file is closed. */
  end(): Promise<void>;
}

export interface WalkOptions extends CallOptions {
  /** Default: 0. */
  readonly from?: number | undefined;
  /** Default: true. */
  readonly follow?: boolean | undefined;
}

export interface EventJournalOptions {
  readonly directory: string;
  /** What was there before, ordered by sequence. */
  readonly earlier: readonly NumberedEvent[];
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

class JobEventJournal implements EventJournal {
  readonly #window: EventWindow;
  readonly #log: LogFile;
  readonly #wakers: (() => void)[] = [];
  /** Events that came while a state was being made durable. */
  #held: (readonly [JobEvent, string | undefined])[] | undefined;
  #next = 0;
  #ended = false;

  constructor({ directory, earlier, memoryBytes, diskBytes }: EventJournalOptions) {
    this.#window = new EventWindow(memoryBytes);
    this.#log = new LogFile(directory, diskBytes);
    for (const { sequence, event } of earlier) this.#show(sequence, event);
  }

  push(event: JobEvent, at?: string): void {
    if (this.#held !== undefined) this.#held.push([event, at]);
    else {
      this.#keep(event, at);
      this.#wake();
    }
  }

  async pushState(event: JobEvent, persist: (sequence: number) => Promise<void>): Promise<void> {
    const waiting: (readonly [JobEvent, string | undefined])[] = [];
    this.#held = waiting;
    try {
      await persist(this.#next);
      this.#show(this.#next, event);
    } finally {
      this.#held = undefined;
      for (const [later, at] of waiting) this.#keep(later, at);
      this.#wake();
    }
  }

  async room(): Promise<void> {
    while (this.#held !== undefined && this.#held.length > 10_000) await this.#changed(undefined);
    await this.#log.room();
  }

  async *walk(options: CallOptions = {}): AsyncGenerator<JobEvent> {
    for await (const { event } of this.walkNumbered(options)) yield event;
  }

  async *walkNumbered({ from = 0, follow = true, signal }: WalkOptions = {}): AsyncGenerator<NumberedEvent> {
    const until = follow ? Infinity : this.#next;
    for (let position = from; position < until;) {
      signal?.throwIfAborted();
      const items = this.#window.from(position, 256);
      if (items.length === 0) {
        if (this.#ended || !follow) return;
        await this.#changed(signal);
      }
      for (const item of items) {
        if (item.sequence >= until) return;
        yield item;
        position = item.sequence + 1;
      }
    }
  }

  async end(): Promise<void> {
    await this.#log.close();
    this.#ended = true;
    this.#wake();
  }

  #show(sequence: number, event: JobEvent): void {
    this.#window.push({ sequence, event });
    this.#next = sequence + 1;
  }

  #keep(event: JobEvent, at: string | undefined): void {
    this.#log.write(lineOf({ sequence: this.#next, event, at }));
    this.#show(this.#next, event);
  }

  #wake(): void {
    for (const waker of this.#wakers.splice(0)) waker();
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal?.reason as Error);
      signal?.addEventListener("abort", stop, { once: true });
      this.#wakers.push(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
    });
  }
}

export const openEventJournal = (options: EventJournalOptions): EventJournal => new JobEventJournal(options);
