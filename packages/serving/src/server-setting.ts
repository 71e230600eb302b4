import { silentLogger, silentMeter } from "@millwright/contracts";
import type { EndpointSetting } from "./engine/endpoint-options.ts";
import { createInstruments } from "./engine/instruments.ts";
import type { ServerSetting } from "./open-server.ts";

/** What every endpoint of a server shares. */
export function endpointSettingOf(options: ServerSetting): EndpointSetting {
  const { meter = silentMeter, logger = silentLogger, clock, ids, openTelemetry, seed = 0 } = options;
  const { source, runtimes, features, featuresAs, predictions, redactor } = options;
  return {
    source,
    runtimes,
    features,
    featuresAs,
    predictions,
    redactor,
    instruments: createInstruments(meter),
    meter,
    clock,
    ids,
    logger,
    openTelemetry,
    seed,
    warmUpMs: options.warmUp === undefined ? undefined : (options.warmUp.budgetMs ?? 250),
  };
}
