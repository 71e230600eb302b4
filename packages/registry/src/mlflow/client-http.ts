import type { CallOptions, Clock, Logger, Random } from "@millwright/contracts";
import { retryAfterMs } from "../delivery/retry-after.ts";
import { mlflowAnswerInvalid, mlflowRefused, mlflowUnreachable, reasonOf } from "./client-errors.ts";
import { type JsonRecord, isRecord } from "./message.ts";

/** The part of `fetch` that is used. */
export type MlflowFetch = (url: string, options: MlflowFetchOptions) => Promise<MlflowFetchAnswer>;

export interface MlflowFetchOptions {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | undefined;
  readonly duplex?: "half" | undefined;
  readonly signal: AbortSignal;
}

export interface MlflowFetchAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: ReadableStream<Uint8Array> | null;
  text(): Promise<string>;
}

export interface MlflowHttpOptions {
  /** Without a slash at its end. */
  readonly url: string;
  readonly fetch: MlflowFetch;
  readonly authorization: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How often one call is tried again. */
  readonly retries: number;
  /** Longest wait for the answer to one attempt. */
  readonly timeoutMs: number;
  /** Longest that one call is tried, all its attempts and the waits between them. */
  readonly giveUpMs: number;
}

export interface MlflowCall extends CallOptions {
  /** A name for messages: `runs/create`. */
  readonly what: string;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE" | "PUT";
  /** Below the server's address. */
  readonly path: string;
  readonly body?: (() => MlflowBody) | undefined;
  /** Names of errors that are answers: the call gives undefined. */
  readonly expected?: readonly string[] | undefined;
}

export interface MlflowBody {
  readonly bytes: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly type: string;
}

/** Calls to one server. All throw `REGISTRY_MLFLOW_REFUSED`, `REGISTRY_MLFLOW_UNREACHABLE` and `REGISTRY_MLFLOW_ANSWER_INVALID`. */
export interface MlflowHttp {
  /** The JSON answered, after as many attempts as it takes; undefined for an expected error. */
  json(call: MlflowCall): Promise<JsonRecord | undefined>;
  /** The same in one attempt, to be made within `attempts`. */
  jsonOnce(call: MlflowCall): Promise<JsonRecord | undefined>;
  /** The answer once it begins, in one attempt, to be made within `attempts`. */
  streamOnce(call: MlflowCall): Promise<MlflowFetchAnswer | undefined>;
  /** Makes attempts until one is through. `isRetry`: an earlier one may have arrived. */
  attempts<Value>(what: string, attempt: (isRetry: boolean) => Promise<Value>, options: CallOptions): Promise<Value>;
}

/** An attempt that may be made again. */
class Passing extends Error {
  override readonly name = "Passing";
  readonly waitMs: number | undefined;
  constructor(message: string, waitMs?: number, cause?: unknown) {
    super(message, { cause });
    this.waitMs = waitMs;
  }
}

const passingStatuses = new Set([408, 429, 500, 502, 503, 504]);
const firstWaitMs = 250;
const longestWaitMs = 30_000;

export function createMlflowHttp(options: MlflowHttpOptions): MlflowHttp {
  const { clock, logger, random, retries, giveUpMs } = options;
  const attempts: MlflowHttp["attempts"] = async (what, attempt, { signal }) => {
    const endMs = clock.monotonicMs() + giveUpMs;
    for (let made = 1; ; made += 1) {
      signal?.throwIfAborted();
      try {
        return await attempt(made > 1);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Passing)) throw error;
        const backoffMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (made - 1)) * (0.5 + random.next() / 2);
        const waitMs = error.waitMs ?? backoffMs;
        if (made > retries || clock.monotonicMs() + waitMs > endMs) throw mlflowUnreachable(what, made, error);
        logger.debug({ what, attempt: made, waitMs, reason: error.message }, "A call to MLflow is made again.");
        await clock.sleep(waitMs, { signal });
      }
    }
  };
  const jsonOnce: MlflowHttp["jsonOnce"] = (call) => sendOnce(options, call, (answer) => objectOf(call.what, answer));
  return {
    json: (call) => attempts(call.what, () => jsonOnce(call), call),
    jsonOnce,
    streamOnce: (call) => sendOnce(options, call, (answer) => Promise.resolve(answer)),
    attempts,
  };
}

async function sendOnce<Value>(
  options: MlflowHttpOptions,
  call: MlflowCall,
  read: (answer: MlflowFetchAnswer) => Promise<Value>,
): Promise<Value | undefined> {
  const { what, method, path, expected = [], signal } = call;
  const body = call.body?.();
  const limit = new AbortController();
  const timer = new AbortController();
  options.clock.sleep(options.timeoutMs, { signal: timer.signal }).then(
    () => limit.abort(new Passing(`no answer within ${options.timeoutMs} ms`)),
    () => {},
  );
  const stopped = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
  try {
    const answer = await options.fetch(`${options.url}${path}`, {
      method,
      headers: {
        accept: "application/json",
        ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
        ...(body === undefined ? {} : { "content-type": body.type }),
      },
      ...(body === undefined ? {} : { body: body.bytes }),
      ...(body?.bytes instanceof ReadableStream ? { duplex: "half" as const } : {}),
      signal: stopped,
    });
    if (answer.status >= 200 && answer.status < 300) return await read(answer);
    const text = await answer.text();
    if (passingStatuses.has(answer.status))
      throw new Passing(
        `it answered ${answer.status} ${messageOf(text)}`.trim(),
        retryAfterMs(answer.headers.get("retry-after"), options.clock),
      );
    const { code, message } = refusalOf(answer.status, text);
    if (code === undefined) throw mlflowAnswerInvalid(what, `it answered ${answer.status}`);
    if (expected.includes(code)) return undefined;
    throw mlflowRefused(what, code, message);
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : asPassing(error);
  } finally {
    timer.abort();
  }
}

function refusalOf(status: number, text: string): { readonly code: string | undefined; readonly message: string } {
  const body = parsed(text);
  const code = isRecord(body) && typeof body["error_code"] === "string" ? body["error_code"] : undefined;
  if (code !== undefined) return { code, message: messageOf(text) };
  // Gateways and MLflow's own login answer without its body.
  if (status === 401) return { code: "UNAUTHENTICATED", message: "who calls is not known" };
  if (status === 403) return { code: "PERMISSION_DENIED", message: "who calls may not do that" };
  if (status === 413) return { code: "INVALID_PARAMETER_VALUE", message: "the body is too large" };
  return { code: undefined, message: "" };
}

function messageOf(text: string): string {
  const body = parsed(text);
  return isRecord(body) && typeof body["message"] === "string" ? body["message"] : "";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fetch` and its streams reject with a TypeError where the connection fails. */
export const asPassing = (error: unknown): unknown =>
  error instanceof TypeError ? new Passing(reasonOf(error), undefined, error) : error;

async function objectOf(what: string, answer: MlflowFetchAnswer): Promise<JsonRecord> {
  const body = parsed(await answer.text());
  if (!isRecord(body)) throw mlflowAnswerInvalid(what, "it is not JSON that it answers");
  return body;
}
