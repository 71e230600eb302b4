export { exportOnnx } from "./onnx/export-onnx.ts";
export { onnxInputs } from "./onnx/onnx-inputs.ts";
export { type OnnxModelFiles, type OnnxOptions, type OnnxParts, writeOnnxModel } from "./onnx/write-onnx.ts";
