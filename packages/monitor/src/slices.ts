export { type SliceAlertOptions, sliceAlert } from "./alerts/slice-rule.ts";
export { type FindSlicesOptions, type Slice, type SliceReport, findSlices } from "./slices/find-slices.ts";
export { type SliceCondition } from "./slices/slice-condition.ts";
