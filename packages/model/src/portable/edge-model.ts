import type { Digest, GoldenRequest, ModelSignature, Schema, Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { EdgeError, fieldInvalid, shownValue } from "./edge-error.ts";
import { type EdgeRow, tensorOfJson, tensorsOfRows } from "./edge-inputs.ts";
import type { EdgeKernel } from "./edge-kernels.ts";
import type { RowTransforms } from "./row-transforms.ts";

/** What a module says of its model. */
export interface EdgeManifest {
  readonly name: string;
  readonly format: string;
  /** Of the package that it was exported from. */
  readonly digest: Digest;
  readonly signature: ModelSignature;
  /** The columns that rows hold, where the model has transforms. */
  readonly columns?: Schema | undefined;
  /** What the numbers of an output are the probabilities of. */
  readonly classes?: readonly string[] | undefined;
  readonly golden: readonly GoldenRequest[];
}

/** A number of each output, or a list of them where the output has several. */
export type EdgeAnswer = Readonly<Record<string, number | readonly number[]>>;

export interface EdgeSelfTest {
  readonly passed: boolean;
  readonly requests: number;
  /** The largest difference from a golden answer. */
  readonly largestDifference: number;
  /** The first answer beyond its tolerance. */
  readonly problem?: string | undefined;
}

/** A model that was exported. */
export interface EdgeModel {
  predict(row: EdgeRow): EdgeAnswer;
  predictMany(rows: readonly EdgeRow[]): EdgeAnswer[];
  predictTensors(inputs: Tensors): Tensors;
  selfTest(): EdgeSelfTest;
}

export interface EdgeParts {
  readonly manifest: Omit<EdgeManifest, "columns" | "digest" | "format" | "name">;
  readonly kernel: EdgeKernel;
  readonly transforms?: RowTransforms | undefined;
  /** Changes the answers in place: a calibration. */
  readonly finish?: ((data: Float32Array | Float64Array, width: number) => void) | undefined;
}

export function createEdgeModel({ manifest, kernel, transforms, finish }: EdgeParts): EdgeModel {
  const { signature, golden } = manifest;
  const output = signature.outputs[0] as TensorSpec;
  const predictTensors = (inputs: Tensors): Tensors => {
    const { data, rows, width } = kernel.answer(inputs);
    finish?.(data, width);
    return { [output.name]: { dtype: output.dtype, shape: [rows, width], data } as Tensor };
  };
  const answersOf = (rows: readonly EdgeRow[], single: boolean): EdgeAnswer[] => {
    for (const [at, row] of rows.entries())
      if (typeof row !== "object" || row === null)
        throw fieldInvalid(
          "(row)",
          `it is ${shownValue(row)}`,
          "an object with a value by field",
          single ? undefined : at,
        );
    const inputs =
      transforms === undefined
        ? tensorsOfRows(rows, signature.inputs, single)
        : transformedRows(rows, transforms, (signature.inputs[0] as TensorSpec).name, single);
    const { data, shape } = predictTensors(inputs)[output.name] as Tensor;
    const width = shape[1] as number;
    return rows.map((_, row) => {
      const numbers = Array.from(data.slice(row * width, (row + 1) * width) as Float64Array);
      return { [output.name]: width === 1 ? (numbers[0] as number) : numbers };
    });
  };
  return {
    predict: (row) => answersOf([row], true)[0] as EdgeAnswer,
    predictMany(rows) {
      if (!Array.isArray(rows)) throw fieldInvalid("(rows)", `it is ${shownValue(rows)}`, "a list of rows");
      return answersOf(rows, false);
    },
    predictTensors,
    selfTest: () => runSelfTest(golden, predictTensors),
  };
}

function transformedRows(rows: readonly EdgeRow[], transforms: RowTransforms, input: string, single: boolean): Tensors {
  const { width } = transforms;
  const data = new Float32Array(rows.length * width);
  for (const [at, row] of rows.entries()) transforms.write(row, data, at * width, single ? undefined : at);
  return { [input]: { dtype: "float32", shape: [rows.length, width], data } };
}

function runSelfTest(golden: readonly GoldenRequest[], answer: (inputs: Tensors) => Tensors): EdgeSelfTest {
  const requests = golden.length;
  let largestDifference = 0;
  let problem: string | undefined;
  for (const [request, { inputs, outputs, tolerance, outputTolerances }] of golden.entries()) {
    const answers = answer(
      Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tensorOfJson(tensor)])),
    );
    for (const [name, json] of Object.entries(outputs)) {
      const wanted = tensorOfJson(json);
      const data = answers[name]?.data ?? [];
      const most = outputTolerances?.[name] ?? tolerance;
      for (let at = 0; at < wanted.data.length; at += 1) {
        const [expected, actual] = [wanted.data[at], data[at]];
        const difference = Object.is(expected, actual) ? 0 : Math.abs(Number(expected) - Number(actual));
        if (difference > largestDifference) largestDifference = difference;
        if (!(difference <= most) || actual === undefined)
          problem ??= `request ${request}, output "${name}", position ${at} should be ${String(expected)} and is ${String(actual)}`;
      }
    }
  }
  return { passed: problem === undefined, requests, largestDifference, ...(problem === undefined ? {} : { problem }) };
}

/** Throws `MODEL_GOLDEN_MISMATCH` for a self-test that was not passed. */
export function assertPassed({ problem }: EdgeSelfTest): void {
  if (problem !== undefined)
    throw new EdgeError(
      "MODEL_GOLDEN_MISMATCH",
      `The model does not give its golden answers: ${problem}.`,
      "Do not use it here; tell who exported it.",
    );
}
