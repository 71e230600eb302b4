import { type Clock, abortable, isMillwrightError } from "@millwright/contracts";
import { asyncTimedOut } from "./async-errors.ts";
import { type AsyncOutcome, type JobRow, specOf } from "./async-job.ts";
import type { AsyncTarget } from "./async-options.ts";
import type { PayloadStore } from "./payload-store.ts";

/** What a try came to. `retry`: it may go better another time. */
export type Attempted =
  | { readonly kind: "answered"; readonly outcome: AsyncOutcome }
  | { readonly kind: "refused" | "retry"; readonly outcome: AsyncOutcome; readonly reason: string };

export interface AttemptSite {
  readonly payloads: PayloadStore;
  readonly clock: Clock;
  readonly target: AsyncTarget;
}

/** Most of an error's body that is kept. */
const maxReasonBytes = 65_536;

/** Asks the target once, and puts its answer beside its place. Never throws but for `signal`: then nobody waits for the answer. */
export async function attempt(
  row: JobRow,
  { payloads, clock, target }: AttemptSite,
  signal: AbortSignal,
): Promise<Attempted> {
  const spec = specOf(row);
  const staged = stagedName(row);
  const over = new AbortController();
  const timer = new AbortController();
  const late = asyncTimedOut(row.id, spec.timeoutMs);
  void clock.sleep(spec.timeoutMs, { signal: timer.signal }).then(
    () => over.abort(late),
    () => undefined,
  );
  const either = AbortSignal.any([signal, over.signal]);
  try {
    const body = payloads.open(spec.inputLocation, { signal: either });
    const request = requestOf(row, await startedOf(body), either);
    const response = await abortable(target(request), either);
    const contentType = response.headers.get("content-type") ?? undefined;
    const parts = (response.body ?? []) as AsyncIterable<Uint8Array>;
    if (!response.ok) return await refusalOf(response.status, parts, either);
    const bytes = await payloads.write(staged, untilAborted(parts, either), { signal: either });
    return { kind: "answered", outcome: { end: "completed", status: response.status, contentType, bytes, staged } };
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(over.signal.aborted ? late : error);
  } finally {
    timer.abort();
  }
}

/** Beside the result, and of this try alone: who comes too late puts nothing in another's place. */
export const stagedName = (row: JobRow): string => `${specOf(row).outputLocation}.${row.fence}.staged`;

/** The pieces, once the first is there: an input that is missing is found out before the target is asked. */
async function startedOf(pieces: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = pieces[Symbol.asyncIterator]();
  let next: IteratorResult<Uint8Array> | undefined = await iterator.next();
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const given = next ?? (await iterator.next());
        next = undefined;
        return given;
      },
      return: async () => {
        await iterator.return?.();
        return { done: true, value: undefined };
      },
    }),
  };
}

/** The ordinary invocation of a container, its body as it is read. */
function requestOf(row: JobRow, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Request {
  const { contentType, accept, attributes } = specOf(row);
  const options = {
    method: "POST",
    headers: {
      "content-type": contentType,
      "x-amzn-sagemaker-inference-id": row.id,
      ...(accept === undefined ? {} : { accept }),
      ...(attributes === undefined ? {} : { "x-amzn-sagemaker-custom-attributes": attributes }),
    },
    body: pieces,
    duplex: "half",
    signal,
  };
  const url = `http://localhost/endpoints/${encodeURIComponent(row.endpoint)}/invocations`;
  return new Request(url, options as ConstructorParameters<typeof Request>[1]);
}

async function* untilAborted(parts: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const iterator = parts[Symbol.asyncIterator]?.() ?? nothing();
  try {
    for (;;) {
      const next = await abortable(Promise.resolve(iterator.next()), signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}

async function refusalOf(status: number, parts: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Attempted> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const piece of untilAborted(parts, signal)) {
    kept.push(piece);
    size += piece.length;
    if (size >= maxReasonBytes) break;
  }
  const reason = Buffer.concat(kept).subarray(0, maxReasonBytes).toString("utf8");
  const again = status === 408 || status === 429 || status >= 500;
  return {
    kind: again ? "retry" : "refused",
    outcome: { status, errorCode: codeIn(reason) ?? `HTTP_${status}` },
    reason,
  };
}

/** The code that servers of the house put into the bodies of errors. */
function codeIn(text: string): string | undefined {
  try {
    const { code } = JSON.parse(text) as { readonly code?: unknown };
    return typeof code === "string" && /^[A-Z][A-Z0-9_]{2,63}$/.test(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

function failureOf(error: unknown): Attempted {
  const known = isMillwrightError(error) ? error : undefined;
  const final = known !== undefined && !known.retryable && (known.category === "user" || known.category === "data");
  const reason = error instanceof Error ? error.message : String(error);
  return { kind: final ? "refused" : "retry", outcome: { errorCode: known?.code ?? "none" }, reason };
}
