import { versionedName } from "../definition/definition.ts";
import type { Digest } from "@millwright/contracts";
import type { CatalogEntry, PublishedService, PublishedView } from "./catalog-log.ts";
import { definitionUnknown } from "../errors.ts";

/** A model version, and the version of a service whose features it reads. */
export interface Pin {
  readonly model: string;
  /** Id of the service: `late`, `late@v2`. */
  readonly service: string;
  /** Digest of the service's definition as it was pinned. */
  readonly digest: Digest;
}

/** What the entries of a catalogue come to. */
export interface CatalogState {
  /** By id: the newest definition, and when the first one of this id was published. */
  readonly views: ReadonlyMap<string, { readonly entry: PublishedView; readonly sinceMs: number }>;
  readonly services: ReadonlyMap<string, { readonly entry: PublishedService; readonly sinceMs: number }>;
  /** By model. */
  readonly pins: ReadonlyMap<string, Pin>;
  /** The version that a service's bare name means. */
  promoted(service: string): number | undefined;
  /** A service by name or id; a bare name means its promoted version. Throws `FEATURE_STORE_DEFINITION_UNKNOWN`. */
  service(name: string, version?: number): PublishedService;
  publishedMs(view: string): number;
  /** Ids of the services that have a feature of a view. */
  servicesOf(view: string, feature: string): string[];
  /** Model versions that read a feature of a view. */
  readersOf(view: string, feature: string): string[];
  /** Model versions that read anything of a view or service; undefined where there is none of this id. */
  modelsOf(kind: "view" | "service", id: string): string[] | undefined;
}

export function stateOf(entries: readonly CatalogEntry[]): CatalogState {
  const views = new Map<string, { entry: PublishedView; sinceMs: number }>();
  const services = new Map<string, { entry: PublishedService; sinceMs: number }>();
  const pins = new Map<string, Pin>();
  const promotions = new Map<string, number>();
  for (const { formatVersion: _, timeMs, ...entry } of entries) {
    if (entry.kind === "view") views.set(entry.id, { entry, sinceMs: views.get(entry.id)?.sinceMs ?? timeMs });
    else if (entry.kind === "service")
      services.set(entry.id, { entry, sinceMs: services.get(entry.id)?.sinceMs ?? timeMs });
    else if (entry.kind === "promoted") promotions.set(entry.service, entry.version);
    else if (entry.kind === "pinned")
      pins.set(entry.model, { model: entry.model, service: entry.service, digest: entry.digest });
    else if (entry.kind === "unpinned") pins.delete(entry.model);
    else (entry.what === "view" ? views : services).delete(entry.id);
  }
  const promoted = (name: string): number | undefined => {
    const chosen = promotions.get(name);
    // The first that was published, until one is promoted.
    return chosen ?? [...services.values()].find(({ entry }) => entry.name === name)?.entry.version;
  };
  const servicesOf = (view: string, feature: string): string[] =>
    [...services.values()]
      .filter(({ entry }) => entry.views.includes(view) && entry.features.includes(feature))
      .map(({ entry }) => entry.id);
  const modelsReading = (ids: readonly string[]): string[] =>
    [...pins.values()].filter((pin) => ids.includes(pin.service)).map(({ model }) => model);
  return {
    views,
    services,
    pins,
    promoted,
    service(name, version = promoted(name)) {
      const found = [...services.values()].find(
        ({ entry }) => entry.id === name || (entry.name === name && entry.version === version),
      );
      const byVersion = [...services.values()].find(({ entry }) => entry.name === name && entry.version === version);
      const chosen = byVersion ?? (version === undefined || name.includes("@") ? found : undefined);
      if (chosen === undefined) {
        const id = version === undefined || name.includes("@") ? name : versionedName(name, version);
        throw definitionUnknown("service", id, [...services.keys()]);
      }
      return chosen.entry;
    },
    publishedMs: (view) => views.get(view)?.sinceMs ?? Number.POSITIVE_INFINITY,
    servicesOf,
    readersOf: (view, feature) => modelsReading(servicesOf(view, feature)),
    modelsOf(kind, id) {
      if (!(kind === "view" ? views : services).has(id)) return undefined;
      if (kind === "service") return modelsReading([id]);
      return modelsReading(
        [...services.values()].filter(({ entry }) => entry.views.includes(id)).map(({ entry }) => entry.id),
      );
    },
  };
}
