import type { Endpoint } from "../engine/endpoint.ts";
import type { EndpointHealth, ServerHealth } from "./health.ts";

/** How a server stands, by what it does and how its endpoints stand. */
export function healthOf(state: "open" | "leaving" | "closed", opened: readonly Endpoint[]): ServerHealth {
  const leaving = state === "open" ? undefined : "the server is shutting down";
  const endpoints = opened.map(({ name, readiness, routes }): EndpointHealth => {
    const reason =
      leaving ?? readiness.reason ?? (readiness.state === "loading" ? "its models are being loaded" : undefined);
    return {
      ...readiness,
      ...(reason === undefined ? {} : { reason }),
      name,
      ready: leaving === undefined && readiness.state === "ready",
      models: routes.map((route) => ({ variant: route.name, weight: route.weight, model: route.slot.served.identity })),
    };
  });
  const has = (wanted: EndpointHealth["state"]): boolean => endpoints.some((endpoint) => endpoint.state === wanted);
  const open = has("loading") ? "starting" : has("failed") ? "degraded" : "ready";
  return {
    state: state === "open" ? open : state === "leaving" ? "draining" : "closed",
    ready: endpoints.every(({ ready }) => ready),
    started: !has("loading"),
    endpoints,
  };
}
