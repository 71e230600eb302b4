import type { FileHandle } from "node:fs/promises";
import { type Clock, createDigestBuilder, type Digest, isMillwrightError, type Random } from "@millwright/contracts";
import { fetchChanged, fetchFailed, fetchRefused, fetchSetback } from "../errors.ts";
import {
  contentDigestOf,
  type HttpFetch,
  type HttpResponse,
  ifRangeOf,
  retryAfterMs,
  sameContent,
  spanOf,
  type Validators,
  validatorsOf,
} from "./http-range.ts";

/** What all requests of a download share. */
export interface DownloadSetting {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: HttpFetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly stallMs: number;
  readonly signal: AbortSignal;
  /** Told of bytes as they come. */
  readonly onBytes: (bytes: number) => void;
}

/** A part of a file that is wanted. */
export interface WantedPart {
  readonly start: number;
  readonly end: number;
  readonly digest: Digest | undefined;
}

/** What a response was found to be, before its bytes are taken. */
export interface Answer {
  readonly response: HttpResponse;
  readonly start: number;
  readonly total: number | undefined;
  readonly ranged: boolean;
  readonly validators: Validators;
}

const longestDelayMs = 30_000;
const mostContradictions = 3;

/** One request that is given up when nothing comes for too long. */
export class Exchange implements Disposable {
  readonly #stop = new AbortController();
  readonly #setting: DownloadSetting;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #end = (): void => this.#stop.abort(this.#setting.signal.reason);

  constructor(setting: DownloadSetting) {
    this.#setting = setting;
    setting.signal.addEventListener("abort", this.#end, { once: true });
  }

  /** Throws `JOBS_FETCH_REFUSED`; anything else it throws is worth another try. */
  async ask(start: number, end: number | undefined, known: Validators | undefined): Promise<Answer> {
    const { url, headers, fetch, clock, signal } = this.#setting;
    signal.throwIfAborted();
    this.#wind();
    const ifRange = known === undefined ? undefined : ifRangeOf(known);
    const response = await fetch(url, {
      headers: {
        ...headers,
        "accept-encoding": "identity",
        ...(end === undefined ? {} : { range: `bytes=${start}-${end - 1}` }),
        ...(ifRange === undefined || end === undefined ? {} : { "if-range": ifRange }),
      },
      signal: this.#stop.signal,
      redirect: "follow",
    });
    const { status } = response;
    if (status === 408 || status === 425 || status === 429 || status >= 500)
      throw later(status, retryAfterMs(response, clock.nowMs()));
    if (status === 416)
      return { response, start, total: totalOf416(response), ranged: true, validators: validatorsOf(response) };
    if (status !== 200 && status !== 206) throw fetchRefused(url, status);
    const span = spanOf(response, start);
    if (span === undefined) throw fetchSetback("the server brought other bytes than it was asked for");
    const validators = validatorsOf(response);
    if (
      known !== undefined &&
      (!sameContent(known, validators) || (ifRange !== undefined && !span.ranged && end !== undefined))
    )
      throw fetchChanged(url);
    return { response, ...span, validators };
  }

  /** The response's bytes, as they come. Ends early where there are more than `most`. */
  async *bytes({ body }: HttpResponse, most: number): AsyncGenerator<Uint8Array> {
    if (body === null) return;
    const reader = body.getReader();
    let left = most;
    try {
      while (left > 0) {
        this.#wind();
        const { done, value } = await reader.read();
        if (done) return;
        this.#setting.onBytes(value.length);
        yield value.length > left ? value.subarray(0, left) : value;
        left -= value.length;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#setting.signal.removeEventListener("abort", this.#end);
    this.#stop.abort();
  }

  #wind(): void {
    clearTimeout(this.#timer);
    const { stallMs } = this.#setting;
    this.#timer = setTimeout(() => this.#stop.abort(fetchSetback(`nothing came for ${stallMs} ms`)), stallMs);
  }
}

/** How long servers asked to wait. */
const waits = new WeakMap<object, number>();

function later(status: number, waitMs: number): Error {
  const error = fetchSetback(`the server answered ${status}`);
  waits.set(error, waitMs);
  return error;
}

const totalOf416 = ({ headers }: HttpResponse): number | undefined => {
  const found = /^bytes \*\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
};

/** Whether an attempt came further before it failed. */
export interface Attempt {
  gained: boolean;
}

/** Tries again after what may pass, with growing, random waits. Throws `JOBS_FETCH_FAILED` after too many attempts in a row that gained nothing. */
export async function persistently<Value>(
  setting: DownloadSetting,
  work: (attempt: Attempt) => Promise<Value>,
): Promise<Value> {
  const { clock, random, retries, retryDelayMs, signal, url } = setting;
  for (let failures = 0; ;) {
    const attempt: Attempt = { gained: false };
    try {
      return await work(attempt);
    } catch (error) {
      signal.throwIfAborted();
      if ((isMillwrightError(error) && error.code !== "JOBS_FETCH_FAILED") || isOfDisk(error)) throw error;
      failures = attempt.gained ? 1 : failures + 1;
      if (failures > retries) throw fetchFailed(url, failures, error);
      const asked = typeof error === "object" && error !== null ? (waits.get(error) ?? 0) : 0;
      const most = Math.min(longestDelayMs, retryDelayMs * 2 ** (failures - 1));
      await clock.sleep(Math.min(longestDelayMs, Math.max(asked, random.next() * most)), { signal });
    }
  }
}

/** What the file system says; a network's errors have a `syscall` too, of `connect` and its like. */
const isOfDisk = (error: unknown): boolean =>
  error instanceof Error &&
  "syscall" in error &&
  ["write", "open", "ftruncate", "fsync", "rename", "mkdir", "read"].includes(String(error.syscall)) &&
  "code" in error &&
  error.code !== "ECONNRESET" &&
  error.code !== "EPIPE";

/**
 * Fetches one part into its place in the file: goes on where a response broke off, and begins anew where what came has another digest than it should.
 * @returns the part's digest. Throws `JOBS_FETCH_FAILED`, `JOBS_FETCH_REFUSED`, `JOBS_FETCH_CHANGED`.
 */
export async function downloadPart(
  setting: DownloadSetting,
  { start, end, digest }: WantedPart,
  { sizeBytes, validators: known }: { readonly sizeBytes: number; readonly validators: Validators },
  file: FileHandle,
): Promise<Digest> {
  let contradictions = 0;
  let at = start;
  let hash = createDigestBuilder();
  return persistently(setting, async (attempt) => {
    using exchange = new Exchange(setting);
    const answer = await exchange.ask(at, end, known);
    if (!answer.ranged) throw fetchChanged(setting.url);
    if (answer.total !== undefined && answer.total !== sizeBytes) {
      // Once is a false answer; again and again, what was believed at first is false.
      contradictions += 1;
      if (contradictions === mostContradictions) throw fetchChanged(setting.url);
      throw fetchSetback(`the server says that the file has ${answer.total} bytes, and said ${sizeBytes} before`);
    }
    const own = createDigestBuilder();
    for await (const bytes of exchange.bytes(answer.response, end - at)) {
      await file.write(bytes, 0, bytes.length, at);
      hash.update(bytes);
      own.update(bytes);
      at += bytes.length;
      attempt.gained = true;
    }
    if (at < end) throw fetchSetback(`the response ended ${end - at} bytes too early`);
    const said = contentDigestOf(answer.response);
    const found = hash.digest();
    if ((digest !== undefined && found !== digest) || (said !== undefined && own.digest() !== said)) {
      at = start;
      hash = createDigestBuilder();
      attempt.gained = false;
      throw fetchSetback("the bytes were damaged on their way");
    }
    return found;
  });
}
