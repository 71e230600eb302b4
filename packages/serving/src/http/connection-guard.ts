import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

export interface GuardOptions {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

const slow = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/**
 * Cuts off clients that send the head of a request slowly. Node looks at its own limits every 30 seconds only, and Fastify sets none for whole requests: the
 * first head of a connection has a timer of its own here, all later ones have Node's.
 */
export function guardConnections(server: Server, { headersTimeoutMs, requestTimeoutMs }: GuardOptions): void {
  if (server.requestTimeout === 0) server.requestTimeout = requestTimeoutMs;
  server.headersTimeout = Math.min(headersTimeoutMs, server.requestTimeout);
  const timers = new WeakMap<Socket, ReturnType<typeof setTimeout>>();
  server.on("connection", (socket: Socket) => {
    const timer = setTimeout(() => {
      if (socket.writable) socket.end(slow);
      socket.destroySoon();
    }, headersTimeoutMs);
    timer.unref();
    timers.set(socket, timer);
    socket.once("close", () => clearTimeout(timer));
  });
  server.on("request", ({ socket }: IncomingMessage) => clearTimeout(timers.get(socket)));
}
