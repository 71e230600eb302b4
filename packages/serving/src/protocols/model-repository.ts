import type { Catalog } from "../catalog/model-catalog.ts";
import { modelNotLoaded } from "../catalog/catalog-errors.ts";
import { requestInvalid } from "../errors.ts";
import type { ServerFace } from "./open-inference.ts";
import { type Caller, endpointHealth, versionsOf } from "./open-inference-models.ts";

/** A model as the repository extension of the Open Inference Protocol lists it. */
export interface RepositoryEntry {
  readonly name: string;
  readonly version?: string | undefined;
  readonly state: "READY" | "UNAVAILABLE";
  readonly reason?: string | undefined;
}

/** The extensions of the protocol that this server has. */
export const extensionsOf = (face: ServerFace): readonly string[] => [
  "binary_tensor_data",
  "model_configuration",
  "statistics",
  ...(face.endpoints().some(({ catalog }) => catalog !== undefined) ? ["model_repository"] : []),
];

/** Every model that is loaded: those of endpoints by version, those of catalogs by their names. */
export function repositoryIndex(face: ServerFace, readyOnly: boolean): readonly RepositoryEntry[] {
  return face.endpoints().flatMap((endpoint): RepositoryEntry[] => {
    const health = endpointHealth(face, endpoint);
    if (readyOnly && !health.ready) return [];
    const state = health.ready
      ? { state: "READY" as const }
      : { state: "UNAVAILABLE" as const, reason: health.reason ?? "its models are being loaded" };
    const versions = versionsOf(endpoint);
    const unloaded = endpoint.routes.length === 0 && health.state === "ready";
    const own = unloaded ? [] : versions.length === 0 ? [undefined] : versions;
    return [
      ...own.map((version) => ({ name: endpoint.name, ...(version === undefined ? {} : { version }), ...state })),
      ...(endpoint.catalog?.models() ?? []).map(({ target, model: { version } }) => ({
        name: target,
        ...(version === undefined ? {} : { version: String(version) }),
        ...state,
      })),
    ];
  });
}

/** Loads a model of a catalog; one that is loaded stays as it is. Throws `SERVING_FORBIDDEN`, `SERVING_REQUEST_INVALID` and what `load` of a catalog throws. */
export async function loadModel(face: ServerFace, name: string, caller: Caller): Promise<void> {
  const { catalog, target } = await managed(face, name, caller);
  if (catalog.model(target) === undefined) await catalog.load(target, { signal: caller.signal });
}

/** Unloads a model of a catalog. Throws `SERVING_MODEL_NOT_LOADED`, `SERVING_FORBIDDEN`, `SERVING_REQUEST_INVALID`. */
export async function unloadModel(face: ServerFace, name: string, caller: Caller): Promise<void> {
  const { catalog, target } = await managed(face, name, caller);
  if (catalog.model(target) === undefined) throw modelNotLoaded(target);
  await catalog.unload(target, { signal: caller.signal });
}

async function managed(
  face: ServerFace,
  name: string,
  caller: Caller,
): Promise<{ readonly catalog: Catalog; readonly target: string }> {
  const { endpoint, targetModel } = face.placeOf(name);
  await face.authorize("endpoint:manage", endpoint.name, caller, { signal: caller.signal });
  if (targetModel === undefined || endpoint.catalog === undefined) {
    throw requestInvalid(
      `the models of the endpoint "${endpoint.name}" are those of its variants`,
      "Name a model of a catalog; deploy to change what an endpoint answers with.",
    );
  }
  return { catalog: endpoint.catalog, target: targetModel };
}
