import type { CallOptions } from "@millwright/contracts";
import type { FastifyInstance } from "fastify";
import { portBusy } from "../errors.ts";
import { guardConnections } from "./connection-guard.ts";

export interface ListenOptions extends CallOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: `"127.0.0.1"`. */
  readonly host?: string | undefined;
  /** How long the head of a request may take to arrive, milliseconds; slower clients are answered 408 and cut off. Default: 20,000. */
  readonly headersTimeoutMs?: number | undefined;
  /** How long a whole request may take to arrive, milliseconds, where the application has set no limit of its own. Default: 300,000. */
  readonly requestTimeoutMs?: number | undefined;
}

/** Lets a Fastify application listen, guarded against clients that send slowly. @returns its address, such as `http://127.0.0.1:8080`. On abort it is closed again. Throws `SERVING_PORT_BUSY`. */
export async function listen(
  app: Pick<FastifyInstance, "listen"> & Partial<Pick<FastifyInstance, "server">>,
  { port, host = "127.0.0.1", headersTimeoutMs = 20_000, requestTimeoutMs = 300_000, signal }: ListenOptions,
): Promise<string> {
  signal?.throwIfAborted();
  for (const [name, value] of Object.entries({ headersTimeoutMs, requestTimeoutMs }))
    if (!(value >= 1 && value <= 2 ** 31 - 1))
      throw new RangeError(`${name} is ${value}, and must be from 1 to 2^31 - 1.`);
  if (app.server !== undefined) guardConnections(app.server, { headersTimeoutMs, requestTimeoutMs });
  // Fastify would close whenever its signal aborts: it is given one that is forgotten when this resolves.
  const opening = new AbortController();
  const stop = (): void => opening.abort(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const address = await app.listen({ port, host, signal: opening.signal });
    signal?.throwIfAborted();
    return address;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") throw portBusy(host, port, error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
