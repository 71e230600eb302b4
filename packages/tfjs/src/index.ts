export { type PlainActivation, type PlainDenseLayer, plainDenseLayers } from "./dense-layers.ts";
export { TfjsError, type TfjsErrorCode } from "./errors.ts";
export { type SaveLayersModelOptions, loadLayersModel, saveLayersModel } from "./layers-model-files.ts";
export { type NativeLoader, type OpenTfjsOptions, type Tfjs, openTfjs } from "./open-tfjs.ts";
export { type Device, type DeviceProbe, type ProbeReason, recogniseLoadFailure } from "./probe.ts";
export { tfjsRuntime } from "./runtime.ts";
export { selfTest } from "./self-test.ts";
export type { TensorFlow } from "./tensorflow.ts";
