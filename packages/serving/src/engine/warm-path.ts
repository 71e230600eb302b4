import { silentLogger, silentMeter } from "@millwright/contracts";
import { openWarmHosts } from "../http/warm-hosts.ts";
import { invocationRoutes } from "../protocols/invocations.ts";
import type { ServerFace } from "../protocols/open-inference.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EndpointOptions, EndpointSetting } from "./endpoint-options.ts";
import { createInstruments } from "./instruments.ts";
import type { ModelSlot } from "./model-slot.ts";

/** What asks a model before it takes traffic. */
export interface WarmPath extends AsyncDisposable {
  /** Answers a JSON body in each way that requests come. */
  ask(body: Uint8Array): Promise<void>;
}

/** Asks a model as an endpoint is asked over HTTP and by `predict`, but for stages, and told to nobody: no metric, no trace, no capture. */
export function warmPath(
  create: (options: EndpointOptions, setting: EndpointSetting) => Endpoint,
  { variants, models: _models, stages: _stages, ...options }: EndpointOptions,
  setting: EndpointSetting,
): (slot: ModelSlot) => Promise<WarmPath> {
  return async (slot) => {
    const silent = { meter: silentMeter, logger: silentLogger, instruments: createInstruments(silentMeter) };
    const untold = { predictions: undefined, openTelemetry: undefined, redactor: undefined, warmUpMs: undefined };
    const twin = create({ ...options, variants }, { ...setting, ...silent, ...untold });
    const [variant = "main"] = Object.keys(variants);
    twin.setRoutes([{ name: variant, weight: 1, slot }]);
    twin.readiness = { state: "ready", attempts: 1 };
    const face = {
      endpoint: () => twin,
      defaultEndpoint: () => twin,
      predict: (_name, request) => twin.predict(request),
    } as Partial<ServerFace>;
    const hosts = await openWarmHosts(invocationRoutes(face as ServerFace));
    return {
      async ask(body) {
        await hosts.post("/invocations", body);
        // Callers in the same process ask by rows, which go another way.
        const { instances } = JSON.parse(Buffer.from(body).toString()) as { readonly instances?: readonly unknown[] };
        if (instances !== undefined) await twin.predict({ instances });
      },
      [Symbol.asyncDispose]: () => hosts[Symbol.asyncDispose](),
    };
  };
}
