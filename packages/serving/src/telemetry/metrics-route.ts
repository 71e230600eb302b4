import type { CallOptions } from "@millwright/contracts";
import type { HttpRoute } from "../http/http-message.ts";

/** Measured values as text, such as a meter of `@millwright/monitor`, or `{ contentType: register.contentType, metrics: () => register.metrics() }` of prom-client. */
export interface MetricsSource {
  readonly contentType: string;
  metrics(options?: CallOptions): Promise<string> | string;
}

export const metricsRoutes = (source: MetricsSource | undefined): readonly HttpRoute[] =>
  source === undefined
    ? []
    : [
        {
          method: "GET",
          path: "/metrics",
          handle: async ({ signal }) => ({
            status: 200,
            headers: { "content-type": source.contentType },
            body: await source.metrics({ signal }),
          }),
        },
      ];
