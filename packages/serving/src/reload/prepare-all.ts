import type { Endpoint } from "../engine/endpoint.ts";
import type { ServingProblem } from "../errors.ts";
import { configurationInvalid } from "./configuration-errors.ts";
import type { Applied, ConfigurationPlan } from "./configuration-plan.ts";
import { type MadeEndpoint, type PrepareOptions, type PreparedEndpoint, prepareEndpoint } from "./prepare-endpoint.ts";
import type { Retirement } from "./retirement.ts";

/** Everything that a plan needs, loaded and open, or nothing. Throws `SERVING_CONFIGURATION_INVALID` with all that fails. */
export async function prepareAll(
  plan: ConfigurationPlan,
  was: { readonly endpoints: ReadonlyMap<string, Endpoint>; readonly made: Applied["made"] },
  retirement: Retirement,
  options: PrepareOptions,
): Promise<readonly PreparedEndpoint[]> {
  const problems: ServingProblem[] = [];
  const prepared: PreparedEndpoint[] = [];
  for (const name of plan.changed) {
    const endpoint = was.endpoints.get(name);
    const made = was.made.get(name);
    const before = endpoint === undefined || made === undefined ? undefined : { endpoint, made };
    prepared.push(await prepareEndpoint(name, plan.made.get(name) as MadeEndpoint, before, problems, options));
  }
  if (problems.length === 0 && options.signal?.aborted !== true) return prepared;
  await retirement.discard(prepared);
  options.signal?.throwIfAborted();
  throw configurationInvalid(problems);
}
