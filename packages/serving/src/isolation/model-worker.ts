import type { Clock, Logger, Tensors } from "@millwright/contracts";
import { openProcess, nodeCommand, type WorkerCommand } from "./process-transport.ts";
import { type HostFrame, parseWorkerFrame, type WireError, type WorkerFrame, workerProtocol } from "./frames.ts";
import { unpackTensors } from "./tensor-body.ts";
import { openThread } from "./thread-transport.ts";
import type { Transport, TransportHearer } from "./transport.ts";

/** What is started for a worker. */
export type Program =
  | { readonly kind: "thread" | "process"; readonly module: string; readonly heapBytes: number | undefined }
  | { readonly kind: "command"; readonly command: WorkerCommand };

export interface WorkerOptions {
  readonly program: Program;
  /** How much lower than this process's the priority of a process is. */
  readonly niceness: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Answer = Extract<WorkerFrame, { readonly type: "answer" }>;

/** Taken by whoever asked: exactly one of the three is called, once. */
export interface AnswerTaker {
  answer(answer: Answer, tensors: Tensors): void;
  error(error: WireError): void;
  /** The worker ended first. */
  lost(how: string): void;
}

/** A frame that is answered, without its number. */
type Asked =
  Extract<HostFrame, { readonly id: number }> extends infer Frame
    ? Frame extends { readonly type: "cancel" }
      ? never
      : Omit<Frame, "id">
    : never;

/** A worker as its server sees it: what it was asked and has not answered, and whether it lives. */
export class ModelWorker {
  readonly transport: Transport;
  /** What the worker's hello names. Rejects with a text of why there is none. */
  readonly ready: Promise<readonly string[]>;
  /** Resolves with how it ended; whoever it owed an answer was told before. */
  readonly ended: Promise<string>;
  /** When it was last heard, or given something to do while it had nothing: monotonic, milliseconds. */
  heardMs: number;
  readonly #clock: Clock;
  readonly #owed = new Map<number, AnswerTaker>();
  #greeted: ((formats: readonly string[]) => void) | undefined;
  #refused: ((problem: string) => void) | undefined;
  #nextId = 1;
  #problem: string | undefined;
  #over = false;

  constructor({ program, niceness, clock, logger }: WorkerOptions) {
    this.#clock = clock;
    this.heardMs = clock.monotonicMs();
    const hearer: TransportHearer = {
      frame: (header, body) => this.#hear(header, body),
      garbage: (problem) => this.kill(problem),
    };
    const heapBytes = program.kind === "command" ? undefined : program.heapBytes;
    const options = { hearer, heapBytes, niceness, logger };
    this.transport =
      program.kind === "thread"
        ? openThread(program.module, options)
        : openProcess(program.kind === "command" ? program.command : nodeCommand(program.module, heapBytes), options);
    this.ready = new Promise((resolve, reject) => {
      this.#greeted = resolve;
      this.#refused = (problem) => reject(problem);
    });
    this.ready.catch(() => {});
    this.ended = this.transport.exited.then((how) => this.#end(how));
    this.transport.post({ type: "hello", protocol: workerProtocol });
  }

  get over(): boolean {
    return this.#over;
  }

  /** How many answers it owes. */
  get owed(): number {
    return this.#owed.size;
  }

  /** Throws `TypeError` for what cannot be sent. @returns the number of the call, for `cancel`. */
  ask(frame: Asked, body: Uint8Array<ArrayBuffer> | undefined, taker: AnswerTaker): number {
    const id = this.#nextId;
    this.#nextId += 1;
    if (this.#over) {
      taker.lost(this.#problem ?? "it has ended");
      return id;
    }
    if (this.#owed.size === 0) this.heardMs = this.#clock.monotonicMs();
    this.#owed.set(id, taker);
    try {
      this.transport.post({ ...frame, id } as HostFrame, body);
    } catch (error) {
      this.#owed.delete(id);
      throw new TypeError(`A frame cannot be sent to a worker: ${String(error)}`, { cause: error });
    }
    return id;
  }

  /** As `ask`, as a promise, which rejects with a `WireError` or a text of how it ended. */
  request(frame: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const no = (problem: unknown): void => reject(problem);
      this.ask(frame, undefined, { answer: resolve, error: no, lost: no });
    });
  }

  /** The answer is not wanted any more. */
  cancel(id: number): void {
    if (!this.#over && this.#owed.has(id)) this.transport.post({ type: "cancel", id });
  }

  /** Ends it, for a reason that everyone is told whom it owes an answer. */
  kill(problem: string): void {
    if (this.#over) return;
    this.#problem ??= problem;
    this.transport.kill();
  }

  /** Asks it to leave, and ends it where it does not. */
  async close(graceMs: number): Promise<void> {
    if (this.#over) return;
    this.#problem ??= "it was closed";
    this.transport.post({ type: "exit" });
    const left = new AbortController();
    const late = this.#clock.sleep(graceMs, { signal: left.signal }).then(
      () => this.transport.kill(),
      () => {},
    );
    await this.ended;
    left.abort();
    await late;
  }

  #hear(header: unknown, body: Uint8Array | undefined): void {
    if (this.#over) return;
    this.heardMs = this.#clock.monotonicMs();
    try {
      this.#take(parseWorkerFrame(header), body);
    } catch (error) {
      this.kill((error as Error).message);
    }
  }

  #take(frame: WorkerFrame, body: Uint8Array | undefined): void {
    if (frame.type === "hello") {
      if (frame.protocol === workerProtocol) this.#greeted?.(frame.formats);
      else this.kill(`it speaks version ${frame.protocol} of the protocol, the server version ${workerProtocol}`);
      return;
    }
    if (frame.type === "failed") return this.kill(frame.error.message);
    const taker = this.#owed.get(frame.id);
    if (taker === undefined) return;
    // Before the number is given up: what cannot be read counts as not answered.
    const tensors = frame.type === "answer" ? unpackTensors(frame.tensors ?? [], body) : {};
    this.#owed.delete(frame.id);
    if (frame.type === "answer") taker.answer(frame, tensors);
    else taker.error(frame.error);
  }

  #end(how: string): string {
    this.#over = true;
    const problem = this.#problem === undefined ? how : `${this.#problem} (${how})`;
    this.#refused?.(problem);
    const owed = [...this.#owed.values()];
    this.#owed.clear();
    for (const taker of owed) taker.lost(problem);
    return problem;
  }
}
