import { Worker } from "node:worker_threads";
import { threadLost } from "./errors.ts";
import { errorOfFailure } from "./sqlite-failure.ts";
import { stopAtExit, ThreadGate } from "./thread-gate.ts";
import type {
  SqliteApplyResult,
  SqliteQueryResult,
  SqliteReply,
  SqliteRequest,
  SqliteStreamChunk,
  SqliteThreadData,
} from "./sqlite-messages.ts";

/** What each request is answered with. */
type Answer<Request extends SqliteRequest> = Request["op"] extends "query"
  ? SqliteQueryResult
  : Request["op"] extends "apply"
    ? SqliteApplyResult
    : Request["op"] extends "append"
      ? readonly number[]
      : Request["op"] extends "streamStart" | "streamNext"
        ? SqliteStreamChunk
        : undefined;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The main thread's end of a thread that owns SQLite connections. */
export class SqliteThread {
  /** Settles once: when the file is open, or why it is not. */
  readonly opened: Promise<unknown>;
  readonly #path: string;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #lost: Error | undefined;
  #closing = false;

  constructor(options: Omit<SqliteThreadData, "gate">) {
    const data: SqliteThreadData = { ...options, gate: new SharedArrayBuffer(8) };
    this.#path = data.path;
    // No flags are inherited: --input-type and loaders of the main thread would refuse this file.
    this.#worker = new Worker(new URL("./sqlite-worker.js", import.meta.url), {
      workerData: data,
      execArgv: [],
      name: `millwright-sqlite-${data.mode}`,
    });
    this.opened = new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
    // A thread that fails while nobody waits for its opening must not end the process.
    this.opened.catch(() => {});
    const forget = stopAtExit(new ThreadGate(data.gate));
    this.#worker.on("message", (reply: SqliteReply) => this.#settle(reply));
    this.#worker.on("error", (error) => this.#lose(error));
    this.#worker.on("exit", () => {
      forget();
      this.#lose(undefined);
    });
  }

  /** Requests are done in the order of the calls; there is no need to wait for one before posting the next. */
  request<const Request extends SqliteRequest>(request: Request): Promise<Answer<Request>> {
    const answer = new Promise<unknown>((resolve, reject) => {
      if (this.#lost !== undefined) {
        reject(this.#lost);
        return;
      }
      this.#lastId += 1;
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(this.#lastId, { resolve, reject });
      try {
        this.#worker.postMessage({ id: this.#lastId, request });
      } catch (error) {
        // A function or a symbol among the values: nothing was posted.
        this.#waiting.delete(this.#lastId);
        reject(new TypeError("A value of this statement cannot be sent to the database.", { cause: error }));
      }
    });
    return answer as Promise<Answer<Request>>;
  }

  /** Closes the connections and ends the thread. */
  async close(): Promise<void> {
    if (this.#lost !== undefined) return;
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    this.#closing = true;
    this.#worker.ref();
    await this.request({ op: "close" });
    await exited;
  }

  #settle(reply: SqliteReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    // An idle thread does not keep the process alive.
    if (this.#waiting.size === 0 && !this.#closing) this.#worker.unref();
    if ("failure" in reply) waiting?.reject(errorOfFailure(this.#path, reply.failure));
    else waiting?.resolve(reply.value);
  }

  #lose(cause: unknown): void {
    this.#lost ??= threadLost(this.#path, cause);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#lost);
    this.#waiting.clear();
  }
}
