import { Worker } from "node:worker_threads";
import { LastWords, type Transport, type TransportOptions } from "./transport.ts";

// Compiled or not, the worker runs the compiled entry: Node cannot run the other everywhere.
export const workerEntry: URL = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/isolation/worker-entry.js" : "./worker-entry.js",
  import.meta.url,
);

/** Runs the runtimes of a module in a thread of this process. */
export function openThread(module: string, { hearer, heapBytes, logger }: TransportOptions): Transport {
  const worker = new Worker(workerEntry, {
    workerData: { millwrightModule: module },
    execArgv: [],
    stdout: true,
    stderr: true,
    ...(heapBytes === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: Math.ceil(heapBytes / 2 ** 20) } }),
  });
  const title = `thread ${worker.threadId}`;
  const words = new LastWords();
  let failure: string | undefined;
  worker.stdout.on("data", (chunk: Buffer) =>
    logger.info({ worker: title, output: chunk.toString() }, "a worker says"),
  );
  worker.stderr.on("data", (chunk: Buffer) => words.push(chunk));
  worker.on("error", (error: unknown) => {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    failure = typeof code === "string" ? `${code} (${String(message)})` : String(message ?? error);
  });
  worker.on("message", (taken: unknown) => {
    const [header, body] = Array.isArray(taken) ? (taken as unknown as readonly [unknown, Uint8Array?]) : [taken];
    hearer.frame(header, body);
  });
  worker.on("messageerror", () => hearer.garbage("it posted a message that cannot be read"));
  const exited = new Promise<string>((resolve) => {
    worker.once("exit", (exitCode) => resolve(words.after(failure ?? `exit code ${exitCode}`)));
  });
  return {
    title,
    pid: undefined,
    post: (header, body) => worker.postMessage([header, body], body === undefined ? [] : [body.buffer]),
    kill: () => void worker.terminate(),
    exited,
  };
}
