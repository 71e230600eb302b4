import type { NamedTensor } from "./binary-tensors.ts";
import { measures } from "./flowers.ts";
import type { TensorMetadata } from "./open-inference-client.ts";

type Flower = Readonly<Record<string, number>>;

export interface Question {
  readonly tensors: readonly NamedTensor[];
  /** The same for the first protocol. */
  readonly instances: readonly unknown[];
}

/** The flowers as a model's inputs: a measure in each, or all four in one. Throws for a model that takes something else. */
export function askAbout(inputs: readonly TensorMetadata[], flowers: readonly Flower[]): Question {
  const valuesOf = (flower: Flower): readonly number[] => measures.map((name) => flower[name] ?? Number.NaN);
  const [only] = inputs;
  if (
    inputs.length === 1 &&
    only !== undefined &&
    only.shape.length === 2 &&
    [-1, measures.length].includes(only.shape[1] ?? 0)
  ) {
    const { name, datatype } = only;
    const rows = flowers.map(valuesOf);
    return {
      tensors: [{ name, datatype, shape: [rows.length, measures.length], data: rows.flat() }],
      instances: rows,
    };
  }
  const columns = measures.map((measure) => inputs.find(({ name }) => name === measure));
  if (inputs.length !== measures.length || columns.includes(undefined))
    throw new RangeError(
      `The model takes ${inputs.map(({ name }) => name).join(", ")}, not the four measures of a flower.`,
    );
  return {
    tensors: columns.flatMap((column, at) => {
      if (column === undefined) return [];
      const { name, datatype, shape } = column;
      const data = flowers.map((flower) => valuesOf(flower)[at] ?? Number.NaN);
      return [{ name, datatype, shape: [flowers.length, ...shape.slice(1).map(() => 1)], data }];
    }),
    instances: flowers.map((flower) => Object.fromEntries(measures.map((name) => [name, flower[name]]))),
  };
}
