import type { CallOptions, ResolvedModel } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";
import { endpointUnknown, versionUnknown } from "../errors.ts";
import type { EndpointHealth } from "../health/health.ts";
import { datatypes } from "../http/datatypes.ts";
import type { HttpCaller } from "../http/http-message.ts";
import type { ServerFace } from "./open-inference.ts";

/** Who asks, and until when. */
export type Caller = HttpCaller & CallOptions;

/** What a name, and a version, of the protocol mean here. */
export interface Place {
  readonly endpoint: Endpoint;
  /** As the client called it. */
  readonly name: string;
  readonly variant?: string | undefined;
  readonly targetModel?: string | undefined;
}

/** Throws `SERVING_ENDPOINT_UNKNOWN`, `SERVING_VERSION_UNKNOWN`. */
export function placeOf(face: ServerFace, name: string, version?: string): Place {
  const { endpoint, targetModel } = face.placeOf(name);
  if (targetModel === undefined) return { endpoint, name, variant: variantOfVersion(endpoint, version) };
  return { endpoint, name, targetModel: version === undefined ? targetModel : `${targetModel}/${version}` };
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** −1 where any size is allowed. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions?: readonly string[] | undefined;
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** Beside what the protocol names: what a row holds before the model's transforms. */
  readonly columns?: unknown;
}

export async function modelMetadata(face: ServerFace, place: Place, caller: Caller): Promise<ModelMetadata> {
  const { endpoint, variant, name } = place;
  endpoint.assertReady();
  if (place.targetModel !== undefined) return metadataOfTarget(name, await describeTarget(face, place, caller));
  const route = endpoint.routes.find((each) => each.name === variant) ?? endpoint.routes[0];
  // Its models have inputs and outputs of their own, under their names.
  if (route === undefined) return { name, platform: "millwright_multi_model", inputs: [], outputs: [] };
  const { resolved, model } = route.slot.served;
  const versions = versionsOf(endpoint);
  return {
    name: endpoint.name,
    ...(versions.length === 0 ? {} : { versions }),
    ...interfaceOf(resolved),
    ...(model.columns === undefined ? {} : { columns: model.columns }),
  };
}

/** Whether a model answers, and why not: one of a catalog does where it could be loaded, which it is when it is asked. */
export async function modelReadiness(
  face: ServerFace,
  place: Place,
  caller: Caller,
): Promise<{ readonly ready: boolean; readonly reason?: string }> {
  const health = endpointHealth(face, place.endpoint);
  if (!health.ready) return { ready: false, reason: health.reason ?? "its models are being loaded" };
  if (place.targetModel !== undefined) await describeTarget(face, place, caller);
  return { ready: true };
}

/** Whether a model answers. */
export const modelReady = async (face: ServerFace, place: Place, caller: Caller): Promise<boolean> =>
  (await modelReadiness(face, place, caller)).ready;

export function endpointHealth(face: ServerFace, { name, readiness }: Endpoint): EndpointHealth {
  const found = face.health().endpoints.find((each) => each.name === name);
  return found ?? { ...readiness, name, ready: false, models: [] };
}

async function describeTarget(
  face: ServerFace,
  { endpoint, targetModel = "" }: Place,
  caller: Caller,
): Promise<ResolvedModel> {
  const { catalog } = endpoint;
  const { signal } = caller;
  if (catalog === undefined) throw endpointUnknown(targetModel, []);
  await face.authorize("endpoint:invoke", endpoint.name, caller, { signal });
  return catalog.describe(targetModel, { principal: face.principalOf(caller), signal });
}

type Slot = Endpoint["routes"][number]["slot"];

const versionOf = ({ served }: Slot): string | undefined =>
  served.resolved.version === undefined ? undefined : String(served.resolved.version);

/** The versions of the variants' models, each once. */
export const versionsOf = (endpoint: Endpoint): readonly string[] => [
  ...new Set(endpoint.routes.flatMap(({ slot }) => versionOf(slot) ?? [])),
];

/** The variant that serves a version. Throws `SERVING_VERSION_UNKNOWN`. */
function variantOfVersion(endpoint: Endpoint, version: string | undefined): string | undefined {
  // Which versions there are is known once they are loaded.
  if (version === undefined || endpoint.readiness.state !== "ready") return undefined;
  const found = endpoint.routes.find(({ slot }) => versionOf(slot) === version);
  if (found === undefined) throw versionUnknown(endpoint.name, version, versionsOf(endpoint));
  return found.name;
}

function interfaceOf({ manifest: { signature, format } }: ResolvedModel): Omit<ModelMetadata, "name"> {
  const tensor = ({ name, dtype, shape }: (typeof signature.inputs)[number]): TensorMetadata => ({
    name,
    datatype: datatypes[dtype],
    shape,
  });
  return {
    platform: `millwright_${format}`,
    inputs: signature.inputs.map(tensor),
    outputs: signature.outputs.map(tensor),
  };
}

const metadataOfTarget = (name: string, resolved: ResolvedModel): ModelMetadata => ({
  name,
  ...(resolved.version === undefined ? {} : { versions: [String(resolved.version)] }),
  ...interfaceOf(resolved),
});
