import type { Logger } from "@millwright/contracts";
import type { HostFrame } from "./frames.ts";

/** What a worker runs in: how frames reach it, and how it ends. */
export interface Transport {
  /** For messages: `thread 3`, `process 4711`. */
  readonly title: string;
  /** Of the process; absent for threads. */
  readonly pid: number | undefined;
  /** The body is given away: it must be a buffer of its own. */
  post(header: HostFrame, body?: Uint8Array<ArrayBuffer>): void;
  /** Ends it, whatever it does. */
  kill(): void;
  /** Resolves, with how it ended, when nothing of it runs any more. */
  readonly exited: Promise<string>;
}

export interface TransportHearer {
  frame(header: unknown, body: Uint8Array | undefined): void;
  /** Something that is no frame came; the worker is of no use any more. */
  garbage(problem: string): void;
}

export interface TransportOptions {
  readonly hearer: TransportHearer;
  /** Most of a worker's JavaScript heap, in bytes. Default: Node's own limit. */
  readonly heapBytes: number | undefined;
  readonly niceness: number;
  readonly logger: Logger;
}

/** The last words of a worker on its standard error, for messages. */
export class LastWords {
  #text = "";

  push(chunk: Buffer | string): void {
    this.#text = `${this.#text}${chunk.toString()}`.slice(-4_000);
  }

  /** After a colon; nothing where it said nothing. */
  after(ending: string): string {
    const words = this.#text.trim();
    return words === "" ? ending : `${ending}: ${words.slice(-1_000)}`;
  }
}
