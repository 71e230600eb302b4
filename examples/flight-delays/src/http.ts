import Fastify, { type FastifyInstance } from "fastify";
import type { ModelServer } from "@millwright/serving";
import { listen } from "@millwright/serving";
import type { June } from "./june.ts";
import { endpoint } from "./production.ts";
import { percentilesOf } from "./quality.ts";
import type { ReplayReport } from "./report-data.ts";

/**
 * The model server in a Fastify app of our own.
 * @param addRoutes Adds routes beside the server's; an app that listens takes no more.
 * @returns the app and its address.
 */
export async function openApp(
  server: ModelServer,
  port: number,
  addRoutes: (app: FastifyInstance) => void = () => {},
): Promise<{ readonly app: FastifyInstance; readonly url: string }> {
  const app = Fastify();
  await app.register(server.fastify);
  addRoutes(app);
  const url = await listen(app, { port });
  return { app, url };
}

/** Latency over loopback, one request at a time, of departures spread over June. */
export async function measureHttp(server: ModelServer, june: June, signal: AbortSignal): Promise<ReplayReport["http"]> {
  const { app, url } = await openApp(server, 0);
  const latencies: number[] = [];
  try {
    const total = Math.min(2_000, june.departedMs.length);
    // The first requests find cold code and are not counted.
    for (let request = -100; request < total; request += 1) {
      signal.throwIfAborted();
      const at = Math.floor((Math.max(0, request) * june.departedMs.length) / total);
      const body = JSON.stringify({ entities: [june.entityOf(at)], request: [june.requestOf(at)] });
      const sentMs = performance.now();
      const response = await fetch(`${url}/endpoints/${endpoint}/predict`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      await response.json();
      if (!response.ok) throw new Error(`The endpoint answered ${response.status}.`);
      if (request >= 0) latencies.push(performance.now() - sentMs);
    }
  } finally {
    await app.close();
  }
  return { requests: latencies.length, ...percentilesOf(latencies) };
}
