import type { CallOptions, ResolvedModel } from "@millwright/contracts";
import { storedTransforms } from "../batch-inputs.ts";
import { readDenseLayers } from "../dense-runtime.ts";
import { onnxUnsupported } from "../errors.ts";
import { type OnnxModelFiles, type OnnxOptions, writeOnnxModel } from "./write-onnx.ts";

/**
 * Writes a package of the format `dense`, with its transforms where it has them, as one ONNX file; inputs and output have the names of its
 * signature where `options` give no others. Throws as `writeOnnxModel`, `PORT_MODEL_CORRUPT`, and `MODEL_ONNX_UNSUPPORTED` for other formats.
 */
export async function exportOnnx(
  { directory, manifest }: Pick<ResolvedModel, "directory" | "manifest">,
  { signal, ...options }: OnnxOptions & CallOptions = {},
): Promise<OnnxModelFiles> {
  signal?.throwIfAborted();
  const { name, format, signature } = manifest;
  if (format !== "dense")
    throw onnxUnsupported(
      `The model "${name}" of the format ${format}`,
      "only dense networks are written as ONNX",
      'Train it with `format: "dense"`, or export its transforms alone with `writeOnnxModel`.',
    );
  const layers = await readDenseLayers(directory, signal);
  const transforms = storedTransforms(directory, manifest);
  return writeOnnxModel(
    { transforms, layers },
    { name, input: signature.inputs[0]?.name, output: signature.outputs[0]?.name, ...options },
  );
}
