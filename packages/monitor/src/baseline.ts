export {
  type Baseline,
  type BaselineOptions,
  type ProfiledModel,
  baselineOf,
  baselineOfModel,
  createBaseline,
} from "./baseline/baseline.ts";
export {
  type BaselineFiles,
  baselineFiles,
  baselineFromFiles,
  readBaseline,
  writeBaseline,
} from "./baseline/baseline-files.ts";
