import { type LoadedModel, type ModelManifest, type Tensor, type Tensors, modelCorrupt } from "@millwright/contracts";
import { calibrate } from "./calibrate.ts";
import { calibrationInvalid } from "./errors.ts";
import { readModelFile } from "./verified-files.ts";

/**
 * What becomes of a model's probabilities p, in place of what the model says. `platt` (Platt, 1999): 1 / (1 + e^−(slope · logit(p) + intercept)).
 * `isotonic` (Zadrozny and Elkan, 2002): on the straight lines between the points, whose scores rise and whose probabilities do not fall; beyond them as at
 * the outermost. `temperature` (Guo and others, 2017): the softmax, or for one output the logistic function, of the logarithm of the odds over the temperature.
 */
export type CalibrationMap =
  | { readonly kind: "platt"; readonly slope: number; readonly intercept: number }
  | { readonly kind: "isotonic"; readonly scores: readonly number[]; readonly probabilities: readonly number[] }
  | { readonly kind: "temperature"; readonly temperature: number };

/** A calibration as a package keeps it, JSON-safe. */
export interface Calibration {
  readonly formatVersion: 1;
  /** The name of the output, of shape [rows, 1], or for `temperature` [rows, classes]. */
  readonly output: string;
  readonly map: CalibrationMap;
}

export const calibrationFile = "calibration.json";

/** The file that makes `loadModel` answer calibrated probabilities: put it beside the model's own files. Throws `MODEL_CALIBRATION_INVALID`. */
export function writeCalibration(calibration: Calibration): { readonly files: Readonly<Record<string, string>> } {
  const problem = calibrationProblem(calibration);
  if (problem !== undefined) throw calibrationInvalid(problem);
  const { formatVersion, output, map } = calibration;
  return { files: { [calibrationFile]: JSON.stringify({ formatVersion, output, map }) } };
}

function calibrationProblem(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "it is no object";
  const { formatVersion, output, map } = value as Readonly<Record<string, unknown>>;
  if (formatVersion !== 1) return `its formatVersion is ${String(formatVersion)}, and this release reads 1`;
  if (typeof output !== "string" || output === "") return "it names no output";
  if (typeof map !== "object" || map === null) return "it has no map";
  return mapProblem(map as Readonly<Record<string, unknown>>);
}

function mapProblem({ kind, ...map }: Readonly<Record<string, unknown>>): string | undefined {
  if (kind === "platt")
    return Number.isFinite(map["slope"]) && Number.isFinite(map["intercept"])
      ? undefined
      : "it has no finite slope and intercept";
  if (kind === "temperature")
    return Number.isFinite(map["temperature"]) && Number(map["temperature"]) > 0
      ? undefined
      : "its temperature is no number above 0";
  if (kind !== "isotonic") return "its kind is not platt, isotonic or temperature";
  const { scores, probabilities } = map;
  const rises = (list: unknown, strictly: boolean): list is readonly number[] =>
    Array.isArray(list) &&
    list.length > 0 &&
    list.every(
      (each, at) => Number.isFinite(each) && (at === 0 || (strictly ? each > list[at - 1] : each >= list[at - 1])),
    );
  return rises(scores, true) && rises(probabilities, false) && scores.length === probabilities.length
    ? undefined
    : "its points do not rise";
}

/**
 * Calibrated probabilities, `outputs` numbers a row, in place of the given ones. Throws `MODEL_CALIBRATION_INVALID`, also where a map of one output is given
 * several.
 */
export function applyCalibration<Numbers extends Float32Array | Float64Array>(
  map: CalibrationMap,
  probabilities: Numbers,
  outputs: number = 1,
): Numbers {
  const problem = mapProblem(map as unknown as Readonly<Record<string, unknown>>);
  if (problem !== undefined) throw calibrationInvalid(problem);
  if (outputs !== 1 && map.kind !== "temperature")
    throw calibrationInvalid(`${map.kind} takes one output, and there are ${outputs}`);
  calibrate(map, probabilities, outputs);
  return probabilities;
}

/** The model with its package's calibration, where it has one. Throws `PORT_MODEL_CORRUPT`. */
export async function withCalibration(
  loaded: LoadedModel,
  directory: string,
  manifest: ModelManifest,
  signal: AbortSignal | undefined,
): Promise<LoadedModel> {
  const { files, signature } = manifest;
  if (!files.some(({ path }) => path === calibrationFile)) return loaded;
  const { output, map } = await readCalibration(directory, manifest, signal);
  const spec = signature.outputs.find(({ name }) => name === output);
  const width = spec?.shape.at(-1) ?? 0;
  const isFloating = spec?.dtype === "float32" || spec?.dtype === "float64";
  if (!isFloating || spec.shape.length !== 2 || !(width === 1 || (width > 1 && map.kind === "temperature")))
    throw modelCorrupt(directory, `${calibrationFile} does not fit the output "${output}" of its signature`);
  const calibrated = (outputs: Tensors): Tensors => {
    const tensor = outputs[output] as Extract<Tensor, { readonly dtype: "float32" | "float64" }>;
    const data = applyCalibration(map, tensor.data.slice(), width);
    return { ...outputs, [output]: { ...tensor, data } as Tensor };
  };
  return {
    ...loaded,
    predict(inputs, options) {
      const answer = loaded.predict(inputs, options);
      return answer instanceof Promise ? answer.then(calibrated) : calibrated(answer as Tensors);
    },
  };
}

/** The calibration of a package that has one. Throws `PORT_MODEL_CORRUPT`. */
export async function readCalibration(
  directory: string,
  manifest: ModelManifest,
  signal: AbortSignal | undefined,
): Promise<Calibration> {
  let calibration: unknown;
  try {
    const bytes = await readModelFile(directory, manifest, calibrationFile, { signal });
    calibration = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    signal?.throwIfAborted();
    throw modelCorrupt(directory, `${calibrationFile} cannot be read`, error);
  }
  const problem = calibrationProblem(calibration);
  if (problem !== undefined) throw modelCorrupt(directory, `${calibrationFile} cannot be used: ${problem}`);
  return calibration as Calibration;
}
