import { Worker } from "node:worker_threads";
import type { CheckpointAnswer, CheckpointOrder } from "./checkpoint-thread.ts";
import { heardError, writerFailed } from "./errors.ts";

const threadModule = new URL(
  import.meta.url.endsWith(".ts") ? "../dist/checkpoint-thread.js" : "./checkpoint-thread.js",
  import.meta.url,
);

/** Writes checkpoints in a thread of its own, which begins with the first. One at a time. */
export class CheckpointWriter implements AsyncDisposable {
  #thread: Worker | undefined;
  #waiting: { resolve(answer: CheckpointAnswer): void; reject(error: Error): void } | undefined;

  /**
   * Hands a checkpoint over: its parts' memory is the thread's from then on, but for that of the best epoch's weights, which are copied. Throws
   * `TRAINER_WRITE_FAILED`.
   */
  async write(order: CheckpointOrder): Promise<{ readonly folder: string; readonly path: string }> {
    const answer = await this.#ask(order);
    if ("told" in answer) throw heardError(answer.told);
    if ("message" in answer) throw writerFailed(answer.message);
    return answer;
  }

  #ask(order: CheckpointOrder): Promise<CheckpointAnswer> {
    const thread = (this.#thread ??= this.#start());
    thread.ref(); // what is being written is waited for
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      const own = order.checkpoint.parts.filter(({ name }) => !name.startsWith("best/"));
      thread.postMessage(order, [...new Set(own.map(({ data }) => data.buffer as ArrayBuffer))]);
    });
  }

  #start(): Worker {
    const thread = new Worker(threadModule, { execArgv: [] });
    thread.on("message", (answer: CheckpointAnswer) => {
      thread.unref();
      this.#waiting?.resolve(answer);
    });
    const fail = (error: Error): void => {
      if (this.#thread === thread) this.#thread = undefined;
      this.#waiting?.reject(error);
    };
    thread.on("error", (error) => fail(writerFailed(error.message, error)));
    thread.on("exit", () => fail(writerFailed("its thread has ended")));
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.terminate();
  }
}
