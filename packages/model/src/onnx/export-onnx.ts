import type { CallOptions, ResolvedModel } from "@millwright/contracts";
import { storedTransforms } from "../batch-inputs.ts";
import { calibrationFile } from "../calibration.ts";
import { readDenseLayers } from "../dense-runtime.ts";
import { onnxUnsupported } from "../errors.ts";
import { readLinear } from "../linear-model.ts";
import { readTrees } from "../tree-runtime.ts";
import { readLayersModel } from "./layers-model.ts";
import { type OnnxModelFiles, type OnnxOptions, type OnnxParts, writeOnnxModel } from "./write-onnx.ts";

/**
 * Writes a package of the format `dense`, `tfjs-layers`, `trees` or `linear`, with its transforms where it has them, as one ONNX file; inputs and output
 * have the names of its signature where `options` give no others. Throws as `writeOnnxModel`, `PORT_MODEL_CORRUPT`, and `MODEL_ONNX_UNSUPPORTED` for
 * other formats and for calibrated answers.
 */
export async function exportOnnx(
  resolved: Pick<ResolvedModel, "directory" | "manifest">,
  { signal, ...options }: OnnxOptions & CallOptions = {},
): Promise<OnnxModelFiles> {
  signal?.throwIfAborted();
  const { directory, manifest } = resolved;
  const { name, signature, files } = manifest;
  if (files.some(({ path }) => path === calibrationFile))
    throw onnxUnsupported(
      `The model "${name}"`,
      "its answers are calibrated",
      "Export it without its calibration, and apply that to the answers.",
    );
  const transforms = storedTransforms(directory, manifest);
  return writeOnnxModel(
    { transforms, ...(await readParts(resolved, signal)) },
    { name, input: signature.inputs[0]?.name, output: signature.outputs[0]?.name, ...options },
  );
}

async function readParts(
  { directory, manifest }: Pick<ResolvedModel, "directory" | "manifest">,
  signal: AbortSignal | undefined,
): Promise<OnnxParts> {
  const { name, format } = manifest;
  switch (format) {
    case "dense":
      return { layers: await readDenseLayers(directory, manifest, signal) };
    case "trees":
      return { trees: await readTrees(directory, manifest, signal) };
    case "linear":
      return { linear: await readLinear(directory, manifest, signal) };
    case "tfjs-layers":
      return { network: await readLayersModel(directory, name, signal) };
    default:
      throw onnxUnsupported(
        `The model "${name}" of the format ${format}`,
        "dense, tfjs-layers, trees and linear are the formats that are written",
        "Export its transforms alone with `writeOnnxModel`.",
      );
  }
}
