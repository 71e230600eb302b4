import { Worker } from "node:worker_threads";
import { type CallOptions, abortable } from "@millwright/contracts";
import type { Invocation, InvocationAnswer, TransformTarget } from "./target.ts";
import { type ThreadMessage, type ThreadStart, ownBytes } from "./thread-messages.ts";

export interface ThreadTargetOptions extends CallOptions {
  /** How many, from 1; as many mini-batches are under way at once unless the job says otherwise. */
  readonly threads: number;
  /** Given to what the module exports; it is copied to each thread. */
  readonly data?: unknown;
}

interface Waiting {
  readonly resolve: (answer: InvocationAnswer) => void;
  readonly reject: (error: unknown) => void;
}

interface Seat {
  readonly ready: Promise<Pick<TransformTarget, "name" | "model">>;
  readonly waiting: Map<number, Waiting>;
  readonly worker: Worker;
  isGone: boolean;
}

/**
 * A target in several threads of this process: parsing, model and writing of answers run beside each other, while the job cuts the input and keeps the
 * order. Each thread imports the module, whose default export is a function of `data` that makes a target, by `openModelTarget` for instance. A
 * thread that ends is replaced; what it was asked is asked again as of any target that is gone. Dispose it.
 * Throws what the module throws, and RangeError.
 */
export async function openThreadTarget(
  module: string | URL,
  { threads, data, signal }: ThreadTargetOptions,
): Promise<TransformTarget & AsyncDisposable> {
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= 1024))
    throw new RangeError(`threads is ${String(threads)}; give a whole number from 1 to 1024.`);
  signal?.throwIfAborted();
  const team = new ThreadTeam({ module: new URL(module).href, data }, threads);
  try {
    const { name, model } = await abortable(team.ready(), signal);
    return {
      name,
      model,
      executionParameters: () => Promise.resolve({ maxConcurrentTransforms: threads }),
      invoke: (invocation) => team.invoke(invocation),
      [Symbol.asyncDispose]: () => team.close(),
    };
  } catch (error) {
    await team.close();
    throw error;
  }
}

class ThreadTeam {
  readonly #start: ThreadStart;
  readonly #seats: Seat[];
  #nextId = 0;
  #isClosed = false;

  constructor(start: ThreadStart, threads: number) {
    this.#start = start;
    this.#seats = Array.from({ length: threads }, () => openSeat(start));
  }

  async ready(): Promise<Pick<TransformTarget, "name" | "model">> {
    const [first] = await Promise.all(this.#seats.map(({ ready }) => ready));
    return first as Pick<TransformTarget, "name" | "model">;
  }

  async invoke({ body, contentType, accept, requestId, signal }: Invocation): Promise<InvocationAnswer> {
    signal?.throwIfAborted();
    const bytes = ownBytes(body instanceof Uint8Array ? new Uint8Array(body) : await collected(body));
    const seat = this.#leastBusy();
    this.#nextId += 1;
    const id = this.#nextId;
    const answer = new Promise<InvocationAnswer>((resolve, reject) => seat.waiting.set(id, { resolve, reject }));
    // The thread may end while it starts: that is told by `ready`.
    answer.catch(() => {});
    await seat.ready;
    if (seat.isGone) seat.waiting.get(id)?.reject(gone());
    else seat.worker.postMessage({ id, body: bytes, contentType, accept, requestId }, [bytes.buffer]);
    return abortable(answer, signal);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#seats.map(({ worker }) => worker.terminate()));
  }

  /** The thread with the fewest invocations; one that has ended is replaced first. */
  #leastBusy(): Seat {
    if (this.#isClosed) throw gone();
    for (const [place, seat] of this.#seats.entries()) if (seat.isGone) this.#seats[place] = openSeat(this.#start);
    return this.#seats.reduce((best, seat) => (seat.waiting.size < best.waiting.size ? seat : best));
  }
}

const gone = (): TypeError => new TypeError("The thread has ended.");

function openSeat(start: ThreadStart): Seat {
  const worker = new Worker(new URL("./thread-worker.js", import.meta.url), { workerData: start });
  const waiting = new Map<number, Waiting>();
  const ready = new Promise<Pick<TransformTarget, "name" | "model">>((resolve, reject) => {
    worker.on("message", (message: ThreadMessage) => {
      if (message.kind === "ready") {
        resolve(message);
        return;
      }
      if (message.kind === "refused") {
        reject(message.error);
        return;
      }
      const asked = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.kind === "failure") asked?.reject(message.error);
      else asked?.resolve({ status: message.status, body: message.body, retryAfterMs: message.retryAfterMs });
    });
    const end = (error: unknown): void => {
      seat.isGone = true;
      reject(error);
      for (const { reject: fail } of waiting.values()) fail(error);
      waiting.clear();
    };
    worker.on("error", end);
    worker.on("exit", () => end(gone()));
  });
  // Who waits for it is told; nobody may be.
  ready.catch(() => {});
  const seat: Seat = { ready, waiting, worker, isGone: false };
  return seat;
}

async function collected(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}
