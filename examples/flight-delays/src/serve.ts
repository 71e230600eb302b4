import { once } from "node:events";
import { openApp } from "./http.ts";
import { type Job, bringOnline } from "./job.ts";
import { endpoint, openProduction } from "./production.ts";

/** Midnight after the last flight: what is served is the state of the world when the file ends. */
const endMs = Date.UTC(2001, 6, 3);

/** Keeps the endpoint up until the process is told to stop. */
export async function serveForever(job: Job, port: number): Promise<void> {
  const { clock, terminal, signal } = job;
  if (clock.nowMs() < endMs) await bringOnline(job, endMs);
  await using production = await openProduction(job, clock);
  const { app, url } = await openApp(production.server, port, (routes) => {
    routes.get("/metrics", async (_request, reply) => reply.type("text/plain").send(await production.meter.metrics()));
  });
  const example = {
    entities: [{ origin: "ORD", destination: "LGA", quarter: 68 }],
    request: [{ minute_of_day: 1027, weekday: 5, distance: 733 }],
  };
  terminal.line(
    `Serving the model at ${url}. Try:\n\n  curl -s ${url}/endpoints/${endpoint}/predict -H 'content-type: application/json' -d '${JSON.stringify(example)}'\n\nCtrl-C stops it.`,
  );
  if (!signal.aborted) await once(signal, "abort");
  await app.close();
}
