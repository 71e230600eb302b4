import { type Clock, type IdSource, abortable, isMillwrightError } from "@millwright/contracts";
import { runGolden } from "@millwright/model";
import type { Endpoint, Route } from "../engine/endpoint.ts";
import { noTimings } from "../engine/timings.ts";
import { noTrail } from "../telemetry/trail.ts";
import type { HealthCheck, HealthCheckOptions, ModelCheck } from "./health.ts";
import { healthCheckLate } from "./health-errors.ts";

export interface CheckSite {
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** Asks every model of the endpoints its golden requests, as traffic would be asked but for stages, metrics and capture. Rejects on abort alone. */
export async function checkModels(
  endpoints: readonly Endpoint[],
  site: CheckSite,
  { signal, timeoutMs = 1_500 }: HealthCheckOptions,
): Promise<HealthCheck> {
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs is ${timeoutMs}, and must be more than 0.`);
  signal?.throwIfAborted();
  const models = await Promise.all(
    endpoints.flatMap((endpoint): Promise<ModelCheck>[] => {
      const { state, reason } = endpoint.readiness;
      if (state !== "ready")
        return [
          Promise.resolve({
            endpoint: endpoint.name,
            healthy: false,
            requests: 0,
            latencyMs: 0,
            reason: reason ?? state,
          }),
        ];
      return endpoint.routes.map((route) => checkModel(endpoint, route, site, { signal, timeoutMs }));
    }),
  );
  return { healthy: models.every(({ healthy }) => healthy), models };
}

async function checkModel(
  endpoint: Endpoint,
  route: Route,
  { clock, ids }: CheckSite,
  { signal, timeoutMs = 0 }: HealthCheckOptions,
): Promise<ModelCheck> {
  const { identity, resolved } = route.slot.served;
  const { manifest } = resolved;
  const startMs = clock.monotonicMs();
  const problem = await within(timeoutMs, clock, signal, async (limit) => {
    const report = await runGolden({ predict: (inputs) => ask(inputs, limit) }, manifest);
    if (report.passed) return undefined;
    const { request, output, expected, actual } = report.difference;
    return `golden request ${request}: "${output}" should be ${expected} and is ${actual}`;
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    return isMillwrightError(error) ? error.message : "the model failed";
  });
  return {
    endpoint: endpoint.name,
    variant: route.name,
    model: identity,
    healthy: problem === undefined,
    requests: manifest.golden.length,
    latencyMs: clock.monotonicMs() - startMs,
    ...(problem === undefined ? {} : { reason: problem }),
  };

  async function ask(...[inputs, limit]: [Parameters<Endpoint["predict"]>[0]["inputs"], AbortSignal]) {
    const asked = { endpoint: endpoint.name, requestId: ids.next(), request: { inputs, signal: limit } };
    const call = { ...asked, startMs: clock.monotonicMs(), timings: noTimings(), trail: noTrail() };
    return (await endpoint.ask(route, call)).outputs;
  }
}

/** Runs it with a signal that aborts with the caller's and when the time is over, and waits no longer. */
async function within<Result>(
  timeoutMs: number,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal | undefined,
  work: (limit: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = new AbortController();
  const done = new AbortController();
  const limit = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]);
  clock.sleep(timeoutMs, { signal: done.signal }).then(
    () => late.abort(healthCheckLate(timeoutMs)),
    () => {},
  );
  try {
    return await abortable(work(limit), limit);
  } finally {
    done.abort();
  }
}
