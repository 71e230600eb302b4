import { isMillwrightError } from "@millwright/contracts";
import { bodyInvalid } from "../errors.ts";
import { errorAnswer, parseJson } from "../http/http-message.ts";
import type { WebHandler } from "./mount-at.ts";

/** What is used of a socket: those of `ws`, Deno and Bun fit. */
export interface WebSocketLike {
  readonly bufferedAmount: number;
  addEventListener(type: "message" | "close" | "error", listener: (event: { readonly data?: unknown }) => void): void;
  send(text: string): void;
  /** Stops reading, where the socket can. */
  pause?(): void;
  resume?(): void;
}

export interface WebSocketOptions {
  /** How many requests of one socket are answered at once; more are not read before. Default: 32. */
  readonly maxInFlight?: number | undefined;
  /** How many bytes may wait for a client that reads slowly before nothing more is read from it. Default: 1 MiB. */
  readonly maxBufferedBytes?: number | undefined;
}

/** The request that became the socket: its headers say who asks. */
export interface UpgradeRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Headers of the upgrade that are about the connection, and not about who asks. */
const ofConnection = /^(connection|upgrade|host|content-.*|transfer-encoding|sec-websocket-.*|accept-encoding)$/;

/**
 * Answers over WebSockets: `socketServer.on("connection", webSocketHandler(server.handle))` with `ws`. A message is the body of
 * `/endpoints/:endpoint/predict` with `endpoint` and an `id` of the client's beside: `{ "id": 7, "endpoint": "late", "instances": [[1, 2]] }`; its answer
 * is that body with `id` and `status`. Answers come as they are ready, in any order. A client that hangs up takes its requests with him.
 */
export function webSocketHandler(
  handle: WebHandler,
  { maxInFlight = 32, maxBufferedBytes = 1024 * 1024 }: WebSocketOptions = {},
): (socket: WebSocketLike, upgrade?: UpgradeRequest) => void {
  if (!(maxInFlight >= 1)) throw new RangeError(`maxInFlight is ${maxInFlight}, and must be 1 or more.`);
  return (socket, upgrade) => {
    const gone = new AbortController();
    const headers = headersOf(upgrade);
    let inFlight = 0;
    let paused = false;
    const pace = (): void => {
      const full = inFlight >= maxInFlight || socket.bufferedAmount > maxBufferedBytes;
      if (full === paused || gone.signal.aborted) return;
      paused = full;
      if (full) socket.pause?.();
      else socket.resume?.();
      // Nothing tells when a socket has written what it holds.
      if (full && inFlight === 0) setTimeout(pace, 10);
    };
    const answer = async (data: unknown): Promise<void> => {
      inFlight += 1;
      pace();
      const text = await answerMessage(handle, data, { headers, signal: gone.signal });
      inFlight -= 1;
      if (!gone.signal.aborted) socket.send(text);
      pace();
      if (paused && inFlight === 0) setTimeout(pace, 10);
    };
    socket.addEventListener("message", ({ data }) => void answer(data).catch(() => gone.abort()));
    socket.addEventListener("close", () => gone.abort());
    socket.addEventListener("error", () => gone.abort());
  };
}

function headersOf(upgrade: UpgradeRequest | undefined): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(upgrade?.headers ?? {})) {
    if (value !== undefined && !ofConnection.test(name))
      headers.set(name, typeof value === "string" ? value : value.join(", "));
  }
  headers.set("content-type", "application/json");
  return headers;
}

/** The answer to one message, as text: it never throws. */
async function answerMessage(
  handle: WebHandler,
  data: unknown,
  { headers, signal }: { readonly headers: Headers; readonly signal: AbortSignal },
): Promise<string> {
  let id: unknown;
  try {
    if (typeof data !== "string") throw bodyInvalid("a message is not text", "Send JSON as text.");
    const message = parseJson(data);
    if (message === null || typeof message !== "object" || Array.isArray(message))
      throw bodyInvalid("a message is not a JSON object");
    const { id: given, endpoint, ...body } = message as Readonly<Record<string, unknown>>;
    id = given;
    if (typeof endpoint !== "string")
      throw bodyInvalid("`endpoint` is not a text", 'Send { "id", "endpoint", "instances" }.');
    const url = `http://socket/endpoints/${encodeURIComponent(endpoint)}/predict`;
    const request = new Request(url, { method: "POST", headers, body: JSON.stringify(body), signal });
    const response = await handle(request);
    return withId(id, response.status, await response.text());
  } catch (error) {
    const answer = errorAnswer(isMillwrightError(error) ? error : undefined);
    return withId(id, answer.status, answer.body);
  }
}

/** The JSON object of a body with two members before its own. */
const withId = (id: unknown, status: number, body: string): string =>
  `{${id === undefined ? "" : `"id":${JSON.stringify(id)},`}"status":${status},${body.slice(1)}`;
