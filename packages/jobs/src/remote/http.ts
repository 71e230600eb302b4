import { type CallOptions, hasCode } from "@millwright/contracts";
import { clusterRefused, clusterUnreachable } from "../errors.ts";
import { deadlineOf } from "./deadline.ts";
import { textAt } from "./json.ts";
import type { Transport, TransportResponse } from "./transport.ts";

export type Headers = Readonly<Record<string, string>>;

export interface HttpOptions {
  /** For messages. */
  readonly what: string;
  /** Without a slash at its end. */
  readonly url: string;
  /** Asked before each request: a token may have been renewed. */
  readonly headers: (() => Headers | Promise<Headers>) | undefined;
  readonly transport: Transport;
  /** For the whole of an answer. */
  readonly timeoutMs: number;
}

export interface HttpRequest extends CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | undefined;
  readonly body?: unknown;
  /** Of the body. Default: `application/json`. */
  readonly contentType?: string | undefined;
  /** What an answer's status truly is, for a server that wraps the answers of another. Default: as it stands. */
  readonly statusOf?: ((answer: HttpAnswer) => number) | undefined;
}

export interface StreamRequest extends CallOptions {
  /** Which statuses say that there is nothing. Default: 404. */
  readonly absent?: readonly number[] | undefined;
}

/** An answer that was read whole. */
export interface HttpAnswer {
  readonly status: number;
  readonly ok: boolean;
  readonly text: string;
}

/** Throws `JOBS_CLUSTER_UNREACHABLE` where asking again may help: a network that fails, an answer of 408, 425, 429 or from 500. */
export interface Http {
  /** An answer of any other status. */
  send(path: string, request?: HttpRequest): Promise<HttpAnswer>;
  /** The JSON of an answer from 200 to 299; undefined for a 404. Others throw `JOBS_CLUSTER_REFUSED`. */
  json(path: string, request?: HttpRequest): Promise<unknown>;
  /** The body of an answer from 200 to 299 as it comes; nothing where there is none. Others throw `JOBS_CLUSTER_REFUSED`. */
  stream(path: string, request?: StreamRequest): AsyncIterable<Uint8Array>;
  /** What an answer that is no success means. */
  refused(answer: HttpAnswer): Error;
}

const mostCharacters = 64 * 1024 * 1024;
const passing = (status: number): boolean => status === 408 || status === 425 || status === 429 || status >= 500;
const isOk = (status: number): boolean => status >= 200 && status < 300;

export function createHttp(options: HttpOptions): Http {
  const { what } = options;
  const failure = (error: unknown, signal: AbortSignal | undefined): unknown => {
    if (signal?.aborted === true) return signal.reason;
    if (hasCode(error, "JOBS_CLUSTER_UNREACHABLE") || hasCode(error, "JOBS_CLUSTER_REFUSED")) return error;
    return clusterUnreachable(what, reasonOf(error), error);
  };
  const refused: Http["refused"] = (answer) => clusterRefused(what, answer.status, shown(answer));
  const send: Http["send"] = async (path, request = {}) => {
    using deadline = deadlineOf(request.signal, options.timeoutMs);
    try {
      return await readAnswer(what, await ask(options, path, request, deadline.signal), request.statusOf);
    } catch (error) {
      throw failure(error, request.signal);
    }
  };
  return {
    send,
    refused,
    async json(path, request = {}) {
      const answer = await send(path, request);
      if (answer.status === 404) return undefined;
      if (!answer.ok) throw refused(answer);
      try {
        return JSON.parse(answer.text) as unknown;
      } catch (error) {
        throw clusterUnreachable(what, `its answer is not JSON: ${answer.text.slice(0, 200)}`, error);
      }
    },
    async *stream(path, { signal, absent = [404] } = {}) {
      using deadline = deadlineOf(signal, options.timeoutMs);
      try {
        const response = await ask(options, path, {}, deadline.signal);
        if (isOk(response.status)) yield* response.body;
        else {
          const answer = await readAnswer(what, response);
          if (!absent.includes(answer.status)) throw refused(answer);
        }
      } catch (error) {
        throw failure(error, signal);
      }
    },
  };
}

async function ask(
  { url, headers, transport }: HttpOptions,
  path: string,
  { method = "GET", body, contentType = "application/json" }: HttpRequest,
  signal: AbortSignal,
): Promise<TransportResponse> {
  const content = body === undefined ? {} : { "content-type": contentType };
  return transport({
    url: `${url}${path}`,
    method,
    headers: { accept: "*/*", "user-agent": "millwright", ...content, ...(await headers?.()) },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
  });
}

async function readAnswer(
  what: string,
  { status: told, body }: TransportResponse,
  statusOf: HttpRequest["statusOf"] = ({ status }) => status,
): Promise<HttpAnswer> {
  const text = await textOf(what, body);
  const status = statusOf({ status: told, ok: isOk(told), text });
  const answer = { status, ok: isOk(status), text };
  if (passing(status)) throw clusterUnreachable(what, `it answers ${status}: ${shown(answer)}`);
  return answer;
}

async function textOf(what: string, body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > mostCharacters) throw clusterUnreachable(what, "its answer is longer than 64 Mi characters");
  }
  return text + decoder.decode();
}

/** A `message` of JSON, else the end of the text: Python tells the error after where it came from. */
function shown({ text }: HttpAnswer): string {
  let message: string | undefined;
  try {
    message = textAt(JSON.parse(text), "message");
  } catch {
    message = undefined;
  }
  return (message ?? text).trim().slice(-600);
}

/** A connection that several addresses refused is an error without a message. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}
