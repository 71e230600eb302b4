import { calibrate } from "../calibrate.ts";
import { type DenseParts, openEdgeDense } from "../portable/edge-dense.ts";
import type { EdgeKernel } from "../portable/edge-kernels.ts";
import { type LinearParts, openEdgeLinear } from "../portable/edge-linear.ts";
import { type EdgeModel, createEdgeModel } from "../portable/edge-model.ts";
import { type TreeParts, openEdgeTrees } from "../portable/edge-trees.ts";
import { readNumbers } from "../portable/numbers.ts";
import { createRowTransforms } from "../portable/row-transforms.ts";
import type { EdgeModelContents } from "./edge-contents.ts";

/** What the module will do, here. */
export function openEdgeContents({ spec, weights, transforms, calibration }: EdgeModelContents): EdgeModel {
  return createEdgeModel({
    manifest: spec,
    kernel: kernelOf(spec, weights),
    transforms: transforms === undefined ? undefined : createRowTransforms(transforms.steps),
    finish: calibration === undefined ? undefined : (data, width) => calibrate(calibration, data, width),
  });
}

function kernelOf(spec: EdgeModelContents["spec"], weights: Uint8Array): EdgeKernel {
  const numbers = readNumbers(spec.numbers, weights);
  const { model } = spec.parts as { readonly model: unknown };
  if (spec.format === "dense") return openEdgeDense(model as DenseParts, numbers, spec.signature);
  if (spec.format === "trees") return openEdgeTrees(model as TreeParts, numbers, spec.signature);
  return openEdgeLinear(model as LinearParts, numbers, spec.signature);
}
