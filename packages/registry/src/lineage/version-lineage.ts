import type { CallOptions, Digest, ModelManifest } from "@millwright/contracts";
import type { DeploymentHistory } from "../models/deployments.ts";
import type { DescribedVersion, VersionRecords } from "../models/version-records.ts";
import type { FeatureCatalog, FeatureSource, IngestedBatch, ToldService } from "./feature-lineage.ts";
import type { LineageGraph } from "./lineage-graph.ts";
import type { LineageState } from "./lineage-reader.ts";
import type { LineageReference } from "./lineage-types.ts";
import { known } from "./prediction-trace.ts";

/** A batch with what made it, where a job's or run's output is what was ingested. */
export interface BatchLineage extends IngestedBatch {
  readonly madeBy: readonly LineageReference[];
}

/** What the features of a version are made of, down to columns and batches. */
export interface FeatureLineage {
  readonly name: string;
  readonly version: number;
  readonly digest: Digest;
  /** Absent where the model reads no feature service. */
  readonly service?: { readonly name: string; readonly digest: string } | undefined;
  readonly features: readonly { readonly name: string; readonly sources: readonly FeatureSource[] }[];
  readonly views: readonly {
    readonly name: string;
    readonly digest: string;
    readonly columns: readonly string[];
    readonly batches: readonly BatchLineage[];
  }[];
}

export interface ColumnQuery extends CallOptions {
  /** The column's name in the source. */
  readonly column: string;
  /** Only of this view. Default: of every view that reads a column of the name. */
  readonly view?: string | undefined;
  /** Only of views that were given the batch with this digest. Default: of all. */
  readonly dataset?: string | undefined;
  /** Where models served at this time; UTC, milliseconds. Default: now. */
  readonly timeMs?: number | undefined;
}

/** A variant that serves a model with features of the column. */
export interface AffectedEndpoint {
  readonly endpoint: string;
  readonly environment: string;
  readonly variant: string;
  /** Of the endpoint's traffic. */
  readonly share: number;
  readonly name: string;
  readonly version: number;
  readonly digest: Digest;
  /** The features of its service that are made of the column. */
  readonly features: readonly string[];
  readonly views: readonly string[];
}

export interface FeatureLineageRecords {
  /** What a version's features are made of, as the feature store's events tell. Throws `PORT_MODEL_UNKNOWN`. */
  featureLineage(ref: string, options?: CallOptions): Promise<FeatureLineage>;
  /** Every variant in service whose model has features of a source's column, by environment and endpoint. */
  affectedEndpoints(query: ColumnQuery): Promise<readonly AffectedEndpoint[]>;
}

export function createFeatureLineage(
  state: LineageState,
  versions: Pick<VersionRecords, "version">,
  deployments: Pick<DeploymentHistory, "trafficAt">,
): FeatureLineageRecords {
  return {
    async featureLineage(ref, { signal } = {}) {
      const found = await versions.version(ref, { signal });
      const { graph, features } = await state({ signal });
      return lineageOf(found, features, graph);
    },
    async affectedEndpoints({ signal, timeMs, ...query }) {
      const records = await deployments.trafficAt(timeMs, { signal });
      const { features } = await state({ signal });
      const affected: AffectedEndpoint[] = [];
      for (const { endpoint, environment, shares } of records) {
        for (const { variant, name, version, share } of shares) {
          const found = await known(versions.version(`${name}/${version}`, { signal }));
          const made = found === undefined ? [] : featuresOfColumn(found.manifest, features, query);
          if (found === undefined || made.length === 0) continue;
          const { digest } = found;
          const views = [...new Set(made.flatMap((each) => each.views))];
          const names = made.map((each) => each.feature);
          affected.push({ endpoint, environment, variant, share, name, version, digest, features: names, views });
        }
      }
      return affected;
    },
  };
}

export function lineageOf(
  { name, version, digest, manifest }: DescribedVersion,
  catalog: FeatureCatalog,
  graph: LineageGraph,
): FeatureLineage {
  const { featureService: service } = manifest;
  const told = service === undefined ? undefined : catalog.service(service.digest);
  const batch = (each: IngestedBatch): BatchLineage => {
    const query = { direction: "ancestors", kinds: ["job", "run"], depth: 3 } as const;
    const nodes = graph.query({ kind: "dataset", id: each.digest }, query);
    return { ...each, madeBy: nodes.map(({ entity }) => entity) };
  };
  const views = Object.entries(told?.views ?? {}).map(([view, id]) => ({
    name: view,
    digest: id,
    columns: catalog.view(id)?.columns ?? [],
    batches: catalog.batches(view).map(batch),
  }));
  const features = Object.keys(told?.features ?? {}).map((feature) => ({
    name: feature,
    sources: catalog.sources(told as ToldService, feature),
  }));
  return { name, version, digest, ...(service === undefined ? {} : { service }), features, views };
}

/** The features of the model's service that are made of the column. */
function featuresOfColumn(
  { featureService }: ModelManifest,
  catalog: FeatureCatalog,
  { column, view, dataset }: Omit<ColumnQuery, "signal" | "timeMs">,
): { readonly feature: string; readonly views: readonly string[] }[] {
  const service = featureService === undefined ? undefined : catalog.service(featureService.digest);
  if (service === undefined) return [];
  const isGiven = (source: FeatureSource): boolean =>
    source.columns.includes(column) &&
    (view === undefined || view === source.view) &&
    (dataset === undefined || catalog.batches(source.view).some(({ digest }) => digest === dataset));
  return Object.keys(service.features).flatMap((feature) => {
    const sources = catalog.sources(service, feature).filter(isGiven);
    return sources.length === 0 ? [] : [{ feature, views: sources.map((each) => each.view) }];
  });
}
