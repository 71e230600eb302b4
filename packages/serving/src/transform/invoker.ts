import { type Clock, type JsonObject, type Random, isMillwrightError } from "@millwright/contracts";
import { targetFailed } from "./errors.ts";
import type { Invocation, InvocationAnswer, TransformTarget } from "./target.ts";

/** How patiently a target is asked; as SageMaker's `ModelClientConfig`, with what it does not say. */
export interface InvocationPolicy {
  /** Of one try, milliseconds. Default: 600,000. */
  readonly timeoutMs?: number | undefined;
  /** Tries after the first. Default: 3. */
  readonly maxRetries?: number | undefined;
  /** Waited before the first retry and doubled for each, half of it by chance, milliseconds. Default: 200. */
  readonly backoffMs?: number | undefined;
  /** Most that is waited between two tries, milliseconds. Default: 30,000. */
  readonly maxBackoffMs?: number | undefined;
}

export interface InvokerOptions {
  readonly target: TransformTarget;
  readonly policy: InvocationPolicy;
  readonly clock: Clock;
  readonly random: Random;
}

/** What was asked, whatever came of it. */
export interface InvocationCounts {
  invocations: number;
  retries: number;
}

/** Asks a target until it answers, fails for good, or has been asked often enough. */
export class Invoker {
  readonly #options: InvokerOptions;

  constructor(options: InvokerOptions) {
    this.#options = options;
  }

  /** @returns the body of an answer with a status of 2xx. Throws `SERVING_TRANSFORM_TARGET_FAILED`, retryable where the target did not say no to what it was sent. */
  async ask(make: () => Invocation, counts: InvocationCounts): Promise<Buffer> {
    const { target, policy, clock, random } = this.#options;
    const { maxRetries = 3, backoffMs = 200, maxBackoffMs = 30_000 } = policy;
    for (let attempt = 0; ; attempt += 1) {
      const invocation = make();
      invocation.signal?.throwIfAborted();
      counts.invocations += 1;
      const outcome = await this.#try(invocation);
      if (outcome.body !== undefined) return outcome.body;
      if (!outcome.again || attempt >= maxRetries)
        throw targetFailed(
          target.name,
          attempt === 0 ? outcome.problem : `${outcome.problem}, after ${attempt + 1} tries`,
          outcome.transient,
          outcome.cause,
        );
      counts.retries += 1;
      const ceiling = Math.min(maxBackoffMs, backoffMs * 2 ** attempt);
      const waitMs = Math.max(
        ceiling / 2 + random.next() * (ceiling / 2),
        Math.min(outcome.retryAfterMs ?? 0, maxBackoffMs),
      );
      await clock.sleep(waitMs, { signal: invocation.signal });
    }
  }

  async #try(invocation: Invocation): Promise<Outcome> {
    const { target, policy, clock } = this.#options;
    const { timeoutMs = 600_000 } = policy;
    const attempt = new AbortController();
    const stop = (): void => attempt.abort(invocation.signal?.reason);
    invocation.signal?.addEventListener("abort", stop, { once: true });
    const settled = new AbortController();
    let isLate = false;
    const alarm = clock.sleep(timeoutMs, { signal: settled.signal }).then(
      () => {
        isLate = true;
        attempt.abort(new DOMException("The invocation took too long.", "TimeoutError"));
      },
      () => {},
    );
    try {
      const asked = target.invoke({ ...invocation, signal: attempt.signal });
      // A target that does not heed its signal is left alone.
      const answer = await Promise.race([asked, rejection(attempt.signal)]);
      asked.catch(() => {});
      return outcomeOf(answer);
    } catch (error) {
      invocation.signal?.throwIfAborted();
      const problem = isLate ? `it took longer than ${timeoutMs} ms` : reasonOf(error);
      return { body: undefined, problem, again: true, transient: true, cause: error };
    } finally {
      settled.abort();
      await alarm;
      invocation.signal?.removeEventListener("abort", stop);
    }
  }
}

const rejection = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });

type Outcome =
  | { readonly body: Buffer }
  | {
      readonly body: undefined;
      readonly problem: string;
      readonly again: boolean;
      /** Whether the fault is not with what was sent. */
      readonly transient: boolean;
      readonly retryAfterMs?: number | undefined;
      readonly cause?: unknown;
    };

function outcomeOf({ status, body, retryAfterMs }: InvocationAnswer): Outcome {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (status >= 200 && status < 300) return { body: bytes };
  const busy = status === 429 || status === 408 || status === 503 || status === 502 || status === 504;
  return {
    body: undefined,
    problem: `status ${status}, ${toldOf(bytes)}`,
    again: busy || status >= 500,
    // A model that fails at a record answers 500 for it; a server that is not there or has no room, one of the others.
    transient: busy,
    retryAfterMs,
  };
}

/** What the body says of the error: the member `error` of ours, `message` of others, else its beginning. */
function toldOf(body: Buffer): string {
  const text = body.toString("utf8").trim();
  try {
    const { error, message, ErrorMessage } = JSON.parse(text) as JsonObject;
    const told = [error, message, ErrorMessage].find((each) => typeof each === "string");
    if (told !== undefined) return String(told).replace(/\.$/, "");
  } catch {
    // No JSON: its own words.
  }
  return text === "" ? "without a word" : text.slice(0, 300);
}

/** In words, with what is behind it. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error && !isMillwrightError(error) ? ` (${error.cause.message})` : "";
  return `${error.message.replace(/\.$/, "")}${cause}`;
};
