import type { CallOptions } from "@millwright/contracts";
import type { FastifyInstance } from "fastify";
import { portBusy } from "../errors.ts";

export interface ListenOptions extends CallOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: `"127.0.0.1"`. */
  readonly host?: string | undefined;
}

/** Lets a Fastify application listen. @returns its address, such as `http://127.0.0.1:8080`. On abort it is closed again. Throws `SERVING_PORT_BUSY`. */
export async function listen(
  app: Pick<FastifyInstance, "listen">,
  { port, host = "127.0.0.1", signal }: ListenOptions,
): Promise<string> {
  signal?.throwIfAborted();
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
