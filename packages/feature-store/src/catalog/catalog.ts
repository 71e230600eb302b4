import type { CallOptions, Clock } from "@millwright/contracts";
import {
  type CatalogChange,
  type CatalogEntry,
  openCatalogLog,
  type PublishedService,
  type PublishedView,
} from "./catalog-log.ts";
import { featureDigests, viewDigest, type FeatureView } from "../definition/definition.ts";
import { type FeatureService } from "../definition/service-definition.ts";
import { definitionInUse, definitionUnknown } from "../errors.ts";
import { type CatalogState, stateOf, type Pin } from "./catalog-state.ts";
import { openReadTimes, type ReadTimes } from "./read-times.ts";
import type { Sensitivity } from "../definition/metadata.ts";

export interface CatalogSearch extends CallOptions {
  /** Part of a name or description, whatever its case. */
  readonly text?: string | undefined;
  /** A tag, with a value or with any. */
  readonly tag?: string | Readonly<Record<string, string>> | undefined;
  readonly owner?: string | undefined;
  readonly entity?: string | undefined;
  readonly sensitivity?: Sensitivity | undefined;
}

/** A feature, and who has to do with it. */
export interface CatalogFeature {
  /** As services call it: `<view>__<feature>`. */
  readonly name: string;
  /** Id of its view. */
  readonly view: string;
  readonly entity: string;
  readonly owner?: string | undefined;
  readonly description?: string | undefined;
  readonly sensitivity: Sensitivity;
  /** Ids of the services that have it. */
  readonly services: readonly string[];
  /** Model versions that read it. */
  readonly models: readonly string[];
  /** When it was last read online, UTC milliseconds, to the minute; undefined: never. */
  readonly lastReadMs?: number | undefined;
}

/** What changing a definition would do to those who use it. */
export interface Impact {
  readonly feature: string;
  readonly view: string;
  readonly change: "removed" | "changed";
  /** Model versions that read it. */
  readonly models: readonly string[];
}

export interface ForceOptions extends CallOptions {
  /** Does it although models read what is changed. Default: false. */
  readonly force?: boolean | undefined;
}

/** What is defined in a history's folder, in which versions, and who uses it; shared by all who open the folder. */
export interface Catalog {
  /** Makes a version of a service the one that its bare name means. Throws `FEATURE_STORE_DEFINITION_UNKNOWN`. */
  promote(service: string, version: number, options?: CallOptions): Promise<void>;
  /** The version that a service's bare name means: the one promoted, else the first published. */
  promoted(service: string, options?: CallOptions): Promise<number | undefined>;
  /** Says that a model version reads a service's features. @param service Its name, or a version of it as `name@v2`. */
  pin(model: string, service: string, options?: CallOptions): Promise<Pin>;
  unpin(model: string, options?: CallOptions): Promise<void>;
  pins(options?: CallOptions): Promise<readonly Pin[]>;
  /** Features by what is said of them, by name. */
  search(search?: CatalogSearch): Promise<readonly CatalogFeature[]>;
  /** Features that nobody read online for so many days, and that were published before that. */
  findUnused(options: CallOptions & { readonly days: number }): Promise<readonly CatalogFeature[]>;
  /** What these definitions would change for models, beside what is published. */
  impact(services: readonly FeatureService[], options?: CallOptions): Promise<readonly Impact[]>;
  /** Takes a view or a service out of the catalogue; its rows stay. Throws `FEATURE_STORE_DEFINITION_IN_USE`, `FEATURE_STORE_DEFINITION_UNKNOWN`. */
  delete(what: { readonly view: string } | { readonly service: string }, options?: ForceOptions): Promise<void>;
}

export interface OpenCatalogOptions extends ForceOptions {
  readonly directory: string;
  readonly services: readonly FeatureService[];
  readonly clock: Clock;
}

export interface OpenedCatalog extends Catalog {
  readonly reads: ReadTimes;
  /** As last read from the folder; read anew in the background where that is more than a second ago. */
  readonly state: CatalogState;
}

const FRESH_MS = 1_000;

/** Opens the catalogue of a folder and publishes definitions that are new in it. Throws `FEATURE_STORE_DEFINITION_IN_USE`. */
export async function openCatalog(options: OpenCatalogOptions): Promise<OpenedCatalog> {
  const { directory, services, clock, force = false } = options;
  const log = await openCatalogLog(directory, () => clock.nowMs());
  const reads = openReadTimes(directory, clock);
  let state = stateOf(await log.append((entries) => publications(stateOf(entries), services, force)));
  const change = async (
    decide: (state: CatalogState) => readonly CatalogChange[],
    { signal }: CallOptions = {},
  ): Promise<void> => {
    signal?.throwIfAborted();
    state = stateOf(await log.append((entries) => decide(stateOf(entries))));
  };
  let readMs = clock.nowMs();
  const current = async ({ signal }: CallOptions = {}): Promise<CatalogState> => {
    signal?.throwIfAborted();
    readMs = clock.nowMs();
    return (state = stateOf(await log.read()));
  };
  return catalogOf({
    reads,
    clock,
    change,
    current,
    known: () => state,
    isStale: () => clock.nowMs() - readMs > FRESH_MS,
  });
}

interface CatalogParts {
  readonly reads: ReadTimes;
  readonly clock: Clock;
  change(decide: (state: CatalogState) => readonly CatalogChange[], options?: CallOptions): Promise<void>;
  /** Reads what the folder has got. */
  current(options?: CallOptions): Promise<CatalogState>;
  /** As last read. */
  known(): CatalogState;
  isStale(): boolean;
}

function catalogOf({ reads, clock, change, current, known, isStale }: CatalogParts): OpenedCatalog {
  return {
    reads,
    get state() {
      // Another process may have promoted a version. What cannot be read now is read the next time.
      if (isStale()) current().catch(() => {});
      return known();
    },
    promote: (service, version, options) =>
      change((now) => {
        now.service(service, version);
        return now.promoted(service) === version ? [] : [{ kind: "promoted", service, version }];
      }, options),
    promoted: async (service, options) => (await current(options)).promoted(service),
    async pin(model, service, options) {
      await change((now) => {
        const { id, digest } = now.service(service);
        const pinned = now.pins.get(model);
        return pinned?.digest === digest && pinned.service === id
          ? []
          : [{ kind: "pinned", model, service: id, digest }];
      }, options);
      return known().pins.get(model)!;
    },
    unpin: (model, options) => change((now) => (now.pins.has(model) ? [{ kind: "unpinned", model }] : []), options),
    pins: async (options) => [...(await current(options)).pins.values()],
    async search(search = {}) {
      const now = await current(search);
      return (await featuresOf(now, reads)).filter(matching(now, search));
    },
    async findUnused({ days, signal }) {
      const sinceMs = clock.nowMs() - days * 86_400_000;
      const now = await current({ signal });
      const all = await featuresOf(now, reads);
      return all.filter(({ view, lastReadMs = 0 }) => lastReadMs < sinceMs && now.publishedMs(view) < sinceMs);
    },
    impact: async (changed, options) => impactOf(await current(options), changed),
    delete: (what, { force: isForced = false, signal } = {}) =>
      change(
        (now) => {
          const [kind, id] = "view" in what ? (["view", what.view] as const) : (["service", what.service] as const);
          const models = now.modelsOf(kind, id);
          if (models === undefined)
            throw definitionUnknown(kind, id, kind === "view" ? [...now.views.keys()] : [...now.services.keys()]);
          if (models.length > 0 && !isForced) throw definitionInUse(`The ${kind} "${id}"`, models);
          return [{ kind: "deleted", what: kind, id }];
        },
        { signal },
      ),
  };
}

/** Entries for the definitions that are not published as they are. */
function publications(state: CatalogState, services: readonly FeatureService[], force: boolean): CatalogChange[] {
  const impacts = impactOf(state, services).filter(({ models }) => models.length > 0);
  if (impacts.length > 0 && !force) {
    const features = impacts.map(({ feature }) => feature).join(", ");
    throw definitionInUse(`The definition of ${features}`, [...new Set(impacts.flatMap(({ models }) => models))]);
  }
  const views = [...new Set(services.flatMap((service) => service.views))].map(published);
  const all = [...views, ...services.map(publishedService)];
  return all.filter((entry) => {
    const known = entry.kind === "view" ? state.views.get(entry.id) : state.services.get(entry.id);
    return known === undefined || JSON.stringify(known.entry) !== JSON.stringify(entry);
  });
}

const metadataOf = ({ description, owner, tags }: FeatureView | FeatureService): object => ({
  ...(description === undefined ? {} : { description }),
  ...(owner === undefined ? {} : { owner }),
  ...(tags === undefined ? {} : { tags }),
});

function published(view: FeatureView): PublishedView {
  const { id, name, version, entity, columns } = view;
  return {
    kind: "view",
    id,
    name,
    version,
    digest: viewDigest(view),
    entity,
    columns,
    features: featureDigests(view),
    ...metadataOf(view),
  };
}

function publishedService(service: FeatureService): PublishedService {
  const { id, name, version, digest, views, featureNames } = service;
  return {
    kind: "service",
    id,
    name,
    version,
    digest,
    views: views.map((view) => view.id),
    features: [...featureNames],
    ...metadataOf(service),
  };
}

/** Features of published definitions that these would change or leave out. A definition that is not among them is not changed. */
function impactOf(state: CatalogState, services: readonly FeatureService[]): Impact[] {
  const views = new Map(services.flatMap((service) => service.views).map((view) => [view.id, view]));
  const impacts: Impact[] = [];
  for (const [id, view] of views) {
    const known = state.views.get(id)?.entry;
    if (known === undefined) continue;
    const now = featureDigests(view);
    for (const [feature, digest] of Object.entries(known.features)) {
      if (now[feature] === digest) continue;
      const name = `${view.name}__${feature}`;
      const change = now[feature] === undefined ? "removed" : "changed";
      impacts.push({ feature: name, view: id, change, models: state.readersOf(id, name) });
    }
  }
  for (const service of services) {
    const known = state.services.get(service.id)?.entry;
    const gone = known?.features.filter((name) => !(service.featureNames as readonly string[]).includes(name)) ?? [];
    for (const feature of gone) {
      if (impacts.some((impact) => impact.feature === feature)) continue;
      impacts.push({
        feature,
        view: service.id,
        change: "removed",
        models: state.modelsOf("service", service.id) ?? [],
      });
    }
  }
  return impacts;
}

async function featuresOf(state: CatalogState, reads: ReadTimes): Promise<CatalogFeature[]> {
  const times = await reads.all();
  const features: CatalogFeature[] = [];
  for (const { entry: view } of state.views.values()) {
    for (const feature of Object.keys(view.features)) {
      const name = `${view.name}__${feature}`;
      const services = state.servicesOf(view.id, name);
      const lastReadMs = Math.max(...services.map((id) => times.get(id) ?? -Infinity));
      const { description, sensitivity = "internal" } = view.columns[feature] ?? {};
      features.push({
        name,
        view: view.id,
        entity: view.entity.name,
        sensitivity,
        services,
        models: state.readersOf(view.id, name),
        ...(view.owner === undefined ? {} : { owner: view.owner }),
        ...(description === undefined ? {} : { description }),
        ...(Number.isFinite(lastReadMs) ? { lastReadMs } : {}),
      });
    }
  }
  return features.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function matching(state: CatalogState, search: CatalogSearch): (feature: CatalogFeature) => boolean {
  const text = search.text?.toLowerCase();
  return (feature) => {
    const { entry: view } = state.views.get(feature.view)!;
    const words = [feature.name, feature.description ?? "", view.description ?? ""].join("\n").toLowerCase();
    const tags = { ...view.entity.tags, ...view.tags };
    const hasTag =
      search.tag === undefined ||
      (typeof search.tag === "string"
        ? Object.hasOwn(tags, search.tag)
        : Object.entries(search.tag).every(([key, value]) => tags[key] === value));
    return (
      hasTag &&
      (text === undefined || words.includes(text)) &&
      (search.owner === undefined || view.owner === search.owner) &&
      (search.entity === undefined || feature.entity === search.entity) &&
      (search.sensitivity === undefined || feature.sensitivity === search.sensitivity)
    );
  };
}

export type { CatalogEntry };
