import {
  type LoadedModel,
  type ModelManifest,
  type ModelRuntime,
  type Tensors,
  modelCorrupt,
} from "@millwright/contracts";
import { numberInput, signatureText, textInput } from "./column-tensors.ts";
import { type CompiledTrees, compileTrees } from "./tree-kernel.ts";
import { type TreeFeature, type TreeModel, parseTreeModel, treeOutputs, treeSignature } from "./tree-model.ts";
import { readModelFile } from "./verified-files.ts";

/**
 * Serves packages of the format `trees` in TypeScript, without whatever trained them, and answers at once, without a promise. Numbers may come in
 * any numeric type, NaN where missing; categories as texts, empty where missing.
 * Throws `PORT_MODEL_CORRUPT` at load, `MODEL_INPUT_MISMATCH` at predict.
 */
export function treeRuntime(): ModelRuntime {
  return {
    formats: ["trees"],
    async load(directory, manifest, { signal } = {}) {
      signal?.throwIfAborted();
      const model = await readTrees(directory, manifest, signal);
      return loadedTrees(model, compileTrees(model), outputOf(directory, manifest, model));
    },
  };
}

/** The trees of a package of the format `trees`. Throws `PORT_MODEL_CORRUPT`. */
export async function readTrees(
  directory: string,
  manifest: ModelManifest,
  signal: AbortSignal | undefined,
): Promise<TreeModel> {
  return parseTreeModel(directory, await readText(directory, manifest, signal));
}

async function readText(directory: string, manifest: ModelManifest, signal: AbortSignal | undefined): Promise<string> {
  try {
    return (await readModelFile(directory, manifest, "trees.json", { signal })).toString("utf8");
  } catch (error) {
    signal?.throwIfAborted();
    throw modelCorrupt(directory, "trees.json cannot be read", error);
  }
}

/** The name of the output, once the signature is known to fit the trees. */
function outputOf(directory: string, { signature }: ModelManifest, model: TreeModel): string {
  const name = signature.outputs[0]?.name ?? "prediction";
  const wanted = treeSignature(model, name);
  if (signatureText(wanted) === signatureText(signature)) return name;
  throw modelCorrupt(directory, `its signature is not ${JSON.stringify(wanted)}, which its trees take and give`);
}

function loadedTrees(model: TreeModel, compiled: CompiledTrees, output: string): LoadedModel {
  const { features } = model;
  const outputs = treeOutputs(model);
  const positions = features.map(positionsOf);
  return {
    memoryBytes: compiled.memoryBytes,
    missingText: "",
    predict(inputs, { signal } = {}) {
      signal?.throwIfAborted();
      const [first] = features;
      const rows = first === undefined ? 0 : (inputs[first.name]?.data.length ?? 0);
      const columns = features.map((feature, index) =>
        columnOf(inputs, feature, rows, positions[index] as ReadonlyMap<string, number>),
      );
      const data = new Float64Array(rows * outputs);
      compiled.predict(columns, data);
      return { [output]: { dtype: "float64", shape: [rows, outputs], data } };
    },
    dispose: () => Promise.resolve(),
  };
}

/** The positions of a feature's categories by their texts. */
export const positionsOf = (feature: TreeFeature): ReadonlyMap<string, number> =>
  new Map(feature.kind === "category" ? feature.categories.map((text, index) => [text, index]) : []);

/** Numbers as they are, and categories as their positions, NaN where there is none. */
export function columnOf(
  inputs: Tensors,
  { name, kind }: TreeFeature,
  rows: number,
  positions: ReadonlyMap<string, number>,
): Float64Array {
  return kind === "number"
    ? numberInput(inputs, name, rows)
    : Float64Array.from(textInput(inputs, name, rows), (text) => positions.get(text) ?? Number.NaN);
}
