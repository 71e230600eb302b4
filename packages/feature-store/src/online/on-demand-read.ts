import type { FeatureRequest, FeatureVectors } from "@millwright/contracts";
import type { FeatureService } from "../definition/service-definition.ts";
import type { Computed, OnDemand } from "./on-demand.ts";
import { checkBatch } from "../definition/source-columns.ts";

/** Adds what is computed of the request and of the stored features. Throws `FEATURE_STORE_ON_DEMAND_FAILED`. */
export async function withOnDemand(
  service: FeatureService,
  request: FeatureRequest,
  { features, views }: FeatureVectors,
  onDemand: OnDemand,
): Promise<FeatureVectors> {
  const { length } = request.entities;
  const given = { length, columns: { ...request.entities.columns, ...request.request?.columns } };
  checkBatch("The request inputs", service.requestInputs, given);
  const batch = { length, columns: { ...given.columns, ...features.columns } };
  const scope = request.scope ?? request.request ?? request.entities;
  // All start before any is waited for.
  const computing = service.onDemand.map((each) => onDemand.compute(each, batch, scope));
  const columns = { ...features.columns };
  const status: Record<string, NonNullable<Computed["status"]>> = {};
  for (const [index, computed] of (await unlessAborted(computing, request.signal)).entries()) {
    Object.assign(columns, computed.columns);
    if (computed.status !== undefined) status[service.onDemand[index]!.name] = computed.status;
  }
  const vectors = { features: { length, columns }, views };
  return Object.keys(status).length === 0 ? vectors : { ...vectors, onDemand: status };
}

/** Waits for all, or until a reader no longer wants them: others may share what goes on. */
async function unlessAborted(
  computing: readonly Promise<Computed>[],
  signal: AbortSignal | undefined,
): Promise<readonly Computed[]> {
  const all = Promise.all(computing);
  if (signal === undefined) return await all;
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([all, aborted]);
  } finally {
    signal.removeEventListener("abort", stop!);
  }
}
