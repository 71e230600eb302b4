export {
  type DriftInjection,
  type InjectionOptions,
  changeUnit,
  flipLabels,
  lag,
  missing,
  scale,
  season,
  shift,
  swapCategories,
} from "./injection/drifts.ts";
export { type DriftShape, abrupt, gradual, incremental, recurring } from "./injection/drift-shape.ts";
export { type InjectOptions, inject, injectDataset } from "./injection/inject.ts";
