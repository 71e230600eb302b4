import type { Batch, PredictOptions, RequestIdentity, Tensors } from "@millwright/contracts";
import { joinPayloads } from "./payloads.ts";
import type { PredictRequest } from "./prediction.ts";
import type { Timings } from "./timings.ts";

/** What a model is asked: checked tensors, or columns that its transforms turn into tensors. */
export type Payload =
  | { readonly kind: "tensors"; readonly tensors: Tensors }
  | { readonly kind: "columns"; readonly batch: Batch };

/** A request as it comes to the model. */
export interface BatchRequest {
  readonly requestId: string;
  readonly request: Pick<PredictRequest, "signal" | "traceparent">;
  readonly payload: Payload;
  readonly rows: number;
  /** Is told `batchWaitMs` and `modelMs`. */
  readonly timings: Timings;
}

/** A request that waits for its batch, or is in it. */
export interface Waiting {
  readonly request: BatchRequest;
  readonly rows: number;
  /** Requests of equal keys may share a batch; `undefined` keeps it alone. */
  readonly key: string | undefined;
  readonly sinceMs: number;
  readonly resolve: (outputs: Tensors) => void;
  readonly reject: (error: unknown) => void;
}

export const isGone = ({ request: { request } }: Waiting): boolean => request.signal?.aborted === true;

const identityOf = ({ requestId, request: { traceparent } }: BatchRequest): RequestIdentity =>
  traceparent === undefined ? { requestId } : { requestId, traceparent };

/** What a call of the model is given for a batch. Its members are made when a model asks for them: many never do, and every call would pay. */
export class BatchCall implements PredictOptions {
  readonly #taken: readonly Waiting[];
  #controller: AbortController | undefined;
  #asked = false;
  #listening = false;
  #stop: (() => void) | undefined;

  /** @param spare A controller that stands for nothing any more. */
  constructor(taken: readonly Waiting[], spare: AbortController | undefined) {
    this.#taken = taken;
    this.#controller = spare;
  }

  get payload(): Payload {
    const taken = this.#taken;
    if (taken.length === 1) return (taken[0] as Waiting).request.payload;
    return joinPayloads(taken.map(({ request }) => request.payload));
  }

  /** Aborts when nobody waits for the batch any more. */
  get signal(): AbortSignal {
    this.#asked = true;
    return this.#control().signal;
  }

  get requests(): readonly RequestIdentity[] {
    return this.#taken.map(({ request }) => identityOf(request));
  }

  /** What its signal is of, where it is of any. */
  get controller(): AbortController | undefined {
    return this.#controller;
  }

  /** The model takes its time: from here on the callers are listened to. One that answers at once would have nothing from it. */
  listen(): void {
    this.#listening = true;
    if (this.#asked) this.#follow();
  }

  #control(): AbortController {
    const controller = (this.#controller ??= new AbortController());
    if (this.#listening) this.#follow();
    return controller;
  }

  #follow(): void {
    const controller = this.#controller;
    if (controller === undefined || this.#stop !== undefined) return;
    const signals = this.#taken.map(({ request }) => request.request.signal);
    if (signals.some((signal) => signal === undefined)) return;
    const stop = (): void => {
      if (signals.every((signal) => signal?.aborted === true)) controller.abort(signals.at(-1)?.reason);
    };
    this.#stop = stop;
    for (const signal of new Set(signals)) signal?.addEventListener("abort", stop, { once: true });
    stop();
  }

  /** The callers are told at once, whether or not the model heeds its signal. */
  abort(reason: unknown): void {
    this.#control().abort(reason);
    for (const { reject } of this.#taken) reject(reason);
  }

  close(): void {
    const stop = this.#stop;
    if (stop === undefined) return;
    for (const { request } of this.#taken) request.request.signal?.removeEventListener("abort", stop);
  }
}

/** What a call of the model is given for one request that does not wait for others. */
export class LoneCall implements PredictOptions {
  readonly #request: BatchRequest;

  constructor(request: BatchRequest) {
    this.#request = request;
  }

  get signal(): AbortSignal | undefined {
    return this.#request.request.signal;
  }

  get requests(): readonly RequestIdentity[] {
    return [identityOf(this.#request)];
  }
}
