import {
  type CallOptions,
  type GoldenRequest,
  type LoadedModel,
  type ModelManifest,
  type Tensor,
  type Tensors,
  decodeTensor,
  encodeTensor,
} from "@millwright/contracts";
import { goldenMismatch } from "./errors.ts";

/** Where an answer differs from the one the model was packed with. */
export interface GoldenDifference {
  /** Position in `manifest.golden`. */
  readonly request: number;
  readonly output: string;
  /** Position in the output's flat data; absent where type, shape or the output itself differ. */
  readonly index?: number | undefined;
  readonly expected: string;
  readonly actual: string;
  readonly tolerance: number;
}

export type GoldenReport =
  | { readonly passed: true; readonly requests: number }
  | { readonly passed: false; readonly requests: number; readonly difference: GoldenDifference };

/** Asks the model its golden requests, and reports the first answer that differs from the expected one by more than its tolerance. */
export async function runGolden(
  loaded: Pick<LoadedModel, "predict">,
  manifest: Pick<ModelManifest, "golden">,
  options: CallOptions = {},
): Promise<GoldenReport> {
  const requests = manifest.golden.length;
  for (const [request, golden] of manifest.golden.entries()) {
    const inputs = mapValues(golden.inputs, decodeTensor);
    const outputs = await loaded.predict(inputs, options);
    for (const [output, expected] of Object.entries(golden.outputs)) {
      const tolerance = golden.outputTolerances?.[output] ?? golden.tolerance;
      const difference = firstDifference(decodeTensor(expected), outputs[output], tolerance);
      if (difference !== undefined)
        return { passed: false, requests, difference: { request, output, tolerance, ...difference } };
    }
  }
  return { passed: true, requests };
}

/** As `runGolden`, and throws `MODEL_GOLDEN_MISMATCH` with the difference. */
export async function checkGolden(
  loaded: Pick<LoadedModel, "predict">,
  manifest: Pick<ModelManifest, "golden" | "name">,
  options: CallOptions = {},
): Promise<void> {
  const report = await runGolden(loaded, manifest, options);
  if (report.passed) return;
  const { request, output, index, expected, actual, tolerance } = report.difference;
  const where = `request ${request}, output "${output}"${index === undefined ? "" : `, position ${index}`}`;
  throw goldenMismatch(manifest.name, `${where} should be ${expected} and is ${actual} (tolerance ${tolerance})`);
}

/**
 * A golden request from tensors, as the manifest keeps it. `tolerance` is the largest absolute difference allowed, of all outputs or, as a record, of each by
 * its name; outputs that a record does not name must be exact.
 */
export const goldenRequest = (
  inputs: Tensors,
  outputs: Tensors,
  tolerance: number | Readonly<Record<string, number>>,
): GoldenRequest => ({
  inputs: mapValues(inputs, encodeTensor),
  outputs: mapValues(outputs, encodeTensor),
  ...(typeof tolerance === "number" ? { tolerance } : { tolerance: 0, outputTolerances: { ...tolerance } }),
});

function firstDifference(
  expected: Tensor,
  actual: Tensor | undefined,
  tolerance: number,
): Pick<GoldenDifference, "index" | "expected" | "actual"> | undefined {
  const shape = (tensor: Tensor): string => `${tensor.dtype} [${tensor.shape.join(", ")}]`;
  if (actual === undefined) return { expected: shape(expected), actual: "absent" };
  if (shape(expected) !== shape(actual)) return { expected: shape(expected), actual: shape(actual) };
  const floating = expected.dtype === "float32" || expected.dtype === "float64";
  for (let index = 0; index < expected.data.length; index += 1) {
    const wanted = expected.data[index];
    const got = actual.data[index];
    const same = Object.is(wanted, got) || (floating && Math.abs(Number(wanted) - Number(got)) <= tolerance);
    if (!same) return { index, expected: String(wanted), actual: String(got) };
  }
  return undefined;
}

const mapValues = <From, To>(record: Readonly<Record<string, From>>, map: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
