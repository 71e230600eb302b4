import {
  type CallOptions,
  type Digest,
  type LoggedPrediction,
  type ModelProvenance,
  type PredictionReader,
  hasCode,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { predictionUnknown } from "../errors.ts";
import type { DeploymentHistory } from "../models/deployments.ts";
import type { TrafficRecord } from "../models/traffic-records.ts";
import type { Approval, DescribedVersion, VersionRecords } from "../models/version-records.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { Run, RunRecords } from "../tracking/run-records.ts";
import type { FeatureSource, IngestedBatch } from "./feature-lineage.ts";
import type { LineageState, LineageView } from "./lineage-reader.ts";

/** The values of one view that a prediction read. */
export interface TracedView {
  readonly view: string;
  /** Digest of the definition that the model was trained with. */
  readonly digest?: string | undefined;
  /** When each row's values became so, UTC milliseconds: the request's time less their age, so up to the request's latency early; null where there was no row. */
  readonly eventTimesMs: readonly (number | null)[];
  /** The newest batch that the view had been given by then. */
  readonly newestBatch?: IngestedBatch | undefined;
}

/** Where an answer came from, back to the data. */
export interface PredictionTrace {
  readonly prediction: LoggedPrediction;
  /** What the endpoint served at the time, as the registry was told. */
  readonly traffic?: TrafficRecord | undefined;
  readonly model: {
    readonly digest: Digest;
    readonly name: string;
    readonly version?: number | undefined;
    /** UTC, milliseconds. */
    readonly registeredTimeMs?: number | undefined;
    /** Names that meant the version when the prediction was made. */
    readonly aliases: readonly string[];
  };
  readonly features?:
    | {
        readonly service: string;
        readonly digest: Digest;
        readonly views: readonly TracedView[];
        /** What each feature is made of. */
        readonly sources: Readonly<Record<string, readonly FeatureSource[]>>;
      }
    | undefined;
  /** Digests of what the model was trained on, by role. */
  readonly datasets: Readonly<Record<string, Digest>>;
  readonly code?: Digest | undefined;
  readonly environment: ModelProvenance["environment"];
  readonly run?: Run | undefined;
  /** Decisions on the version before the prediction, in order. */
  readonly approvals: readonly Approval[];
  /** What nothing is known of, in words: an answer that cannot be traced to its end says where it breaks off. */
  readonly gaps: readonly string[];
}

export interface TraceOptions extends CallOptions {
  /** Finds captured predictions: `@millwright/monitor` reads those that it wrote. */
  readonly predictions: PredictionReader;
}

export interface PredictionTraces {
  /** Follows one answer back to its model, its features' event times, its training data, run, code and approvals. Throws `REGISTRY_PREDICTION_UNKNOWN`. */
  tracePrediction(requestId: string, options: TraceOptions): Promise<PredictionTrace>;
}

export interface TraceParts {
  readonly database: Database<RegistryTables>;
  readonly state: LineageState;
  readonly versions: VersionRecords;
  readonly deployments: Pick<DeploymentHistory, "trafficAt">;
  readonly runs: Pick<RunRecords, "run">;
}

export function createPredictionTraces(parts: TraceParts): PredictionTraces {
  return {
    async tracePrediction(requestId, { predictions, signal }) {
      signal?.throwIfAborted();
      const prediction = await predictions.find(requestId, { signal });
      if (prediction === undefined) throw predictionUnknown(requestId);
      const { endpoint, timeMs, model } = prediction;
      const found = await versionOf(parts, prediction, signal);
      const view = await parts.state({ signal });
      const records = await parts.deployments.trafficAt(timeMs, { endpoint, signal });
      // The environment is known only where the model that answered has a share in it.
      const traffic =
        records.find(({ shares }) =>
          shares.some(({ name, version }) => name === found?.name && version === found.version),
        ) ?? (records.length === 1 ? records[0] : undefined);
      const run = found?.runId === undefined ? undefined : await known(parts.runs.run(found.runId, { signal }));
      const approvals =
        found === undefined ? [] : await parts.versions.approvals(found.name, found.version, { signal });
      const provenance = found?.manifest.provenance;
      const features = featuresOf(prediction, found, view);
      const trace: Omit<PredictionTrace, "gaps"> = {
        prediction,
        ...(traffic === undefined ? {} : { traffic }),
        model: {
          digest: model.digest,
          name: found?.name ?? model.name,
          ...(found === undefined ? {} : { version: found.version, registeredTimeMs: found.createdTimeMs }),
          aliases: found === undefined ? [] : await aliasesAt(parts.database, found, timeMs),
        },
        ...(features === undefined ? {} : { features }),
        datasets: provenance?.datasets ?? {},
        ...(provenance?.code === undefined ? {} : { code: provenance.code }),
        environment: provenance?.environment ?? {},
        ...(run === undefined ? {} : { run }),
        approvals: approvals.filter((each) => each.timeMs <= timeMs),
      };
      return { ...trace, gaps: gapsOf(trace, found) };
    },
  };
}

/** The version that answered: by its name where the bytes are the same, else any with these bytes. */
async function versionOf(
  { database, versions }: TraceParts,
  { model }: LoggedPrediction,
  signal: AbortSignal | undefined,
): Promise<DescribedVersion | undefined> {
  const rows = await database.read
    .selectFrom("registry_versions")
    .select(["model", "version"])
    .where("digest", "=", model.digest)
    .where("deleted_ms", "is", null)
    .orderBy("version")
    .execute();
  const named = rows.filter((row) => row.model === model.name);
  const row = named.find(({ version }) => version === model.version) ?? named[0] ?? rows[0];
  return row === undefined ? undefined : versions.version(`${row.model}/${row.version}`, { signal });
}

/** `undefined` where what is asked for is not there. */
export async function known<Value>(asked: Promise<Value>): Promise<Value | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (hasCode(error, "PORT_MODEL_UNKNOWN") || hasCode(error, "REGISTRY_RUN_UNKNOWN")) return undefined;
    throw error;
  }
}

async function aliasesAt(
  { read }: Database<RegistryTables>,
  { name, version }: DescribedVersion,
  timeMs: number,
): Promise<readonly string[]> {
  const moves = await read
    .selectFrom("registry_aliases")
    .select(["alias", "version"])
    .where("model", "=", name)
    .where("time_ms", "<=", timeMs)
    .orderBy("alias")
    .orderBy("move")
    .execute();
  const newest = new Map(moves.map((move) => [move.alias, move.version]));
  return [...newest].filter(([, meant]) => meant === version).map(([alias]) => alias);
}

function featuresOf(
  { featureAgesMs, timeMs }: LoggedPrediction,
  found: DescribedVersion | undefined,
  { features }: LineageView,
): PredictionTrace["features"] {
  const service = found?.manifest.featureService;
  if (service === undefined) return undefined;
  const told = features.service(service.digest);
  const names = told === undefined ? Object.keys(featureAgesMs ?? {}) : Object.keys(told.views);
  const views = names.map((view): TracedView => {
    const batches = features.batches(view).filter((batch) => batch.timeMs <= timeMs);
    const digest = told?.views[view];
    // Answers call the second version of a view by its name, definitions `flights@v2`.
    const ages = featureAgesMs?.[view] ?? featureAgesMs?.[view.replace(/@v\d+$/, "")] ?? [];
    return {
      view,
      ...(digest === undefined ? {} : { digest }),
      eventTimesMs: ages.map((age) => (age === null ? null : timeMs - age)),
      ...(batches.length === 0 ? {} : { newestBatch: batches.at(-1) }),
    };
  });
  const sources = Object.keys(told?.features ?? {}).map((name) => [
    name,
    told === undefined ? [] : features.sources(told, name),
  ]);
  return { service: service.name, digest: service.digest, views, sources: Object.fromEntries(sources) };
}

function gapsOf(trace: Omit<PredictionTrace, "gaps">, found: DescribedVersion | undefined): readonly string[] {
  const { prediction, features, datasets, code, run, traffic } = trace;
  const gaps: string[] = [];
  if (found === undefined) return [`no version has the bytes ${prediction.model.digest}`];
  if (traffic === undefined) gaps.push(`no traffic of the endpoint "${prediction.endpoint}" was recorded by then`);
  if (features !== undefined && Object.keys(features.sources).length === 0)
    gaps.push(`no event tells of the feature service ${features.service} as it was trained with`);
  if (features !== undefined && prediction.featureAgesMs === undefined)
    gaps.push("the ages of features were not captured");
  if (Object.keys(datasets).length === 0) gaps.push("the package names no training data");
  if (code === undefined) gaps.push("the package names no code");
  if (run === undefined) gaps.push("no run is known to have made it");
  return gaps;
}
