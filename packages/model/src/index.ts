export { type Activation, activations } from "./activation.ts";
export { type Calibration, type CalibrationMap, applyCalibration, writeCalibration } from "./calibration.ts";
export { type CompileDenseOptions, type DenseKernel, compileDense } from "./dense-kernel.ts";
export { type DenseLayer, type DenseModelFiles, type DenseModelOptions, writeDenseModel } from "./dense-network.ts";
export { denseRuntime } from "./dense-runtime.ts";
export { type DirectoryModelSourceOptions, openDirectoryModelSource } from "./drivers/directory.ts";
export { ModelError, type ModelErrorCode } from "./errors.ts";
export { type GoldenDifference, type GoldenReport, checkGolden, goldenRequest, runGolden } from "./golden.ts";
export type { RowValues } from "./batch-inputs.ts";
export {
  type CompiledLinear,
  type LinearModel,
  type LinearModelFiles,
  type LinearModelOptions,
  compileLinear,
  linearRuntime,
  writeLinearModel,
} from "./linear-model.ts";
export { type LoadModelOptions, type OpenedModel, loadModel } from "./load-model.ts";
export { type PackModelOptions, packModel } from "./pack-model.ts";
export { type ModelFileSource, filesIn } from "./package-files.ts";
export {
  type TreeFeature,
  type TreeLeaf,
  type TreeModel,
  type TreeModelFiles,
  type TreeModelOptions,
  type TreeNode,
  type TreeSplit,
  writeTreeModel,
} from "./tree-model.ts";
export { type CompiledTrees, compileTrees } from "./tree-kernel.ts";
export { treeRuntime } from "./tree-runtime.ts";
export type { ScanRule } from "./scan/observation.ts";
export { type ScanFinding, type ScanModelOptions, type ScanReport, scanModel } from "./scan/scan-model.ts";
export { type ExtractArchiveOptions, type ExtractedArchive, extractArchive } from "./archive/extract-archive.ts";
export { type ImportModelArchiveOptions, importModelArchive } from "./archive/import-archive.ts";
export type { ArchiveLimits } from "./archive/entry-policy.ts";
export { type SignatureEnvelope, parseEnvelope } from "./trust/envelope.ts";
export type { KeyMaterial, SigningService } from "./trust/keys.ts";
export { readSignatures } from "./trust/signature-file.ts";
export {
  type SignModelOptions,
  type SignatureReport,
  createSignature,
  signModel,
  verifySignature,
} from "./trust/sign-model.ts";
export { type StageModelOptions, openStaging, stageModel } from "./trust/stage-model.ts";
export {
  type CountedSignature,
  type TrustPolicy,
  type TrustPolicyOptions,
  type TrustRule,
  type TrustedKey,
  checkEnvelope,
  createTrustPolicy,
} from "./trust/trust-policy.ts";
export { type VerifyModelOptions, verifyModel } from "./verify-model.ts";
