import type { LoadedModel, MillwrightError, ModelRuntime, PredictOptions, Tensors } from "@millwright/contracts";
import {
  type HostFrame,
  type LoadedAnswer,
  type WireError,
  type WorkerFrame,
  type WorkerMemory,
  workerProtocol,
} from "./frames.ts";
import { packTensors, unpackTensors } from "./tensor-body.ts";

/** The worker's end of the line to its server. */
export interface WorkerLine {
  post(header: WorkerFrame, body?: Uint8Array<ArrayBuffer>): void;
  /** Leaves: with a code where something went wrong. */
  leave(exitCode: number): void;
}

type Load = Extract<HostFrame, { readonly type: "load" }>;
type Predict = Extract<HostFrame, { readonly type: "predict" }>;

/** What runs models on behalf of a server: takes its frames, answers each that has a number. */
export class WorkerCore {
  readonly #line: WorkerLine;
  readonly #runtimes: readonly ModelRuntime[];
  readonly #models = new Map<string, LoadedModel>();
  readonly #running = new Map<number, AbortController>();

  constructor(runtimes: readonly ModelRuntime[], line: WorkerLine) {
    this.#runtimes = runtimes;
    this.#line = line;
  }

  take(frame: HostFrame, body: Uint8Array | undefined): void {
    if (frame.type === "predict") this.#predict(frame, body);
    else if (frame.type === "load") void this.#answer(frame.id, this.#load(frame));
    else if (frame.type === "dispose") void this.#answer(frame.id, this.#dispose(frame.model));
    else if (frame.type === "ping") this.#line.post({ type: "answer", id: frame.id, memory: memoryOf() });
    else if (frame.type === "cancel") this.#running.get(frame.id)?.abort();
    else if (frame.type === "exit") this.#line.leave(0);
    else if (frame.type === "hello") this.#greet(frame.protocol);
  }

  #greet(protocol: number): void {
    if (protocol === workerProtocol) {
      const formats = [...new Set(this.#runtimes.flatMap((runtime) => runtime.formats))];
      this.#line.post({ type: "hello", protocol: workerProtocol, formats });
      return;
    }
    const message = `The server speaks version ${protocol} of the protocol, this worker version ${workerProtocol}.`;
    this.#line.post({ type: "failed", error: { message } });
    this.#line.leave(1);
  }

  async #answer(id: number, work: Promise<LoadedAnswer | undefined>): Promise<void> {
    try {
      const loaded = await work;
      this.#line.post({ type: "answer", id, ...(loaded === undefined ? {} : { loaded }) });
    } catch (error) {
      this.#line.post({ type: "error", id, error: wireErrorOf(error) });
    }
  }

  async #load({ model, directory, manifest }: Load): Promise<LoadedAnswer> {
    const runtime = this.#runtimes.find(({ formats }) => formats.includes(manifest.format));
    if (runtime === undefined) throw new TypeError(`No runtime of this worker loads the format "${manifest.format}".`);
    const before = memoryOf();
    const loaded = await runtime.load(directory, manifest);
    this.#models.set(model, loaded);
    const { memoryBytes, lanes, missingText } = loaded;
    return { memoryBytes, lanes, missingText, before, after: memoryOf() };
  }

  async #dispose(model: string): Promise<undefined> {
    const loaded = this.#models.get(model);
    this.#models.delete(model);
    await loaded?.dispose();
  }

  /** Answers at once where the model does. */
  #predict({ id, model, tensors, context }: Predict, body: Uint8Array | undefined): void {
    try {
      const loaded = this.#models.get(model);
      if (loaded === undefined) throw new TypeError(`This worker has no model "${model}".`);
      const controller = new AbortController();
      const options: PredictOptions = { ...context, signal: controller.signal };
      const outputs = loaded.predict(unpackTensors(tensors, body), options);
      if (!(outputs instanceof Promise)) return this.#tell(id, outputs);
      this.#running.set(id, controller);
      outputs.then(
        (settled) => this.#tell(id, settled),
        (error: unknown) => this.#fail(id, error),
      );
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #tell(id: number, outputs: Tensors): void {
    this.#running.delete(id);
    try {
      const { entries, body } = packTensors(outputs);
      this.#line.post({ type: "answer", id, tensors: entries }, body);
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #fail(id: number, error: unknown): void {
    this.#running.delete(id);
    this.#line.post({ type: "error", id, error: wireErrorOf(error) });
  }
}

function memoryOf(): WorkerMemory {
  const { rss, heapTotal, external } = process.memoryUsage();
  return { rssBytes: rss, peakBytes: process.resourceUsage().maxRSS * 1024, heapBytes: heapTotal + external };
}

export function wireErrorOf(error: unknown): WireError {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message } = error;
  if (!isOfTheHouse(error)) return { name, message };
  const { code, category, remedy, retryable } = error;
  // The message of the house ends with the remedy, which goes by itself.
  const said = message.endsWith(` ${remedy}`) ? message.slice(0, -remedy.length - 1) : message;
  return { name, message: said, code, category, remedy, retryable };
}

// As `isMillwrightError`: a worker starts several times faster without the package, which a runtime may not need.
const isOfTheHouse = (error: Error): error is MillwrightError =>
  "code" in error &&
  typeof error.code === "string" &&
  "category" in error &&
  typeof error.category === "string" &&
  "remedy" in error &&
  typeof error.remedy === "string";

/** The runtimes that a module exports by default: one, a list, or a function that makes them. Throws `TypeError`. */
export async function runtimesOf(module: string): Promise<readonly ModelRuntime[]> {
  const { default: exported } = (await import(module)) as { readonly default?: unknown };
  const made = typeof exported === "function" ? await (exported as () => unknown)() : await exported;
  const runtimes = (Array.isArray(made) ? made : [made]) as readonly ModelRuntime[];
  const usable = runtimes.every((each) => Array.isArray(each?.formats) && typeof each.load === "function");
  if (runtimes.length === 0 || !usable)
    throw new TypeError(
      `${module} does not export runtimes by default: a ModelRuntime, a list, or a function of none.`,
    );
  return runtimes;
}
