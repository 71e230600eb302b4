import {
  type LoadedModel,
  type ModelManifest,
  type ModelRuntime,
  type ModelSignature,
  modelCorrupt,
} from "@millwright/contracts";
import { numberInput, signatureText } from "./column-tensors.ts";
import { linearInvalid } from "./errors.ts";
import { predictLinear } from "./linear-sums.ts";
import { readModelFile } from "./verified-files.ts";

/** Weighted sums of columns, JSON-safe. */
export interface LinearModel {
  /** 2 for the link `exponential`, which releases that read 1 do not know. */
  readonly formatVersion: 1 | 2;
  /** Names of columns of numbers. */
  readonly features: readonly string[];
  /** By output, and then by feature. */
  readonly coefficients: readonly (readonly number[])[];
  /** By output. */
  readonly intercepts: readonly number[];
  /** What becomes of the sums s: themselves, 1 / (1 + e^-s), e^s, or the softmax of all of them. */
  readonly link: "exponential" | "identity" | "logistic" | "softmax";
  /** For `softmax`: what each output is the probability of. */
  readonly classes?: readonly string[] | undefined;
}

export interface LinearModelOptions {
  /** The name of the output, float64 of shape [rows, outputs]. Default: `"prediction"`. */
  readonly output?: string | undefined;
}

export interface LinearModelFiles {
  /** `linear.json`: what `packModel` takes. */
  readonly files: Readonly<Record<string, string>>;
  readonly signature: ModelSignature;
}

/** A package of the format `linear`: its file and signature, with a float64 input of shape [rows] for each feature. Throws `MODEL_LINEAR_INVALID`. */
export function writeLinearModel(
  model: LinearModel,
  { output = "prediction" }: LinearModelOptions = {},
): LinearModelFiles {
  assertLinearModel(model);
  const { formatVersion, features, coefficients, intercepts, link, classes } = model;
  const text = JSON.stringify({ formatVersion, features, coefficients, intercepts, link, classes });
  return { files: { "linear.json": text }, signature: linearSignature(model, output) };
}

const linearSignature = ({ features, intercepts }: LinearModel, output: string): ModelSignature => ({
  inputs: features.map((name) => ({ name, dtype: "float64", shape: [-1] })),
  outputs: [{ name: output, dtype: "float64", shape: [-1, intercepts.length] }],
});

/** Throws `MODEL_LINEAR_INVALID` for what is no model. */
export function assertLinearModel(model: LinearModel): void {
  const problem = linearProblem(model);
  if (problem !== undefined) throw linearInvalid(problem);
}

function linearProblem(model: unknown): string | undefined {
  if (typeof model !== "object" || model === null) return "it is no object";
  const { formatVersion, features, coefficients, intercepts, link, classes } = model as Record<string, unknown>;
  if (formatVersion !== 1 && formatVersion !== 2)
    return `its formatVersion is ${JSON.stringify(formatVersion)}, and this release reads 1 and 2`;
  const named = (texts: unknown): texts is readonly string[] =>
    Array.isArray(texts) &&
    texts.every((text) => typeof text === "string" && text !== "") &&
    new Set(texts).size === texts.length;
  if (!named(features) || features.length === 0) return "it has no features with a name each";
  const numbers = (list: unknown, length: number): boolean =>
    Array.isArray(list) && list.length === length && list.every(Number.isFinite);
  if (!Array.isArray(intercepts) || intercepts.length === 0 || !numbers(intercepts, intercepts.length))
    return "it has no finite intercepts";
  const fits =
    Array.isArray(coefficients) &&
    coefficients.length === intercepts.length &&
    coefficients.every((row) => numbers(row, features.length));
  if (!fits) return "it does not have a finite coefficient for each output and feature";
  const links = formatVersion === 1 ? ["identity", "logistic", "softmax"] : ["exponential"];
  if (!links.includes(link as string)) return `its link is not ${links.join(" or ")}, those of its formatVersion`;
  if (link === "softmax" ? named(classes) && classes.length === intercepts.length : classes === undefined)
    return undefined;
  return "its classes do not fit its outputs";
}

/** Answers of a linear model. */
export interface CompiledLinear {
  /** Row by row, one number an output, into `answers`. A missing number makes a missing answer. */
  predict(columns: readonly Float64Array[], answers: Float64Array): void;
}

/** Makes a linear model ready to answer. Throws `MODEL_LINEAR_INVALID`. */
export function compileLinear(model: LinearModel): CompiledLinear {
  assertLinearModel(model);
  return { predict: (columns, answers) => predictLinear(model, columns, answers) };
}

/**
 * Serves packages of the format `linear` in TypeScript, and answers at once, without a promise. Numbers may come in any numeric type.
 * Throws `PORT_MODEL_CORRUPT` at load, `MODEL_INPUT_MISMATCH` at predict.
 */
export function linearRuntime(): ModelRuntime {
  return {
    formats: ["linear"],
    async load(directory, manifest, { signal } = {}) {
      signal?.throwIfAborted();
      return loadedLinear(directory, manifest, await readLinear(directory, manifest, signal));
    },
  };
}

/** The model of `linear.json`. Throws `PORT_MODEL_CORRUPT`. */
export async function readLinear(
  directory: string,
  manifest: ModelManifest,
  signal: AbortSignal | undefined,
): Promise<LinearModel> {
  let model: LinearModel;
  try {
    const bytes = await readModelFile(directory, manifest, "linear.json", { signal });
    model = JSON.parse(bytes.toString("utf8")) as LinearModel;
  } catch (error) {
    signal?.throwIfAborted();
    throw modelCorrupt(directory, "linear.json cannot be read", error);
  }
  const problem = linearProblem(model);
  if (problem !== undefined) throw modelCorrupt(directory, `linear.json cannot be used: ${problem}`);
  return model;
}

function loadedLinear(directory: string, { signature }: ModelManifest, model: LinearModel): LoadedModel {
  const output = signature.outputs[0]?.name ?? "prediction";
  const wanted = linearSignature(model, output);
  if (signatureText(wanted) !== signatureText(signature))
    throw modelCorrupt(directory, `its signature is not ${JSON.stringify(wanted)}, which its columns take and give`);
  const compiled = compileLinear(model);
  const { features, intercepts } = model;
  return {
    memoryBytes: 0,
    predict(inputs, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = inputs[features[0] as string]?.data.length ?? 0;
      const columns = features.map((name) => numberInput(inputs, name, rows));
      const data = new Float64Array(rows * intercepts.length);
      compiled.predict(columns, data);
      return { [output]: { dtype: "float64", shape: [rows, intercepts.length], data } };
    },
    dispose: () => Promise.resolve(),
  };
}
