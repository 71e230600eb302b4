import fastify, { type FastifyInstance } from "fastify";
import { type Clock, digestOf, type PredictionSink } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import type { PrometheusMeter } from "@millwright/monitor";
import type { Ask } from "./ask.ts";
import { type Flight, features } from "./flights.ts";

/** The remote model as the monitor knows it: what is known of its digest is its name and version. */
const model = { name: "late", version: 1, digest: digestOf("late/1") };

export interface ServiceOptions {
  readonly ask: Ask;
  readonly predictions: PredictionSink;
  readonly meter: PrometheusMeter;
  readonly clock: Clock;
}

/** A service that was there before: it asks the remote model. New is only that it tells the monitor what it asked and was answered. */
export function createService({ ask, predictions, meter, clock }: ServiceOptions): FastifyInstance {
  const app = fastify();
  app.post<{ Body: { readonly flights: readonly Flight[] } }>("/flights", async (request, reply) => {
    const { flights } = request.body;
    const requestId = String(request.headers["x-request-id"] ?? request.id);
    const startMs = clock.monotonicMs();
    const asked = batchOf(
      Object.fromEntries(features.map((name) => [name, Float64Array.from(flights, (flight) => flight[name])])),
    );
    const record = { requestId, endpoint: "late", variant: "main", model, timeMs: clock.nowMs(), features: asked };
    try {
      const late = await ask(flights, { requestId });
      const outputs = { late: { dtype: "float64", shape: [late.length], data: late } } as const;
      predictions.capture({ ...record, latencyMs: clock.monotonicMs() - startMs, outputs });
      return { requestId, late: Array.from(late) };
    } catch (error) {
      predictions.capture({ ...record, latencyMs: clock.monotonicMs() - startMs, errorCode: "REMOTE_FAILED" });
      request.log.error(error);
      return reply.code(502).send({ requestId, error: "The model does not answer." });
    }
  });
  app.get("/metrics", async (_request, reply) => reply.type(meter.contentType).send(await meter.metrics()));
  return app;
}
