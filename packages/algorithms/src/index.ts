export { AlgorithmsError, type AlgorithmsErrorCode } from "./errors.ts";
export { type FittedGbdt, fitGbdt } from "./gbdt.ts";
export type { GbdtOptions, GbdtProgress } from "./gbdt-options.ts";
export { type FittedLinear, type LinearOptions, fitLinear } from "./linear.ts";
export { type PackFittedOptions, packFitted } from "./pack-fitted.ts";
