import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { FastifyInstance } from "fastify";
import { type MountedRoute, answering } from "./answering.ts";
import { fastifyPlugin } from "./fastify-face.ts";
import type { HttpRoute } from "./http-message.ts";
import { webHandler } from "./web-face.ts";

/** Hosts of routes that nobody else can reach, to be asked as clients ask. */
export interface WarmHosts extends AsyncDisposable {
  /** Posts a JSON body over a connection to a Fastify application of its own, and to the web's handler. Rejects where the answer is no success. */
  post(path: string, body: Uint8Array): Promise<void>;
}

const type = { "content-type": "application/json" };
const requestsPerConnection = 8;
const limits = { maxBodyBytes: 1024 * 1024 * 1024, bodyTimeoutMs: 60_000 };

/** Where this process may not listen, the web's handler alone is asked. */
export async function openWarmHosts(described: readonly HttpRoute[]): Promise<WarmHosts> {
  const routes = described.map((route) => answering(route, limits, { failed: () => ({}), leaving: false }));
  const web = webHandler(routes);
  const app = await listening(routes).catch(() => undefined);
  let agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let asked = 0;
  return {
    async post(path, body) {
      asked += 1;
      // Connections are accepted, too: the first request comes over a new one.
      if (asked % requestsPerConnection === 0) {
        agent.destroy();
        agent = new Agent({ keepAlive: true, maxSockets: 1 });
      }
      const answer = await web(
        new Request(`http://warm${path}`, { method: "POST", headers: type, body: Buffer.from(body) }),
      );
      await answer.arrayBuffer();
      const address = app?.server.address();
      const status =
        address === null || address === undefined || typeof address === "string"
          ? answer.status
          : await posted({ port: address.port, path, agent, body });
      if (answer.status !== 200 || status !== 200) throw new RangeError(`The body was answered ${status}.`);
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await app?.close();
    },
  };
}

async function listening(routes: readonly MountedRoute[]): Promise<FastifyInstance> {
  const { fastify } = await import("fastify");
  const app = fastify();
  await app.register(fastifyPlugin(routes));
  await app.listen({ port: 0, host: "127.0.0.1" });
  return app;
}

async function posted({
  body,
  ...target
}: {
  readonly port: number;
  readonly path: string;
  readonly agent: Agent;
  readonly body: Uint8Array;
}): Promise<number | undefined> {
  const headers = { ...type, "content-length": body.byteLength };
  const asked = request({ ...target, host: "127.0.0.1", method: "POST", headers });
  asked.end(body);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  return answer.statusCode;
}
