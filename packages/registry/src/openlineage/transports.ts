import { open } from "node:fs/promises";
import { type Clock, systemClock } from "@millwright/contracts";
import type { AttemptOutcome } from "../delivery/event-sender.ts";
import { retryAfterMs } from "../delivery/retry-after.ts";
import { reasonOf } from "../delivery/webhook-attempt.ts";
import type { OpenLineageEvent } from "./event-types.ts";

/** Takes events to whoever reads them. */
export interface OpenLineageTransport {
  /** One attempt. What it throws is a failed attempt, and is tried again, as `failed` is; `refused` is not. */
  send(event: OpenLineageEvent, options: { readonly signal: AbortSignal }): Promise<AttemptOutcome>;
}

/** The part of `fetch` that is used. */
export type OpenLineageFetch = (
  url: string,
  options: {
    readonly method: "POST";
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly redirect: "manual";
    readonly signal: AbortSignal;
  },
) => Promise<{ readonly status: number; readonly headers: { get(name: string): string | null } }>;

export interface HttpTransportOptions {
  /** The server's address, such as `http://localhost:5000`, with its prefix if it has one. */
  readonly url: string;
  /** Default: `api/v1/lineage`. */
  readonly endpoint?: string | undefined;
  /** Sent as a bearer token: a text, or what gives the one of now. Default: none. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Sent with every event beside its own: never secrets that logs may show. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How long the server may take. Default: 5000. */
  readonly timeoutMs?: number | undefined;
  /** Default: Node's own. */
  readonly fetch?: OpenLineageFetch | undefined;
  /** For `Retry-After`. */
  readonly clock?: Clock | undefined;
}

/**
 * Posts events to a server that takes OpenLineage, such as Marquez or another registry. A status of 2xx: it was taken; 400, 413 and 422: this event will never be, and the next is sent;
 * all else is tried again, after `Retry-After` where the server says.
 */
export function httpTransport(options: HttpTransportOptions): OpenLineageTransport {
  const { endpoint = "api/v1/lineage", token, headers = {}, timeoutMs = 5000, clock = systemClock } = options;
  const fetch: OpenLineageFetch = options.fetch ?? globalThis.fetch;
  const base = options.url.endsWith("/") ? options.url : `${options.url}/`;
  if (!/^https?:\/\//i.test(base) || !URL.canParse(endpoint, base))
    throw new RangeError(`\`url\` is no http(s) address: ${options.url}.`);
  if (!(timeoutMs > 0)) throw new RangeError(`\`timeoutMs\` is ${timeoutMs}; it is above 0.`);
  const url = new URL(endpoint, base).href;
  return {
    async send(event, { signal }) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      try {
        const bearer = typeof token === "function" ? await token() : token;
        const answer = await fetch(url, {
          method: "POST",
          headers: {
            ...headers,
            "content-type": "application/json",
            ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          },
          body: JSON.stringify(event),
          redirect: "manual",
          signal: limit,
        });
        return outcomeOf(answer.status, retryAfterMs(answer.headers.get("retry-after"), clock));
      } catch (error) {
        signal.throwIfAborted();
        return { kind: "failed", problem: limit.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error) };
      }
    },
  };
}

function outcomeOf(status: number, waitMs: number | undefined): AttemptOutcome {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const problem = `it answered ${status}`;
  const isRefused = status === 400 || status === 413 || status === 422;
  return isRefused ? { kind: "refused", problem } : { kind: "failed", problem, waitMs };
}

export interface FileTransportOptions {
  /** The file; its folder must be there. Only one emitter may write to it. */
  readonly path: string;
}

/**
 * Appends events to a file, one JSON to a line, each on the disk before the next. A line that a crash cut short is cut off before the next is written, and its event written again.
 */
export function fileTransport({ path }: FileTransportOptions): OpenLineageTransport {
  if (typeof path !== "string" || path === "") throw new RangeError("`path` is empty; it names the file.");
  return {
    async send(event, { signal }) {
      signal.throwIfAborted();
      const file = await open(path, "a+");
      try {
        const { size } = await file.stat();
        const whole = await lengthOfWholeLines(file, size);
        if (whole < size) await file.truncate(whole);
        await file.appendFile(`${JSON.stringify(event)}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
      return { kind: "delivered" };
    },
  };
}

type FileHandle = Awaited<ReturnType<typeof open>>;

const newline = 10;

/** Bytes up to and with the last line's end. */
async function lengthOfWholeLines(file: FileHandle, size: number): Promise<number> {
  const block = Buffer.alloc(65_536);
  // Nearly always the last byte tells.
  for (let end = size, take = 1; end > 0; end -= take) {
    take = Math.min(end === size ? 1 : block.length, end);
    const { bytesRead } = await file.read(block, 0, take, end - take);
    const found = block.subarray(0, bytesRead).lastIndexOf(newline);
    if (found !== -1) return end - take + found + 1;
  }
  return 0;
}

export interface ConsoleTransportOptions {
  /** Takes each event as a line of JSON. Default: writes it to the process's standard output. */
  readonly write?: ((line: string) => void) | undefined;
}

/** Writes events to the console, to look at them. */
export function consoleTransport({ write = toOutput }: ConsoleTransportOptions = {}): OpenLineageTransport {
  return {
    async send(event) {
      write(JSON.stringify(event));
      return { kind: "delivered" };
    },
  };
}

const toOutput = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
