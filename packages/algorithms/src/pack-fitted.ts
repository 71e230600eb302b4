import type {
  Batch,
  CallOptions,
  Clock,
  Dataset,
  Digest,
  GoldenRequest,
  ModelManifest,
  ResolvedModel,
  Tensor,
} from "@millwright/contracts";
import { createDataset, emptyBatch, profileDataset, profileToJson } from "@millwright/data";
import {
  type TreeFeature,
  compileLinear,
  compileTrees,
  goldenRequest,
  packModel,
  writeLinearModel,
  writeTreeModel,
} from "@millwright/model";
import type { FittedGbdt } from "./gbdt.ts";
import type { FittedLinear } from "./linear.ts";
import { type FeatureColumn, featureColumns } from "./table.ts";

export interface PackFittedOptions extends CallOptions {
  readonly name: string;
  /** The rows it was fitted on: for golden requests, the profile and the digest. */
  readonly train: Dataset;
  /** For its digest. */
  readonly validation?: Dataset | undefined;
  /** The name of the output, float64 of shape [rows, 1], or [rows, classes]. Default: `"prediction"`. */
  readonly output?: string | undefined;
  readonly featureService?: ModelManifest["featureService"];
  /** The run that made it, where one was tracked. */
  readonly runId?: string | undefined;
  /** For `provenance.createdTimeMs`. Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

const goldenRows = 16;

/**
 * Writes a model package that takes the columns as they are, with golden requests from the first rows, the profile of the training rows, and where it
 * all came from. Throws what `packModel` of `@millwright/model` throws, and `DATA_COLUMN_MISSING` for rows without the model's columns.
 */
export async function packFitted(
  directory: string,
  fitted: FittedGbdt | FittedLinear,
  { name, train, validation, output = "prediction", featureService, runId, clock, signal }: PackFittedOptions,
): Promise<ResolvedModel> {
  signal?.throwIfAborted();
  const { seed, hyperparameters, metrics } = fitted;
  const { files, signature } =
    fitted.algorithm === "gbdt" ? writeTreeModel(fitted.model, { output }) : writeLinearModel(fitted.model, { output });
  const columns = featuresOf(fitted).map((feature) => feature.name);
  const profile = await profileDataset(selected(train, columns), { signal });
  const datasets: Record<string, Digest> = { train: await train.digest({ signal }) };
  if (validation !== undefined) datasets["validation"] = await validation.digest({ signal });
  return packModel(directory, {
    name,
    format: fitted.algorithm === "gbdt" ? "trees" : "linear",
    files,
    signature,
    featureService,
    golden: await goldenOf(fitted, train, output, signal),
    profile: profileToJson(profile),
    provenance: {
      datasets,
      ...(seed === undefined ? {} : { seed }),
      hyperparameters,
      metrics,
      environment: { node: process.version },
      ...(runId === undefined ? {} : { runId }),
    },
    clock,
    signal,
  });
}

const selected = (dataset: Dataset, columns: readonly string[]): Dataset =>
  createDataset({
    schema: columns.flatMap((name) => dataset.schema.find((field) => field.name === name) ?? []),
    walk: ({ signal }) => dataset.batches({ columns, signal }),
  });

/** The runtime adds as the fit did; what may differ is how another engine rounds an exponential. */
const tolerance = 1e-12;

async function goldenOf(
  fitted: FittedGbdt | FittedLinear,
  train: Dataset,
  output: string,
  signal: AbortSignal | undefined,
): Promise<readonly GoldenRequest[]> {
  const features = featuresOf(fitted);
  const names = features.map((feature) => feature.name);
  const batch = await firstRows(train, names, signal);
  const columns = featureColumns(batch, features);
  const numbers = columns.map((column, index) => numbersOf(column, features[index]));
  const outputs = fitted.algorithm === "gbdt" ? (fitted.model.classes?.length ?? 1) : fitted.model.intercepts.length;
  const answers = new Float64Array(batch.length * outputs);
  (fitted.algorithm === "gbdt" ? compileTrees(fitted.model) : compileLinear(fitted.model)).predict(numbers, answers);
  const inputs = Object.fromEntries(columns.map((column) => [column.name, tensorOf(column)]));
  const answer = { dtype: "float64", shape: [batch.length, outputs], data: answers } as const;
  return [goldenRequest(inputs, { [output]: answer }, tolerance)];
}

async function firstRows(train: Dataset, columns: readonly string[], signal: AbortSignal | undefined): Promise<Batch> {
  for await (const batch of train.batches({ columns, batchRows: goldenRows, signal })) return batch;
  return emptyBatch(train.schema, columns);
}

const featuresOf = (fitted: FittedGbdt | FittedLinear): readonly TreeFeature[] =>
  fitted.algorithm === "gbdt"
    ? fitted.model.features
    : fitted.model.features.map((name) => ({ name, kind: "number" as const }));

function numbersOf(column: FeatureColumn, feature: TreeFeature | undefined): Float64Array {
  if (column.kind === "number") return column.values;
  const categories = feature?.kind === "category" ? feature.categories : [];
  return Float64Array.from(column.texts, (text) => {
    const at = categories.indexOf(text ?? "");
    return at < 0 ? Number.NaN : at;
  });
}

const tensorOf = (column: FeatureColumn): Tensor =>
  column.kind === "number"
    ? { dtype: "float64", shape: [column.values.length], data: column.values }
    : { dtype: "string", shape: [column.texts.length], data: column.texts.map((text) => text ?? "") };
