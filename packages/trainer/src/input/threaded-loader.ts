import { Worker } from "node:worker_threads";
import { heardError, readingFailed } from "../errors.ts";
import type { ReaderReply, ReaderRequest, ReaderThreadData } from "./reader-messages.ts";
import type { WindowLoader } from "./streamed-rows.ts";

const threadModule = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/input/reader-thread.js" : "./reader-thread.js",
  import.meta.url,
);

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Reads in a thread of its own, with a DuckDB of its own. What it waits for fails where the thread ends. */
export function openThreadedLoader(data: ReaderThreadData): WindowLoader {
  // No flags are inherited: loaders of the main thread would refuse this file.
  const worker = new Worker(threadModule, {
    workerData: data,
    execArgv: [],
    name: "millwright-rows",
  });
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let lost: unknown;
  const lose = (error: unknown): void => {
    lost ??= error;
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
  };
  worker.on("message", ({ id, error }: ReaderReply) => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject("code" in error ? heardError(error) : readingFailed(error.message));
  });
  worker.on("error", (error) => lose(readingFailed(error instanceof Error ? error.message : String(error), error)));
  const ended = new Promise<void>((resolve) => {
    worker.on("exit", () => {
      lose(readingFailed("its thread has ended"));
      resolve();
    });
  });
  return {
    load(ranges, target) {
      if (lost !== undefined) return Promise.reject(lost as Error);
      const id = (lastId += 1);
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, ranges, target } satisfies ReaderRequest);
      });
    },
    async [Symbol.asyncDispose]() {
      worker.postMessage("close" satisfies ReaderRequest);
      await ended;
    },
  };
}
