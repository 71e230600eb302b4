import { type ModelServer, openModelServer } from "@millwright/serving";
import type { Authenticate } from "@millwright/serving/auth";
import { denseRuntime, packFolder } from "./models.ts";

export const row = [0.5, -1, 2, 0.25];
export const body = JSON.stringify({ instances: [row] });

/** A server that answers `late` to those whom it knows. */
export async function open(
  authenticate: Authenticate,
  more: Partial<Parameters<typeof openModelServer>[0]> = {},
): Promise<AsyncDisposable & { readonly server: ModelServer }> {
  const folder = await packFolder(1);
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    authenticate,
    ...more,
  });
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export const ask = (
  server: ModelServer,
  headers: Record<string, string> = {},
  path = "/invocations",
): Promise<Response> => server.handle(new Request(`http://host${path}`, { method: "POST", body, headers }));
