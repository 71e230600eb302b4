import { availableParallelism } from "node:os";
import { type ResourceLimits, Worker } from "node:worker_threads";
import { type TrialHandle, abortable, closed } from "@millwright/contracts";
import { objectiveCrashed, objectiveFailed } from "./errors.ts";
import type { ThreadOrder, ThreadWord } from "./thread-words.ts";
import { serveTrial } from "./trial-link.ts";

export interface WorkerObjectiveOptions {
  /** Most threads at a time, from 1; a trial beyond them waits for one. Default: as many as the machine runs at once. */
  readonly threads?: number | undefined;
  /** So often a trial whose thread crashed is begun again in a new one, from its newest checkpoint; from 0. Default: 1. */
  readonly retries?: number | undefined;
  /** So long an aborted trial may take to settle before its thread is ended, in milliseconds. Default: 5,000. */
  readonly graceMs?: number | undefined;
  /** Limits of V8's heaps in each thread. */
  readonly resourceLimits?: ResourceLimits | undefined;
}

/** An objective that runs elsewhere; disposing it ends what runs. */
export interface DisposableObjective extends AsyncDisposable {
  (trial: TrialHandle<unknown>): Promise<number>;
}

// Compiled or not, the thread runs the compiled file: Node cannot run the other everywhere.
const main = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/execute/thread-main.js" : "./thread-main.js",
  import.meta.url,
);

/**
 * An objective that runs in threads of this process: the default export of a module, a function of the trial, as `optimize` takes it. Threads are kept for further
 * trials. Reports, checkpoints and verdicts go back and forth; a crash of the thread (an exception that nobody caught, `process.exit`, its heap) is no crash of
 * this process. Not in the thread: `trial.budget`.
 * Its trials fail with `TUNER_OBJECTIVE_FAILED` where the module throws, `TUNER_OBJECTIVE_CRASHED` where the thread ends before it gave a value.
 * @param url File URL of a compiled module.
 */
export function workerObjective(url: URL | string, options: WorkerObjectiveOptions = {}): DisposableObjective {
  const { threads = availableParallelism(), retries = 1, graceMs = 5_000, resourceLimits } = options;
  const module = urlOf(url);
  checkOptions(threads, retries, graceMs);
  const pool = createPool(threads, resourceLimits);
  let attempts = 0;
  const objective = async (trial: TrialHandle<unknown>): Promise<number> => {
    trial.signal.throwIfAborted();
    const links = serveTrialOnce(trial);
    for (let crashes = 0; ;) {
      const worker = await pool.take(trial.signal);
      attempts += 1;
      const ending = await runOn(worker, { module, attempt: attempts, signal: trial.signal, graceMs, links });
      pool.giveBack(worker, ending.kind !== "crash");
      if (ending.kind === "result") return ending.value as number;
      trial.signal.throwIfAborted();
      if (ending.kind === "error") throw objectiveFailed(trial.id, ending.error);
      crashes += 1;
      if (crashes > retries) throw objectiveCrashed(trial.id, ending.reason, crashes);
    }
  };
  return Object.assign(objective, { [Symbol.asyncDispose]: () => pool.close() });
}

/** One server for all attempts of a trial: it remembers the newest checkpoint. */
function serveTrialOnce(trial: TrialHandle<unknown>): Links {
  let post: (order: ThreadOrder) => void = () => {};
  const server = serveTrial(trial, (answer) => post({ kind: "answer", answer }));
  return { server, to: (next) => (post = next) };
}

interface Links {
  readonly server: ReturnType<typeof serveTrial>;
  to(post: (order: ThreadOrder) => void): void;
}

type Ending = Extract<ThreadWord, { kind: "result" | "error" }> | { readonly kind: "crash"; readonly reason: string };

interface Attempt {
  readonly module: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly graceMs: number;
  readonly links: Links;
}

function runOn(worker: Worker, { module, attempt, signal, graceMs, links }: Attempt): Promise<Ending> {
  const post = (order: ThreadOrder): void => worker.postMessage(order);
  links.to(post);
  return new Promise<Ending>((resolve) => {
    let late: NodeJS.Timeout | undefined;
    let failure: string | undefined;
    const abort = (): void => {
      post({ kind: "abort", reason: signal.reason instanceof Error ? signal.reason.message : String(signal.reason) });
      late = setTimeout(() => void worker.terminate(), graceMs);
    };
    const end = (ending: Ending): void => {
      clearTimeout(late);
      signal.removeEventListener("abort", abort);
      worker.off("message", hear).off("error", fail).off("exit", exit);
      resolve(ending);
    };
    const hear = (word: ThreadWord): void => {
      if (word.kind === "call") void links.server.take(word.call);
      else end(word);
    };
    const fail = (error: unknown): void => void (failure = error instanceof Error ? error.message : String(error));
    const exit = (code: number): void =>
      end({ kind: "crash", reason: failure ?? `its thread ended with code ${code}` });
    worker.on("message", hear).on("error", fail).on("exit", exit);
    signal.addEventListener("abort", abort, { once: true });
    post({ kind: "run", url: module, attempt });
    if (signal.aborted) abort();
  });
}

interface Pool {
  take(signal: AbortSignal): Promise<Worker>;
  giveBack(worker: Worker, isWell: boolean): void;
  close(): Promise<void>;
}

function createPool(threads: number, resourceLimits: ResourceLimits | undefined): Pool {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const waiting: (() => void)[] = [];
  // All look again: one that was given up would else take the turn of another.
  const wakeAll = (): void => {
    for (const wake of waiting.splice(0)) wake();
  };
  let isClosed = false;
  const start = (): Worker => {
    const worker = new Worker(main, { execArgv: [], ...(resourceLimits === undefined ? {} : { resourceLimits }) });
    // A thread that dies between two trials is nobody's failure.
    worker.on("error", () => {});
    worker.on("exit", () => {
      all.delete(worker);
      const place = idle.indexOf(worker);
      if (place >= 0) idle.splice(place, 1);
      wakeAll();
    });
    all.add(worker);
    return worker;
  };
  return {
    async take(signal) {
      for (;;) {
        signal.throwIfAborted();
        if (isClosed) throw closed("The objective's pool of threads");
        const worker = idle.pop() ?? (all.size < threads ? start() : undefined);
        if (worker !== undefined) {
          worker.ref();
          return worker;
        }
        await abortable(new Promise<void>((resolve) => waiting.push(resolve)), signal);
      }
    },
    giveBack(worker, isWell) {
      if (isWell && !isClosed && all.has(worker)) {
        worker.unref();
        idle.push(worker);
      } else void worker.terminate();
      wakeAll();
    },
    async close() {
      isClosed = true;
      wakeAll();
      await Promise.all([...all].map((worker) => worker.terminate()));
    },
  };
}

/** Throws TypeError. */
export function urlOf(url: URL | string): string {
  if (url instanceof URL) return url.href;
  if (typeof url === "string" && URL.canParse(url)) return url;
  throw new TypeError(`The module of an objective is ${typeof url === "string" ? `"${url}"` : typeof url}, not a URL.`);
}

/** Throws RangeError. */
function checkOptions(threads: number, retries: number, graceMs: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 1_024)
    throw new RangeError(`threads is ${String(threads)}; it must be a whole number from 1 to 1,024.`);
  if (!Number.isInteger(retries) || retries < 0)
    throw new RangeError(`retries is ${String(retries)}; it must be a whole number from 0.`);
  if (typeof graceMs !== "number" || !(graceMs >= 0 && graceMs < 2 ** 31))
    throw new RangeError(`graceMs is ${String(graceMs)}; it must be a number from 0, below 2^31.`);
}
