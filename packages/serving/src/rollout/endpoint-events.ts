import type { CallOptions, Logger } from "@millwright/contracts";
import { type DeploymentStore, endpointCreated } from "./deployment-record.ts";
import type { Endpoint } from "../engine/endpoint.ts";
import type { ModelCauses } from "../engine/model-causes.ts";

export interface EndpointTelling extends CallOptions {
  readonly store: DeploymentStore;
  readonly causes: ModelCauses;
  readonly logger: Logger;
}

/** Tells of an endpoint whose variants are loaded, where nobody has yet. A log that fails keeps no endpoint from opening. */
export async function tellCreated(
  { name, routes }: Endpoint,
  { store, causes, logger, signal }: EndpointTelling,
): Promise<void> {
  const variants = routes.map((route) => ({
    name: route.name,
    model: route.slot.ref,
    digest: route.slot.served.resolved.digest,
    weight: route.weight,
  }));
  const cause = await causes.find(variants[0]?.digest, { signal });
  await store
    .create(name, endpointCreated(name, variants, cause))
    .catch((error: unknown) => logger.warn({ endpoint: name, error }, "the log could not be told of an endpoint"));
}

/** Tells of the end of endpoints that end with their server. */
export async function tellRemoved(
  endpoints: Iterable<string>,
  { store, logger }: Pick<EndpointTelling, "store" | "logger">,
): Promise<void> {
  for (const endpoint of endpoints) {
    await store
      .remove(endpoint)
      .catch((error: unknown) => logger.warn({ endpoint, error }, "the log could not be told of an endpoint"));
  }
}
