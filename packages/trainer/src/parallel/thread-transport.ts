import { Worker } from "node:worker_threads";
import { yieldToEvents } from "../yield-to-events.ts";
import { Board } from "./board.ts";
import type { ReplicaSpec } from "./replica.ts";
import { cells, type ThreadData } from "./thread-cells.ts";
import type { RemoteState, RemoteWorker, Transport, WorkerTask } from "./transport.ts";

const module = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/parallel/replica-thread.js" : "./replica-thread.js",
  import.meta.url,
);

/** Longest time in which this thread hears of nothing but the others' cells. */
const sliceMs = 1;

class ThreadWorker implements RemoteWorker {
  readonly worker: number;
  readonly pid = process.pid;
  readonly #thread: Worker;
  readonly #control: Int32Array;
  #asked = 0;
  #reason: string | undefined;
  #gone = false;

  constructor(worker: number, data: Omit<ThreadData, "control">) {
    this.worker = worker;
    const control = new SharedArrayBuffer(4 * cells.length);
    this.#control = new Int32Array(control);
    this.#thread = new Worker(module, { workerData: { ...data, control } satisfies ThreadData });
    this.#thread.on("error", (error) => (this.#reason ??= error instanceof Error ? error.message : String(error)));
    this.#thread.on("exit", (code) => {
      this.#reason ??= `Its thread ended with code ${code}.`;
      this.#gone = true; // from now on it writes nothing any more
    });
    this.#thread.unref();
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  get state(): RemoteState {
    if (this.#gone) return "lost";
    if (Atomics.load(this.#control, cells.ready) === 0) return "starting";
    return Atomics.load(this.#control, cells.done) === this.#asked ? "idle" : "busy";
  }

  begin({ kind, step, rows, shards, position, workers, pieceRows, lossScale }: WorkerTask): void {
    const control = this.#control;
    new Float32Array(control.buffer)[cells.lossScale] = lossScale;
    control.set([kind === "learn" ? 0 : 1, step, rows, shards, position, workers, pieceRows], cells.task);
    this.#asked += 1;
    Atomics.store(control, cells.asked, this.#asked);
    Atomics.notify(control, cells.asked);
  }

  kill(reason: string): void {
    this.#reason ??= reason;
    void this.#thread.terminate();
  }

  async end(): Promise<void> {
    this.#reason ??= "The run ended.";
    await this.#thread.terminate();
  }
}

/** Workers in threads of this process, which share its memory: a step costs no copy. For backends without native parts. */
export function openThreadTransport(spec: ReplicaSpec): Transport {
  const memory = new SharedArrayBuffer(Board.bytesOf(spec.board));
  const ring = new SharedArrayBuffer(4);
  const bell = new Int32Array(ring);
  const threads: ThreadWorker[] = [];
  let heard = 0;
  return {
    kind: "threads",
    shared: true,
    board: new Board(spec.board, memory),
    start(worker) {
      const thread = new ThreadWorker(worker, { spec, memory, ring });
      threads.push(thread);
      return thread;
    },
    async pause() {
      // Threads ring it: the wait is over at once where one has been heard of since.
      if (Atomics.wait(bell, 0, heard, sliceMs) === "timed-out") await yieldToEvents();
      heard = Atomics.load(bell, 0);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map((thread) => thread.end()));
    },
  };
}
