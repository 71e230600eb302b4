import type { ModelSignature, TensorSpec } from "@millwright/contracts";
import { compileTransforms, type FittedStep, type FittedTransforms, transformSchemaDigest } from "@millwright/data";
import { checkedInputs, type DenseLayer } from "../dense-network.ts";
import { layersInvalid, onnxUnsupported } from "../errors.ts";
import { assertLinearModel, type LinearModel } from "../linear-model.ts";
import { assertTreeModel, type TreeModel, treeOutputs } from "../tree-model.ts";
import { denseGraph, type Precision } from "./dense-graph.ts";
import { createGraph, type Graph } from "./graph.ts";
import { linearGraph } from "./linear-graph.ts";
import { networkGraph } from "./network-graph.ts";
import type { Network } from "./network-layer.ts";
import { encodeModel, type OnnxPort } from "./onnx-proto.ts";
import { refusal, stepOutputs } from "./step-graph.ts";
import { treeGraph } from "./tree-graph.ts";

/** What an ONNX file is made of: transforms, layers or a network, one after the other; or trees or a linear model, which read columns themselves. */
export interface OnnxParts {
  readonly transforms?: FittedTransforms | undefined;
  readonly layers?: readonly DenseLayer[] | undefined;
  /** A chain with convolutions, in single precision. */
  readonly network?: Network | undefined;
  readonly trees?: TreeModel | undefined;
  readonly linear?: LinearModel | undefined;
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
   * With transforms, trees or a linear model an input of shape [rows, 1] for each column that they read: `string` for text, else `float64`, where NaN is
   * null, booleans are 0 and 1, dates days and timestamps microseconds since 1970.
   */
  readonly signature: ModelSignature;
}

/** What the parts come to. */
interface Plan {
  readonly inputs: readonly OnnxPort[];
  readonly output: OnnxPort;
  /** Puts the nodes into the graph, the last of which gives the output. */
  build(graph: Graph): void;
}

/**
 * Writes fitted transforms, a network, both, trees, or a linear model as one ONNX file of operators from opset 17 and ai.onnx.ml 4. It computes in double
 * precision what is computed so here, and gives the same but for the last bits of sines, cosines, powers and logarithms; trees give their sum, and networks with convolutions all
 * of theirs, in single precision.
 * Throws `MODEL_ONNX_UNSUPPORTED`, naming the step or layer that ONNX cannot express, `MODEL_LAYERS_INVALID`, `MODEL_TREES_INVALID` and `MODEL_LINEAR_INVALID`.
 */
export function writeOnnxModel(parts: OnnxParts, options: OnnxOptions = {}): OnnxModelFiles {
  const { name = "millwright" } = options;
  const { inputs, output, build } = planOf(parts, options);
  checkNames([...inputs.map((port) => port.name), output.name]);
  const graph = createGraph([...inputs.map((port) => port.name), output.name]);
  build(graph);
  const bytes = encodeModel({
    name,
    operators: graph.operators(),
    nodes: graph.nodes,
    constants: graph.constants,
    inputs,
    output,
    metadata: metadataOf(parts, options),
  });
  return { files: { "model.onnx": bytes }, signature: { inputs: inputs.map(specOf), outputs: [specOf(output)] } };
}

function planOf(parts: OnnxParts, options: OnnxOptions): Plan {
  const { transforms, layers, network, trees, linear } = parts;
  const models = [layers, network, trees, linear].filter((part) => part !== undefined);
  const ownColumns = trees ?? linear;
  if (models.length > 1 || (transforms !== undefined && ownColumns !== undefined))
    throw onnxUnsupported(
      "More than one model",
      "they do not feed each other",
      "Give one, and transforms with layers or a network alone.",
    );
  if (trees !== undefined) return treePlan(trees, options);
  if (linear !== undefined) return linearPlan(linear, options);
  if (transforms === undefined && models.length === 0)
    throw onnxUnsupported("A model without transforms and layers", "there is nothing to write", "Give at least one.");
  return networkPlan(parts, options);
}

function treePlan(trees: TreeModel, { output = "prediction", missingText = "" }: OnnxOptions): Plan {
  assertTreeModel(trees);
  const inputs = trees.features.map(({ name, kind }) => columnPort(name, kind === "number" ? "float64" : "string"));
  return {
    inputs,
    output: { name: output, type: "float32", width: treeOutputs(trees) },
    build: (graph) => void graph.node("Identity", [treeGraph(graph, trees, missingText)], {}, { as: output }),
  };
}

function linearPlan(linear: LinearModel, { output = "prediction" }: OnnxOptions): Plan {
  assertLinearModel(linear);
  return {
    inputs: linear.features.map((name) => columnPort(name, "float64")),
    output: { name: output, type: "float64", width: linear.intercepts.length },
    build: (graph) => void graph.node("Identity", [linearGraph(graph, linear)], {}, { as: output }),
  };
}

const columnPort = (name: string, type: "float64" | "string"): OnnxPort => ({ name, type, width: 1 });

/** Transforms, a chain of layers, or both. */
function networkPlan({ transforms, layers, network }: OnnxParts, options: OnnxOptions): Plan {
  const { precision = "float64" } = options;
  const isModel = layers !== undefined || network !== undefined;
  const output = options.output ?? (isModel ? "prediction" : "features");
  const fitted = transforms === undefined ? undefined : compileTransforms(transforms).width;
  const width = inputWidth(layers, network) ?? fitted ?? 0;
  const inputs =
    transforms === undefined
      ? [{ name: options.input ?? "features", type: "float32" as const, width }]
      : columnPorts(transforms);
  const given = fitted ?? width;
  if (isModel && given !== width)
    throw layersInvalid(`the first takes ${width} inputs, and the transforms give ${given}`);
  const outputWidth = network === undefined ? (layers?.at(-1)?.bias.length ?? given) : networkWidth(network);
  return {
    inputs,
    output: { name: output, type: "float32", width: outputWidth },
    build(graph) {
      const last = isModel ? undefined : output;
      const features =
        transforms === undefined ? (inputs[0] as OnnxPort).name : transformsGraph(graph, transforms, options, last);
      if (layers !== undefined) denseGraph(graph, features, layers, { output, precision });
      if (network !== undefined) networkNodes(graph, features, network, output);
    },
  };
}

/** Of the model; undefined where there is none. */
function inputWidth(layers: readonly DenseLayer[] | undefined, network: Network | undefined): number | undefined {
  if (network !== undefined) return sizeOf(network.inputShape);
  return layers === undefined ? undefined : checkedInputs(layers);
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, each) => size * each, 1);

/** Numbers that the network gives for a row: what it comes to is known once it has been gone through. */
const networkWidth = (network: Network): number => sizeOf(networkGraph(createGraph([]), "features", network).shape);

/** The network's one input and output have a row's numbers side by side, whatever their shape within. */
function networkNodes(graph: Graph, features: string, network: Network, output: string): void {
  const shapeOf = (shape: readonly number[]): string =>
    graph.constant({ type: "int64", shape: [shape.length + 1], values: [-1, ...shape] });
  const input =
    network.inputShape.length === 1 ? features : graph.node("Reshape", [features, shapeOf(network.inputShape)]);
  const { value, shape } = networkGraph(graph, input, network);
  graph.node("Reshape", [value, shapeOf([sizeOf(shape)])], {}, { as: output });
}

const specOf = ({ name, type, width }: OnnxPort): TensorSpec => ({
  name,
  dtype: type as "float32" | "float64" | "string",
  shape: [-1, width],
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
  { transforms, trees }: OnnxParts,
  { missingText = "" }: OnnxOptions,
): Readonly<Record<string, string>> {
  if (trees !== undefined) return { "millwright.missingText": missingText };
  if (transforms === undefined) return {};
  return {
    "millwright.features": JSON.stringify(compileTransforms(transforms).names),
    "millwright.missingText": missingText,
    "millwright.schemaDigest": transformSchemaDigest(transforms.steps),
  };
}
