import type { ModelSignature, TensorSpec } from "@millwright/contracts";
import { compileTransforms, type FittedStep, type FittedTransforms, transformSchemaDigest } from "@millwright/data";
import { checkedInputs, type DenseLayer } from "../dense-network.ts";
import { layersInvalid, onnxUnsupported } from "../errors.ts";
import { denseGraph, type Precision } from "./dense-graph.ts";
import { createGraph, type Graph } from "./graph.ts";
import { encodeModel, type OnnxPort } from "./onnx-proto.ts";
import { refusal, stepOutputs } from "./step-graph.ts";

/** What an ONNX file is made of: transforms, a network, or one after the other. */
export interface OnnxParts {
  readonly transforms?: FittedTransforms | undefined;
  readonly layers?: readonly DenseLayer[] | undefined;
}

export interface OnnxOptions {
  /** The graph's name. Default: `"millwright"`. */
  readonly name?: string | undefined;
  /** Name of the one input of a network without transforms, float32 of shape [rows, inputs]. Default: `"features"`. */
  readonly input?: string | undefined;
  /** Name of the output, float32 of shape [rows, width]. Default: `"prediction"` of a network, `"features"` of transforms alone. */
  readonly output?: string | undefined;
  /** The text that stands for null in text inputs: ONNX has no null. No category may be that text. Default: `""`. */
  readonly missingText?: string | undefined;
  /**
   * Of the sums of a network: `float64` answers as the package does; `float32` halves the file, and differs by what rounding makes of its sums.
   * Default: `"float64"`.
   */
  readonly precision?: Precision | undefined;
  /** Whether operators of ONNX Runtime's own domain `com.microsoft` may be used, which `hash` steps of text need. Default: false. */
  readonly onnxRuntimeOperators?: boolean | undefined;
}

/** An ONNX file as `packModel` takes it, of the format `onnx`. */
export interface OnnxModelFiles {
  readonly files: { readonly "model.onnx": Uint8Array };
  /**
   * With transforms an input of shape [rows, 1] for each column that they read: `string` for text, else `float64`, where NaN is null, booleans are 0
   * and 1, dates days and timestamps microseconds since 1970.
   */
  readonly signature: ModelSignature;
}

/**
 * Writes fitted transforms, a dense network, or both as one ONNX file of operators from opset 17 and ai.onnx.ml 4. It computes in double precision what is
 * computed so here, and gives the same but for the last bits of sines, cosines, powers and logarithms.
 * Throws `MODEL_ONNX_UNSUPPORTED`, naming the step that ONNX cannot express, and `MODEL_LAYERS_INVALID`.
 */
export function writeOnnxModel({ transforms, layers }: OnnxParts, options: OnnxOptions = {}): OnnxModelFiles {
  const { name = "millwright", precision = "float64" } = options;
  if (transforms === undefined && layers === undefined)
    throw onnxUnsupported("A model without transforms and layers", "there is nothing to write", "Give at least one.");
  const output = options.output ?? (layers === undefined ? "features" : "prediction");
  const inputs = transforms === undefined ? [featuresPort(layers, options.input)] : columnPorts(transforms);
  checkNames([...inputs.map((port) => port.name), output]);
  const graph = createGraph([...inputs.map((port) => port.name), output]);
  const width = transforms === undefined ? (inputs[0] as OnnxPort).width : compileTransforms(transforms).width;
  if (layers !== undefined && checkedInputs(layers) !== width)
    throw layersInvalid(`the first takes ${checkedInputs(layers)} inputs, and the transforms give ${width}`);
  const features =
    transforms === undefined
      ? (inputs[0] as OnnxPort).name
      : transformsGraph(graph, transforms, options, layers === undefined ? output : undefined);
  if (layers !== undefined) denseGraph(graph, features, layers, { output, precision });
  const outputs: OnnxPort = { name: output, type: "float32", width: layers?.at(-1)?.bias.length ?? width };
  const bytes = encodeModel({
    name,
    operators: graph.operators(),
    nodes: graph.nodes,
    constants: graph.constants,
    inputs,
    output: outputs,
    metadata: metadataOf(transforms, options),
  });
  return { files: { "model.onnx": bytes }, signature: { inputs: inputs.map(specOf), outputs: [specOf(outputs)] } };
}

const specOf = ({ name, type, width }: OnnxPort): TensorSpec => ({
  name,
  dtype: type as "float32" | "float64" | "string",
  shape: [-1, width],
});

const featuresPort = (layers: readonly DenseLayer[] | undefined, name = "features"): OnnxPort => ({
  name,
  type: "float32",
  width: checkedInputs(layers ?? []),
});

/** One input a column, in the order in which the steps name them. */
function columnPorts({ steps }: FittedTransforms): readonly OnnxPort[] {
  const refuse = refusal(steps);
  const ports = new Map<string, OnnxPort>();
  for (const step of steps) {
    const { column } = step;
    const type = step.input === "text" ? "string" : "float64";
    const known = ports.get(column);
    if (known !== undefined && known.type !== type)
      refuse(step, "another step reads the column as another type", "Fit the transforms to one table.");
    ports.set(column, { name: column, type, width: 1 });
  }
  return [...ports.values()];
}

function checkNames(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw onnxUnsupported(`The output "${twice}"`, "an input has its name", "Give the output another `output` name.");
  if (names.includes(""))
    throw onnxUnsupported(
      'The name ""',
      "to ONNX it means that there is no tensor",
      "Name every column and the output.",
    );
}

/** @returns the transforms' outputs side by side, float32 of shape [rows, width]. */
function transformsGraph(
  graph: Graph,
  { steps }: FittedTransforms,
  { missingText = "", onnxRuntimeOperators = false }: OnnxOptions,
  as: string | undefined,
): string {
  const refuse = refusal(steps);
  const outputs = steps.flatMap((step) => {
    checkMissingText(step, missingText, refuse);
    return stepOutputs(step, { graph, missingText, onnxRuntimeOperators, refuse });
  });
  if (outputs.length === 0)
    throw onnxUnsupported("Transforms without an output", "there is nothing to write", "Give them a step.");
  return graph.node("Concat", outputs, { axis: { int: 1 } }, { as });
}

function checkMissingText(step: FittedStep, missingText: string, refuse: ReturnType<typeof refusal>): void {
  if (step.input !== "text" || !("categories" in step) || !step.categories.includes(missingText)) return;
  refuse(
    step,
    `"${missingText}" is one of its categories, and stands for null`,
    "Choose a `missingText` that is no category.",
  );
}

/** What a reader of the file may want to know of the transforms. */
function metadataOf(
  transforms: FittedTransforms | undefined,
  { missingText = "" }: OnnxOptions,
): Readonly<Record<string, string>> {
  if (transforms === undefined) return {};
  return {
    "millwright.features": JSON.stringify(compileTransforms(transforms).names),
    "millwright.missingText": missingText,
    "millwright.schemaDigest": transformSchemaDigest(transforms.steps),
  };
}
