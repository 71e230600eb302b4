import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import type { CallOptions, Clock, Logger, Meter, ModelManifest, ModelRuntime } from "@millwright/contracts";
import type { LoadedAnswer } from "./frames.ts";
import type { Program } from "./model-worker.ts";
import type { WorkerCommand } from "./process-transport.ts";
import type { RecycleOptions, WorkerStatus } from "./worker-pool.ts";

export interface IsolatedRuntimeOptions {
  /** The formats that the workers load, as the runtimes of the module name them. */
  readonly formats: readonly string[];
  /** A module (a `file:` URL or an absolute path) that exports runtimes by default: one, a list, or a function that makes them. */
  readonly module?: URL | string | undefined;
  /** Instead of a module: a program in any language that speaks the protocol of docs/serving-isolation.md. */
  readonly command?: WorkerCommand | undefined;
  /**
   * Where a module runs. A process can end however it likes, `process.abort()` and native crashes included; a thread is cheaper, and takes this process
   * with it where native code crashes. Default: `"process"`.
   */
  readonly kind?: "process" | "thread" | undefined;
  /** Workers that hold each model: as many predicts run at once. Default: 1. */
  readonly workers?: number | undefined;
  /** `"model"`: every model has workers of its own. `"runtime"`: all models share the workers. Default: `"model"`. */
  readonly sharing?: "model" | "runtime" | undefined;
  /** Workers that have started and imported the module, ready for a model. Default: 0. */
  readonly spares?: number | undefined;
  /** Most of a worker's JavaScript heap, in bytes; beyond it the worker ends, and only it. Default: Node's own limit. */
  readonly heapBytes?: number | undefined;
  /** How long a worker may take to come up, and to load a model. Default: 60,000. */
  readonly startTimeoutMs?: number | undefined;
  /** A worker that owes an answer and says nothing for as long has hung, and is ended. More than the longest predict that does not wait. Default: 30,000. */
  readonly hangMs?: number | undefined;
  /** A worker is ended when a request runs in it for as long. Default: 120,000. */
  readonly callTimeoutMs?: number | undefined;
  /** How long requests wait while no worker is up. Default: 10,000. */
  readonly waitMs?: number | undefined;
  /** How long a worker that is retired may finish what it runs. Default: 30,000. */
  readonly drainMs?: number | undefined;
  /** Pauses between starts of workers that keep ending: doubled each time. Default: 100 to 30,000. */
  readonly backoffMs?: { readonly first: number; readonly most: number } | undefined;
  /** Default: workers are not recycled. */
  readonly recycle?: RecycleOptions | undefined;
  /** Most requests that are remembered for having ended two workers. Default: 10,000. */
  readonly maxQuarantined?: number | undefined;
  /**
   * How much lower than the server's the priority of worker processes is, from 0 to 19: at saturation the server still answers, and turns away, in time.
   * Default: 5.
   */
  readonly niceness?: number | undefined;
  /** How often each worker is asked the golden requests of its models again; one that answers otherwise is replaced. Default: only when it loads them. */
  readonly recheckMs?: number | undefined;
  /** Watches over the memory of loads. Default: none. */
  readonly memory?: LoadGuard | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** What stands around each load of a model into a worker: see `createMemoryGovernor`. */
export interface LoadGuard {
  load(
    model: {
      readonly title: string;
      readonly manifest: ModelManifest;
      /** The first load of its worker. */
      readonly first: boolean;
    },
    work: () => Promise<LoadedAnswer>,
    options?: CallOptions,
  ): Promise<LoadedAnswer>;
  /** Is told where to see the workers, until `detach`. */
  attach?(workers: () => readonly WorkerStatus[]): void;
  detach?(workers: () => readonly WorkerStatus[]): void;
}

/** A runtime whose models run in workers. Whoever makes it disposes it, after the servers that load with it. */
export interface IsolatedRuntime extends ModelRuntime, AsyncDisposable {
  /** The workers there are. */
  workers(): readonly WorkerStatus[];
  /** Sets the number of workers, of each model or of all; from here on, too. Those that are too many finish what they run. */
  scale(workers: number, options?: CallOptions): Promise<void>;
  /** Digests of the requests that ended two workers, and are answered `SERVING_REQUEST_QUARANTINED`. */
  quarantined(): readonly string[];
  /** Requests taken so far, running and waiting: what an autoscaler goes by. */
  traffic(): { readonly invocations: number; readonly running: number; readonly queued: number };
}

/** What the workers run. Throws `TypeError` and `RangeError` for options out of range. */
export function programOf(options: IsolatedRuntimeOptions): Program {
  const { formats, module, command, kind = "process", heapBytes } = options;
  if (!Array.isArray(formats) || formats.length === 0 || !formats.every((format) => typeof format === "string"))
    throw new TypeError("formats must be a list of the formats that the workers load, such as ['dense'].");
  if (kind !== "process" && kind !== "thread") throw new TypeError(`kind must be "process" or "thread", not ${kind}.`);
  if ((module === undefined) === (command === undefined))
    throw new TypeError("Exactly one of module and command says what the workers run.");
  checkNumbers(options);
  if (command !== undefined) {
    if (typeof command.program !== "string")
      throw new TypeError("command.program must be the name or path of a program.");
    return { kind: "command", command };
  }
  return { kind, module: moduleUrl(module), heapBytes };
}

function moduleUrl(module: URL | string | undefined): string {
  if (module instanceof URL && module.protocol === "file:") return module.href;
  if (typeof module === "string" && module.startsWith("file:")) return module;
  if (typeof module === "string" && isAbsolute(module)) return pathToFileURL(module).href;
  throw new TypeError(
    `module must be a file: URL or an absolute path, not ${String(module)}: new URL("./runtimes.js", import.meta.url).`,
  );
}

function checkNumbers(options: IsolatedRuntimeOptions): void {
  const {
    workers = 1,
    spares = 0,
    sharing = "model",
    recycle = {},
    backoffMs = { first: 100, most: 30_000 },
  } = options;
  if (sharing !== "model" && sharing !== "runtime")
    throw new TypeError(`sharing must be "model" or "runtime", not ${String(sharing)}.`);
  checkCount("workers", workers, 1);
  checkCount("spares", spares, 0);
  const { niceness = 5 } = options;
  if (!(Number.isInteger(niceness) && niceness >= 0 && niceness <= 19))
    throw new RangeError(`niceness must be a whole number from 0 to 19, not ${String(niceness)}.`);
  checkCount("maxQuarantined", options.maxQuarantined ?? 0, 0);
  const positive = {
    startTimeoutMs: options.startTimeoutMs,
    hangMs: options.hangMs,
    callTimeoutMs: options.callTimeoutMs,
    waitMs: options.waitMs,
    drainMs: options.drainMs,
    heapBytes: options.heapBytes,
    "backoffMs.first": backoffMs.first,
    "backoffMs.most": backoffMs.most,
    "recycle.afterLoads": recycle.afterLoads,
    "recycle.atBytes": recycle.atBytes,
    "recycle.checkMs": recycle.checkMs,
    recheckMs: options.recheckMs,
  };
  for (const [name, value] of Object.entries(positive))
    if (value !== undefined && !(typeof value === "number" && value > 0))
      throw new RangeError(`${name} must be greater than 0, not ${String(value)}.`);
}

export function checkCount(name: string, value: unknown, least: number): void {
  if (!(Number.isInteger(value) && (value as number) >= least && (value as number) <= 1_000_000))
    throw new RangeError(`${name} must be a whole number from ${least}, not ${String(value)}.`);
}
