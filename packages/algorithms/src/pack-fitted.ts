import {
  type Batch,
  type CallOptions,
  type Clock,
  type Dataset,
  type Digest,
  type GoldenRequest,
  type ModelManifest,
  type ResolvedModel,
  type Tensor,
  decodeTensor,
  encodeTensor,
} from "@millwright/contracts";
import { compileTransforms, emptyBatch, profileDataset, profileToJson } from "@millwright/data";
import {
  type CalibrationMap,
  type PackModelOptions,
  type TreeFeature,
  applyCalibration,
  compileDense,
  compileLinear,
  compileTrees,
  goldenRequest,
  packModel,
  writeCalibration,
  writeDenseModel,
  writeLinearModel,
  writeTreeModel,
} from "@millwright/model";
import type { FittedGbdt } from "./gbdt.ts";
import type { FittedLinear } from "./linear.ts";
import type { FittedMlp } from "./mlp.ts";
import { type FeatureColumn, featureColumns } from "./table.ts";

export interface PackFittedOptions extends CallOptions {
  readonly name: string;
  /** The rows it was fitted on: for golden requests, the profile and the digest. */
  readonly train: Dataset;
  /** For its digest. */
  readonly validation?: Dataset | undefined;
  /** The name of the output, float64 of shape [rows, 1], or [rows, classes]. Default: `"prediction"`. */
  readonly output?: string | undefined;
  /** Of its probabilities, as `fitCalibration` gives it: the package then answers calibrated ones. Default: none. */
  readonly calibration?: CalibrationMap | undefined;
  readonly featureService?: ModelManifest["featureService"];
  /** The run that made it, where one was tracked. */
  readonly runId?: string | undefined;
  /** For `provenance.createdTimeMs`. Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

const goldenRows = 16;

export type Fitted = FittedGbdt | FittedLinear | FittedMlp;

/**
 * Writes a model package that takes the columns as they are, with golden requests from the first rows, the profile of the training rows, and where it
 * all came from. Throws what `packModel` of `@millwright/model` throws, and `DATA_COLUMN_MISSING` for rows without the model's columns.
 */
export async function packFitted(
  directory: string,
  fitted: Fitted,
  options: PackFittedOptions,
): Promise<ResolvedModel> {
  const { name, train, validation, output = "prediction", calibration, featureService, runId, clock, signal } = options;
  signal?.throwIfAborted();
  const { seed, hyperparameters, metrics } = fitted;
  const kind = calibrated(kindOf(fitted, output), output, calibration);
  const profile = await profileDataset(train, { columns: kind.columns, signal });
  const datasets: Record<string, Digest> = { train: await train.digest({ signal }) };
  if (validation !== undefined) datasets["validation"] = await validation.digest({ signal });
  const { format, files, signature, transforms } = kind;
  return packModel(directory, {
    name,
    format,
    files,
    signature,
    ...(transforms === undefined ? {} : { transforms }),
    featureService,
    golden: [kind.golden(await firstRows(train, kind.columns, signal))],
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

async function firstRows(train: Dataset, columns: readonly string[], signal: AbortSignal | undefined): Promise<Batch> {
  for await (const batch of train.batches({ columns, batchRows: goldenRows, signal })) return batch;
  return emptyBatch(train.schema, columns);
}

/** What a package of a kind of model is made of. */
interface Kind extends Pick<PackModelOptions, "files" | "format" | "signature" | "transforms"> {
  /** That it reads. */
  readonly columns: readonly string[];
  readonly golden: (rows: Batch) => GoldenRequest;
}

/** With a calibration, which the golden answers have gone through. */
function calibrated(kind: Kind, output: string, map: CalibrationMap | undefined): Kind {
  if (map === undefined) return kind;
  const { files } = writeCalibration({ formatVersion: 1, output, map });
  const width = kind.signature.outputs[0]?.shape.at(-1) ?? 1;
  return {
    ...kind,
    files: { ...kind.files, ...files },
    golden(rows) {
      const { inputs, outputs, tolerance } = kind.golden(rows);
      const tensor = decodeTensor(outputs[output]!) as Extract<Tensor, { readonly dtype: "float32" | "float64" }>;
      const data = applyCalibration(map, tensor.data, width);
      // A slope makes of a small difference a larger one.
      return { inputs, outputs: { [output]: encodeTensor({ ...tensor, data } as Tensor) }, tolerance: tolerance * 100 };
    },
  };
}

/** The runtime adds as the fit did; what may differ is how another engine rounds an exponential: of doubles, and of float32. */
const tolerances = { double: 1e-12, single: 1e-6 } as const;

function kindOf(fitted: Fitted, output: string): Kind {
  if (fitted.algorithm === "mlp") return denseKind(fitted, output);
  const isTrees = fitted.algorithm === "gbdt";
  const features = featuresOf(fitted);
  const outputs = isTrees ? (fitted.model.classes?.length ?? 1) : fitted.model.intercepts.length;
  const compiled = isTrees ? compileTrees(fitted.model) : compileLinear(fitted.model);
  return {
    format: isTrees ? "trees" : "linear",
    ...(isTrees ? writeTreeModel(fitted.model, { output }) : writeLinearModel(fitted.model, { output })),
    columns: features.map((feature) => feature.name),
    golden(batch) {
      const columns = featureColumns(batch, features);
      const answers = new Float64Array(batch.length * outputs);
      compiled.predict(
        columns.map((column, index) => numbersOf(column, features[index])),
        answers,
      );
      const inputs = Object.fromEntries(columns.map((column) => [column.name, tensorOf(column)]));
      const answer = { dtype: "float64", shape: [batch.length, outputs], data: answers } as const;
      return goldenRequest(inputs, { [output]: answer }, tolerances.double);
    },
  };
}

function denseKind({ layers, transforms }: FittedMlp, output: string): Kind {
  const compiled = compileTransforms(transforms);
  const written = writeDenseModel(layers, { output });
  const kernel = compileDense(layers);
  return {
    format: "dense",
    ...written,
    transforms,
    columns: compiled.columns,
    golden(batch) {
      const { dtype, shape, data } = compiled.batch(batch);
      const answers = new Float32Array(batch.length * kernel.outputs);
      kernel.run(data, batch.length, answers);
      const answer = { dtype: "float32", shape: [batch.length, kernel.outputs], data: answers } as const;
      return goldenRequest({ features: { dtype, shape, data } }, { [output]: answer }, tolerances.single);
    },
  };
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
