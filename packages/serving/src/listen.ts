import type { FastifyInstance } from "fastify";
import { portBusy } from "./errors.ts";

export interface ListenOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default: `"127.0.0.1"`. */
  readonly host?: string | undefined;
}

/** Lets a Fastify application listen. @returns its address, such as `http://127.0.0.1:8080`. Throws `SERVING_PORT_BUSY`. */
export async function listen(
  app: Pick<FastifyInstance, "listen">,
  { port, host = "127.0.0.1" }: ListenOptions,
): Promise<string> {
  try {
    return await app.listen({ port, host });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") throw portBusy(host, port, error);
    throw error;
  }
}
