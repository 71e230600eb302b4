export { type Activation, activations } from "./activation.ts";
export { type DenseLayer, type DenseModelFiles, type DenseModelOptions, writeDenseModel } from "./dense-network.ts";
export { denseRuntime } from "./dense-runtime.ts";
export { type DirectoryModelSourceOptions, openDirectoryModelSource } from "./drivers/directory.ts";
export { ModelError, type ModelErrorCode } from "./errors.ts";
export {
  type GoldenDifference,
  type GoldenReport,
  checkGolden,
  fromJsonTensor,
  goldenRequest,
  runGolden,
  toJsonTensor,
} from "./golden.ts";
export { type LoadModelOptions, type OpenedModel, loadModel } from "./load-model.ts";
export { type PackModelOptions, packModel } from "./pack-model.ts";
export { type ModelFileSource, filesIn } from "./package-files.ts";
export { verifyModel } from "./verify-model.ts";
