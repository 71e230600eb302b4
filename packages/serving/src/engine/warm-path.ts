import { silentLogger, silentMeter } from "@millwright/contracts";
import { invoke } from "../protocols/invocations.ts";
import type { ServerFace } from "../protocols/open-inference.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EndpointOptions, EndpointSetting } from "./endpoint-options.ts";
import { createInstruments } from "./instruments.ts";
import type { ModelSlot } from "./model-slot.ts";

const headers = { "content-type": "application/json" };

/** Asks a model as an endpoint would be asked over HTTP and by `predict`, but for stages, and told to nobody: no metric, no trace, no capture. */
export function warmPath(
  create: (options: EndpointOptions, setting: EndpointSetting) => Endpoint,
  { variants, models: _models, stages: _stages, ...options }: EndpointOptions,
  setting: EndpointSetting,
): (slot: ModelSlot) => (body: Uint8Array) => Promise<unknown> {
  return (slot) => {
    const silent = { meter: silentMeter, logger: silentLogger, instruments: createInstruments(silentMeter) };
    const untold = { predictions: undefined, openTelemetry: undefined, redactor: undefined, warmUpMs: undefined };
    const twin = create({ ...options, variants }, { ...setting, ...silent, ...untold });
    const [variant = "main"] = Object.keys(variants);
    twin.setRoutes([{ name: variant, weight: 1, slot }]);
    twin.readiness = { state: "ready", attempts: 1 };
    const face = { endpoint: () => twin, predict: (_name, request) => twin.predict(request) } as Partial<ServerFace>;
    const { signal } = new AbortController();
    return async (body) => {
      await invoke(face as ServerFace, twin, {
        method: "POST",
        target: "/invocations",
        params: {},
        headers,
        body,
        signal,
      });
      // Callers in the same process ask by rows, which go another way.
      const { instances } = JSON.parse(Buffer.from(body).toString()) as { readonly instances?: readonly unknown[] };
      if (instances !== undefined) await twin.predict({ instances });
    };
  };
}
