import type { Authorizer, CallOptions, Clock, IdSource, Logger, Meter } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { FastifyPluginAsync } from "fastify";
import type { Authenticate } from "../auth/authenticate.ts";
import type { NodeHandler } from "../http/node-face.ts";
import type { AsyncJob, AsyncState } from "./async-job.ts";
import type { PayloadStore } from "./payload-store.ts";

/** What answers: `server.handle` of a model server, `fetch` to another one. Its request carries a signal. */
export type AsyncTarget = (request: Request) => Promise<Response>;

/** What answers while there is something to do, and is not there otherwise. */
export interface AsyncCapacity {
  /** Called when there is a request and nothing that answers. */
  open(options: { readonly signal: AbortSignal }): Promise<{ readonly target: AsyncTarget } & AsyncDisposable>;
  /** How long it stays without anything to do, milliseconds. Default: 60,000. */
  readonly idleMs?: number | undefined;
}

export interface AsyncEndpointOptions {
  /** What answers its requests, at `POST /endpoints/:endpoint/invocations`. A process without takes requests and leaves them to others. */
  readonly target?: AsyncTarget | AsyncCapacity | undefined;
  /** Requests of this process under way at once. Default: 4. */
  readonly maxConcurrent?: number | undefined;
  /** How long a try may take, milliseconds, at most 3,600,000. Default: 900,000, a quarter of an hour. */
  readonly timeoutMs?: number | undefined;
  /** How long a request may wait before it is begun, milliseconds. Default: 21,600,000, six hours. */
  readonly ttlMs?: number | undefined;
  /** Tries, those that ended with their process too; then it is `dead`. Default: 3. */
  readonly maxAttempts?: number | undefined;
  /** Wait before the second try, milliseconds; it doubles, up to five minutes. Default: 1,000. */
  readonly backoffMs?: number | undefined;
}

/** The end of a request, told at least once, always by the same `id`. */
export interface AsyncNotification {
  /** That of the event, too. */
  readonly id: string;
  /** Whether there is a result; else an error. */
  readonly outcome: "success" | "error";
  readonly job: AsyncJob;
  /** As SageMaker's topics tell it. */
  readonly message: Readonly<Record<string, unknown>>;
}

export interface AsyncInferenceOptions extends CallOptions {
  /** Keeps the queue, and its events. Several processes may share one. Never closed here. */
  readonly database: Database;
  /** Where inputs and results are. */
  readonly payloads: PayloadStore;
  /** By the name that clients call. */
  readonly endpoints: Readonly<Record<string, AsyncEndpointOptions>>;
  /** Told of each end until it resolves, in whichever process that has one has time. Default: the event `job.inference-ended` alone tells it. */
  readonly notify?:
    | ((notification: AsyncNotification, options: { readonly signal: AbortSignal }) => Promise<void>)
    | undefined;
  /** Most bytes of an input. Default: 1,073,741,824. */
  readonly maxPayloadBytes?: number | undefined;
  /** How long a process may be silent before another takes its requests over, milliseconds. Default: 10,000. */
  readonly leaseMs?: number | undefined;
  /** How often the queue is looked at, milliseconds. Default: 200. */
  readonly pollMs?: number | undefined;
  /** How long ended requests are remembered, milliseconds; their results stay. Default: 604,800,000, a week. */
  readonly retainMs?: number | undefined;
  /** Asked for `endpoint:invoke` before a request over HTTP. Default: everybody may. */
  readonly authorizer?: Authorizer | undefined;
  /** Says who sent a request over HTTP. Default: everybody is answered. */
  readonly authenticate?: Authenticate | undefined;
  readonly meter?: Meter | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  readonly logger?: Logger | undefined;
}

/** What is asked: exactly one of `body` and `inputLocation`. */
export interface AsyncRequest {
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly inputLocation?: string | undefined;
  /** Default: `application/json`. */
  readonly contentType?: string | undefined;
  readonly accept?: string | undefined;
  /** Goes with the request as `X-Amzn-SageMaker-Custom-Attributes`. */
  readonly customAttributes?: string | undefined;
  /** 1 to 64 visible ASCII characters. One that is known gives the request that is there, and has to ask for the same. Default: a new id. */
  readonly inferenceId?: string | undefined;
  /** As `inferenceId`, where the id is left to us: requests of one key are one request. */
  readonly idempotencyKey?: string | undefined;
  /** An integer; the greatest first. Default: 0. */
  readonly priority?: number | undefined;
  /** Default: the endpoint's. */
  readonly timeoutMs?: number | undefined;
  /** Default: the endpoint's. */
  readonly ttlMs?: number | undefined;
}

/** SageMaker's metrics of async endpoints, of one endpoint now. */
export interface AsyncBacklog {
  /** Requests that wait or are under way. */
  readonly approximateBacklogSize: number;
  /** By process that can answer; the whole where there is none. */
  readonly approximateBacklogSizePerInstance: number;
  /** Whether somebody waits and nothing can answer. */
  readonly hasBacklogWithoutCapacity: boolean;
  /** Processes that can answer. */
  readonly instances: number;
  readonly waiting: number;
  readonly running: number;
  /** How long the one that waits longest has been waiting, milliseconds; 0 where nobody does. */
  readonly oldestAgeMs: number;
}

export interface AsyncListOptions extends CallOptions {
  readonly endpoint?: string | undefined;
  readonly states?: readonly AsyncState[] | undefined;
}

export interface AsyncDrainOptions extends CallOptions {
  /** How long what is under way may go on, milliseconds; then it goes back into the queue. Default: 30,000. */
  readonly graceMs?: number | undefined;
}

/** A queue of requests that are answered later. */
export interface AsyncInference extends AsyncDisposable {
  /**
   * Puts a request into the queue; it is durable when this resolves. Throws `SERVING_ENDPOINT_UNKNOWN`, `SERVING_ASYNC_INVALID`, `SERVING_BODY_TOO_LARGE`,
   * `SERVING_ASYNC_STORE_FAILED`, `SERVING_IDEMPOTENCY_KEY_REUSED`, `SERVING_DRAINING`.
   */
  submit(endpoint: string, request: AsyncRequest, options?: CallOptions): Promise<AsyncJob>;
  /** @returns `undefined` for an id that is not known, or no more. */
  describe(id: string, options?: CallOptions): Promise<AsyncJob | undefined>;
  /** In the order of their ids. */
  list(options?: AsyncListOptions): AsyncIterable<AsyncJob>;
  /** Resolves when it has ended, however it did. Throws `SERVING_ASYNC_UNKNOWN`. */
  wait(id: string, options?: CallOptions): Promise<AsyncJob>;
  /** Streams the result. Throws `SERVING_ASYNC_UNKNOWN`, `SERVING_ASYNC_STATE` where there is none. */
  result(id: string, options?: CallOptions): AsyncIterable<Uint8Array>;
  /** Ends it without a result, also while it is worked at. Throws `SERVING_ASYNC_UNKNOWN`, `SERVING_ASYNC_STATE` where it has ended. */
  cancel(id: string, options?: CallOptions): Promise<AsyncJob>;
  /** Puts a request that is `dead`, `failed` or `expired` into the queue again. Throws `SERVING_ASYNC_UNKNOWN`, `SERVING_ASYNC_STATE`. */
  redrive(id: string, options?: CallOptions): Promise<AsyncJob>;
  /** Throws `SERVING_ENDPOINT_UNKNOWN`. */
  backlog(endpoint: string, options?: CallOptions): Promise<AsyncBacklog>;
  /** SageMaker's `InvokeEndpointAsync` as a Fastify plugin: `await app.register(inference.fastify)`. */
  readonly fastify: FastifyPluginAsync;
  readonly node: NodeHandler;
  handle(request: Request): Promise<Response>;
  /** Takes nothing new, finishes what is under way or gives it back, and closes the targets that it opened. Drain before the model server does. */
  drain(options?: AsyncDrainOptions): Promise<void>;
}
