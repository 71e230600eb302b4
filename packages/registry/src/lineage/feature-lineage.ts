import type { MillwrightEvent } from "@millwright/contracts";
import { saidBy } from "./lineage-types.ts";

/** A batch that a view was given. */
export interface IngestedBatch {
  readonly batchId: string;
  /** Digest of its rows: the `dataset` of lineage. */
  readonly digest: string;
  readonly rows: number;
  /** UTC, milliseconds. */
  readonly timeMs: number;
  readonly eventId: string;
}

/** A definition of a view, as it was told. */
export interface ToldView {
  readonly name: string;
  readonly digest: string;
  /** The columns of the source that it reads. */
  readonly columns: readonly string[];
  /** Those that every feature depends on: keys, times, marks. */
  readonly rowColumns: readonly string[];
  /** The others that each feature is made of. */
  readonly features: Readonly<Record<string, readonly string[]>>;
}

/** A definition of a service, as it was told. */
export interface ToldService {
  readonly name: string;
  readonly digest: string;
  /** Its views' digests by name. */
  readonly views: Readonly<Record<string, string>>;
  /** The features of views that each of its features is made of, as `[view, feature]`. */
  readonly features: Readonly<Record<string, readonly (readonly [string, string])[]>>;
}

/** What a feature of a service is made of. */
export interface FeatureSource {
  readonly view: string;
  readonly feature: string;
  /** Columns of the view's source. */
  readonly columns: readonly string[];
}

/** What the feature store's events say of definitions and batches. */
export interface FeatureCatalog {
  add(event: MillwrightEvent): void;
  service(digest: string): ToldService | undefined;
  view(digest: string): ToldView | undefined;
  /** In the order they came; of all definitions of a view. */
  batches(view: string): readonly IngestedBatch[];
  /** What a feature of the service is made of. */
  sources(service: ToldService, feature: string): readonly FeatureSource[];
}

export function createFeatureCatalog(): FeatureCatalog {
  const services = new Map<string, ToldService>();
  const views = new Map<string, ToldView>();
  const batches = new Map<string, IngestedBatch[]>();
  return {
    add(whole) {
      const event = saidBy(whole);
      const { subject, data, type } = event;
      const digest = data["digest"];
      if (!type.startsWith("feature.") || subject === undefined || typeof digest !== "string") return;
      if (type === "feature.service-applied") {
        const named = (data.from ?? []).map(({ id, name }) => [name ?? id, id] as const);
        services.set(digest, {
          name: subject,
          digest,
          views: Object.fromEntries(named),
          features: record(data["features"]),
        });
      } else if (type === "feature.view-applied") {
        const [columns, rowColumns] = [list(data["columns"]), list(data["rowColumns"])];
        views.set(digest, { name: subject, digest, columns, rowColumns, features: record(data["features"]) });
      } else if (type === "feature.ingested") {
        const of = batches.get(subject) ?? [];
        batches.set(subject, of);
        of.push({
          batchId: String(data["batchId"]),
          digest,
          rows: Number(data["rows"] ?? 0),
          timeMs: Date.parse(event.time),
          eventId: event.id,
        });
      }
    },
    service: (digest) => services.get(digest),
    view: (digest) => views.get(digest),
    batches: (view) => batches.get(view) ?? [],
    sources(service, feature) {
      return (service.features[feature] ?? []).map(([view, name]) => {
        const told = views.get(service.views[view] ?? "");
        return { view, feature: name, columns: [...(told?.rowColumns ?? []), ...(told?.features[name] ?? [])] };
      });
    },
  };
}

const list = (value: unknown): readonly string[] => (Array.isArray(value) ? (value as readonly string[]) : []);

const record = <Value>(value: unknown): Readonly<Record<string, Value>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, Value>>) : {};
