import type { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import type { Attempt, AttemptOptions } from "../attempt-options.ts";
import { createLineSplitter } from "../line-splitter.ts";
import { encodeFrame } from "../protocol.ts";
import { type ModuleHearer, startModule } from "./module-attempt.ts";

// Compiled or not, the thread runs the compiled bootstrap: Node cannot run the other everywhere.
const bootstrap = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/bootstrap.js" : "../bootstrap.js",
  import.meta.url,
);
const longestLine = 16_384;

/** Runs the module of a job in a thread of this process. */
export const startThread = (options: AttemptOptions): Attempt =>
  startModule(options, (hearer) => {
    const { environment, memoryBytes } = options;
    const worker = new Worker(bootstrap, {
      env: { ...environment },
      execArgv: [],
      workerData: { millwrightJob: true },
      stdout: true,
      stderr: true,
      ...(memoryBytes === undefined
        ? {}
        : { resourceLimits: { maxOldGenerationSizeMb: Math.max(8, Math.floor(memoryBytes / 1024 / 1024)) } }),
    });
    let failure: { readonly name: string; readonly message: string; readonly category?: "capacity" } | undefined;
    worker.on("message", (line: string) => hearer.frame(line));
    worker.on("error", (error) => (failure = failureOfThread(error)));
    const pumps = [pump(worker.stdout, "stdout", options, hearer), pump(worker.stderr, "stderr", options, hearer)];
    const exited = new Promise<number>((resolve) => worker.once("exit", resolve));
    return {
      post: (frame) => worker.postMessage(encodeFrame(frame)),
      kill: () => void worker.terminate(),
      exited: exited.then(async (exitCode) => {
        await Promise.race([Promise.all(pumps), options.clock.sleep(1_000)]);
        return { exitCode, failure };
      }),
    };
  });

function failureOfThread(error: unknown): {
  readonly name: string;
  readonly message: string;
  readonly category?: "capacity";
} {
  const { name, message } = error instanceof Error ? error : new TypeError(String(error));
  const memory = error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
  // V8's own words, by which the cause is known.
  return memory
    ? { name, message: `JavaScript heap out of memory: ${message}`, category: "capacity" }
    : { name, message };
}

async function pump(
  source: Readable,
  stream: "stdout" | "stderr",
  { journal }: AttemptOptions,
  hearer: ModuleHearer,
): Promise<void> {
  const splitter = createLineSplitter(longestLine, (line, cut) => hearer.line(stream, line, cut));
  try {
    for await (const chunk of source) {
      splitter.push(chunk as Buffer);
      hearer.flush();
      await journal.room();
    }
  } catch {
    // The thread was ended in the middle of a line.
  }
  splitter.end();
  hearer.flush();
}
