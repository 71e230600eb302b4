export { describeOnnx, type OnnxDescription } from "./onnx/describe-onnx.ts";
export { exportOnnx } from "./onnx/export-onnx.ts";
export type { ConvolutionLayer, Network, NetworkLayer, PoolLayer, Sizes } from "./onnx/network-layer.ts";
export { onnxInputs } from "./onnx/onnx-inputs.ts";
export {
  type OnnxLibrary,
  onnxRuntime,
  type OnnxRuntimeOptions,
  type OnnxSession,
  type OnnxTensorValue,
} from "./onnx/onnx-runtime.ts";
export { type OnnxModelFiles, type OnnxOptions, type OnnxParts, writeOnnxModel } from "./onnx/write-onnx.ts";
