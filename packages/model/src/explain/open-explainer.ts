import {
  type Batch,
  type CallOptions,
  type Clock,
  type LoadedModel,
  type ModelManifest,
  type ResolvedModel,
  type Tensor,
  type Tensors,
  decodeTensor,
  systemClock,
} from "@millwright/contracts";
import type { FittedTransforms } from "@millwright/data";
import { type ColumnInputs, columnInputs, storedTransforms } from "../batch-inputs.ts";
import { numberInput } from "../column-tensors.ts";
import { compileDense } from "../dense-kernel.ts";
import type { DenseLayer } from "../dense-network.ts";
import { featuresOf, readDenseLayers } from "../dense-runtime.ts";
import { explanationUnsupported } from "../errors.ts";
import { readLinear } from "../linear-model.ts";
import { columnOf, positionsOf, readTrees } from "../tree-runtime.ts";
import type { ExplanationScale } from "./explanation.ts";
import { type WeightedSums, linearShap, linearModelShap, meansOf } from "./linear-shap.ts";
import { playersOf } from "./players.ts";
import { type ModelExplainer, type TensorExplainer, exactExplainer } from "./row-explainer.ts";
import { sampledExplainer } from "./sampled-explainer.ts";
import { type OutputNumbers, type Predict, outputNumbers, rowsOf } from "./tensor-game.ts";
import { interventionalTreeShap } from "./tree-interventional.ts";
import { treeShap } from "./tree-shap.ts";

export interface OpenExplainerOptions extends CallOptions {
  /**
   * Rows that stand for what is not known of a row: a sample of the training rows, a hundred or so, as columns or as the model's inputs. Trees do without; given
   * some they are explained against them. Default: the inputs of the package's golden requests.
   */
  readonly background?: Batch | Tensors | undefined;
  /** Default: `margin` for trees, linear models and dense networks, which is exact for the first two; else `output`, the only one of other formats. */
  readonly scale?: ExplanationScale | undefined;
  /** What asks the model, for the scale `output` and for formats whose files are not read here: `predict` of a loaded model. */
  readonly predict?: LoadedModel["predict"] | undefined;
  /** Names of the columns, where the inputs have none: of a model without transforms with one input of several numbers a row. Default: `<input>_0`, … */
  readonly features?: readonly string[] | undefined;
  /** What a null becomes in an input of texts: that of the loaded model. Default: the empty text for trees, else none. */
  readonly missingText?: string | undefined;
  /** Most rows that the model is asked to explain one row, where that is an estimate. Default: 2048. */
  readonly maxEvaluations?: number | undefined;
  /** Another seed makes another estimate. Default: 0. */
  readonly seed?: number | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

type Package = Pick<ResolvedModel, "directory" | "manifest">;

/** What is explained, and how. */
interface Setting extends OpenExplainerOptions {
  readonly directory: string;
  readonly manifest: ModelManifest;
  readonly fitted: FittedTransforms | undefined;
  readonly inputs: ColumnInputs;
  readonly clock: Clock;
  /** Where they are given, or the package has some. */
  readonly rows: Tensors | undefined;
}

/**
 * Reads what is needed of a package to explain its answers: trees exactly by TreeSHAP, linear models and networks of one layer exactly, all other models by
 * asking them, exactly where they read few columns. Throws `MODEL_EXPLANATION_UNSUPPORTED`, `PORT_MODEL_CORRUPT`, what the model throws for the background, and
 * a RangeError for options out of range.
 */
export async function openExplainer(
  { directory, manifest }: Package,
  options: OpenExplainerOptions = {},
): Promise<ModelExplainer> {
  const { clock = systemClock, maxEvaluations = 2048, signal } = options;
  signal?.throwIfAborted();
  if (!(maxEvaluations >= 2)) throw new RangeError(`maxEvaluations must be 2 or more, not ${maxEvaluations}.`);
  const inputs = columnInputs(directory, manifest);
  const missingText = options.missingText ?? (manifest.format === "trees" ? "" : undefined);
  const rows = backgroundOf(options.background, manifest, inputs, missingText);
  const fitted = storedTransforms(directory, manifest);
  const setting: Setting = { ...options, directory, manifest, fitted, inputs, clock, rows, maxEvaluations };
  const explainer = await tensorExplainer(setting);
  return {
    ...explainer,
    explainBatch: async (batch, asked) => explainer.explain(inputs.batch(batch, missingText), asked),
  };
}

async function tensorExplainer(setting: Setting): Promise<TensorExplainer> {
  const { manifest, scale } = setting;
  if (scale === "output") return askingExplainer(setting, setting.predict, "output");
  switch (manifest.format) {
    case "trees":
      return treeExplainer(setting);
    case "linear":
      return linearExplainer(setting);
    case "dense":
      return denseExplainer(setting);
    default:
      if (scale === undefined) return askingExplainer(setting, setting.predict, "output");
      throw explanationUnsupported(
        manifest.name,
        `its format is "${manifest.format}", whose raw scores are not known`,
        'Leave `scale` out, or give "output".',
      );
  }
}

async function treeExplainer({
  directory,
  manifest,
  clock,
  background,
  rows,
  signal,
}: Setting): Promise<TensorExplainer> {
  const model = await readTrees(directory, manifest, signal);
  const positions = model.features.map(positionsOf);
  const columns = (inputs: Tensors): readonly Float64Array[] =>
    model.features.map((feature, at) => columnOf(inputs, feature, rowsOf(inputs), positions[at]!));
  const against = background === undefined || rows === undefined ? undefined : columns(rows);
  return exactExplainer(against === undefined ? treeShap(model) : interventionalTreeShap(model, against), {
    method: against === undefined ? "tree-shap" : "interventional-tree-shap",
    features: model.features.map(({ name }) => name),
    outputs: model.classes ?? [outputName(manifest)],
    clock,
    columns,
  });
}

async function linearExplainer(setting: Setting): Promise<TensorExplainer> {
  const { directory, manifest, clock, signal } = setting;
  const model = await readLinear(directory, manifest, signal);
  const columns = (inputs: Tensors): readonly Float64Array[] =>
    model.features.map((name) => numberInput(inputs, name, rowsOf(inputs)));
  return exactExplainer(linearModelShap(model, columns(needed(setting))), {
    method: "linear-shap",
    features: model.features,
    outputs: model.classes ?? numbered(outputName(manifest), model.intercepts.length),
    clock,
    columns,
  });
}

/** A network of one layer is a weighted sum; a deeper one is asked for its raw scores, before a last logistic function or softmax. */
async function denseExplainer(setting: Setting): Promise<TensorExplainer> {
  const { directory, manifest, fitted, features, clock, signal } = setting;
  const layers = await readDenseLayers(directory, manifest, signal);
  const last = layers.at(-1) as DenseLayer;
  const isLink = last.activation === "sigmoid" || last.activation === "softmax";
  const raw = isLink ? [...layers.slice(0, -1), { ...last, activation: "linear" as const }] : layers;
  const { inputs, outputs, run } = compileDense(raw);
  const spec = manifest.signature.inputs[0]!;
  const name = outputName(manifest);
  const predict: Predict = (given) => {
    const numbers = featuresOf(given[spec.name], spec, inputs);
    const rows = numbers.length / inputs;
    const data = new Float32Array(rows * outputs);
    run(numbers, rows, data);
    return { [name]: { dtype: "float32", shape: [rows, outputs], data } };
  };
  if (layers.length > 1 || raw[0]?.activation !== "linear") return askingExplainer(setting, predict, "margin");
  const rows = needed(setting);
  const players = playersOf(manifest, fitted, rows, features);
  const columns = (given: Tensors): readonly Float64Array[] =>
    columnsOfMatrix(featuresOf(given[spec.name], spec, inputs), inputs);
  const sums: WeightedSums = {
    coefficients: Array.from({ length: outputs }, (_, unit) =>
      Float64Array.from({ length: inputs }, (_input, at) => last.kernel[at * outputs + unit]!),
    ),
    intercepts: last.bias,
    owners: players.owners[spec.name]!,
    features: players.names.length,
  };
  return exactExplainer(linearShap(sums, meansOf(columns(rows))), {
    method: "linear-shap",
    features: players.names,
    outputs: numbered(name, outputs),
    clock,
    columns,
  });
}

const columnsOfMatrix = (data: Float32Array | Float64Array, width: number): readonly Float64Array[] =>
  Array.from({ length: width }, (_, at) =>
    Float64Array.from({ length: data.length / width }, (_row, row) => data[row * width + at]!),
  );

async function askingExplainer(
  setting: Setting,
  predict: Predict | undefined,
  scale: ExplanationScale,
): Promise<TensorExplainer> {
  const { manifest, fitted, features, maxEvaluations = 2048, seed = 0, clock, signal } = setting;
  if (predict === undefined)
    throw explanationUnsupported(
      manifest.name,
      `its format is "${manifest.format}", and nothing that asks it was given`,
      "Give `predict` of the loaded model.",
    );
  if (manifest.signature.inputs.some(({ shape }) => shape[0] !== -1))
    throw explanationUnsupported(
      manifest.name,
      "it takes a fixed number of rows",
      "Export it with a first size that is open (-1).",
    );
  const background = needed(setting);
  const players = playersOf(manifest, fitted, background, features);
  const answer = await predict(background, { signal });
  const outputs: OutputNumbers = outputNumbers(answer);
  if (outputs.names.length === 0)
    throw explanationUnsupported(manifest.name, "it answers with texts alone", "Export it with an output of numbers.");
  const answers = outputs.read(answer);
  return sampledExplainer({ scale, players, background, predict, outputs, answers, maxEvaluations, seed, clock });
}

/** Throws `MODEL_EXPLANATION_UNSUPPORTED`. */
function needed({ rows, manifest }: Setting): Tensors {
  if (rows !== undefined && rowsOf(rows) > 0) return rows;
  throw explanationUnsupported(
    manifest.name,
    "there are no rows to compare with: none were given, and it was packed without golden requests",
    "Give `background`, a sample of the training rows.",
  );
}

const outputName = ({ signature }: ModelManifest): string => signature.outputs[0]?.name ?? "prediction";

const numbered = (name: string, count: number): readonly string[] =>
  count === 1 ? [name] : Array.from({ length: count }, (_, at) => `${name}_${at}`);

const isBatch = (rows: Batch | Tensors): rows is Batch => typeof rows["length"] === "number";

function backgroundOf(
  given: Batch | Tensors | undefined,
  { golden, signature }: ModelManifest,
  inputs: ColumnInputs,
  missingText: string | undefined,
): Tensors | undefined {
  if (given !== undefined) return isBatch(given) ? inputs.batch(given, missingText) : given;
  const requests = golden.map((request) =>
    Object.fromEntries(Object.entries(request.inputs).map(([name, tensor]) => [name, decodeTensor(tensor)])),
  );
  const [first] = requests;
  if (first === undefined) return undefined;
  return Object.fromEntries(signature.inputs.map(({ name }) => [name, stacked(requests.map((each) => each[name]!))]));
}

/** Rows of tensors of equal rows one after another; those that are not like the first are left away. */
function stacked(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as readonly [Tensor];
  const like = tensors.filter(({ shape }) => shape.slice(1).join() === first.shape.slice(1).join());
  const data = like.flatMap((tensor) => Array.from(tensor.data as ArrayLike<number>));
  const shape = [like.reduce((rows, tensor) => rows + (tensor.shape[0] ?? 0), 0), ...first.shape.slice(1)];
  if (first.dtype === "string") return { dtype: "string", shape, data: data as unknown as readonly string[] };
  return { dtype: first.dtype, shape, data: (first.data.constructor as Float64ArrayConstructor).from(data) } as Tensor;
}
