import type { ColumnType, TensorSpec } from "@millwright/contracts";
import type { EdgeSpec } from "../portable/edge-module.ts";

const columnTypes: Readonly<Partial<Record<ColumnType, string>>> = {
  bool: "boolean | null",
  utf8: "string | null",
  date: "Date | number | bigint | null",
  timestamp: "Date | number | bigint | null",
};

const inputType = ({ dtype, shape }: TensorSpec): string =>
  dtype === "string"
    ? "string | null"
    : shape.length > 1 && shape[1] !== 1
      ? "ArrayLike<number | bigint | null>"
      : "number | bigint | null";

/** The declarations of a module: its fields and answers, by the model's signature. */
export function edgeTypings({ name, format, digest, signature, columns }: EdgeSpec): string {
  const fields =
    columns?.map(
      ({ name: field, type }) => [field, columnTypes[type] ?? "number | bigint | boolean | null"] as const,
    ) ?? signature.inputs.map((spec) => [spec.name, inputType(spec)] as const);
  const answers = signature.outputs.map(({ name: field, shape }) => [
    field,
    shape.at(-1) === 1 ? "number" : "readonly number[]",
  ]);
  const members = (all: readonly (readonly string[])[]): string =>
    all.map(([field, type]) => `  readonly ${JSON.stringify(field)}: ${type};\n`).join("");
  return `/* ${JSON.stringify(name).replaceAll("*/", "* /")}, ${format}, ${digest}: written by @millwright/model. */

/** What a row holds; null where a value is missing. */
export interface Row {
${members(fields)}}

/** What a row is answered with. */
export interface Answer {
${members(answers)}}

${common}`;
}

const common = `export interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number> | ArrayLike<bigint> | readonly string[];
}
export type Tensors = Readonly<Record<string, Tensor>>;

export interface SelfTest {
  readonly passed: boolean;
  readonly requests: number;
  /** The largest difference from a golden answer. */
  readonly largestDifference: number;
  /** The first answer beyond its tolerance. */
  readonly problem?: string;
}

export interface Model {
  /** Answers one row. Throws an EdgeError that names the field. */
  predict(row: Row): Answer;
  /** Answers rows in their order. */
  predictMany(rows: readonly Row[]): Answer[];
  /** Answers the tensors of the model's signature. */
  predictTensors(inputs: Tensors): Tensors;
  /** Asks the golden requests that the model was packed with. */
  selfTest(): SelfTest;
}

export interface LoadOptions {
  /** The weights of a module that has them beside it, or where they are. Default: fetched from beside the module. */
  readonly weights?: Uint8Array | ArrayBuffer | string;
  /** Ed25519 public keys, as PEM or JWK, one of which must have signed the model. Default: signatures are not looked at. */
  readonly keys?: readonly (string | { readonly kty: string; readonly crv: string; readonly x: string })[];
  /** Whether the golden requests are asked first. Default: true. */
  readonly selfTest?: boolean;
  readonly signal?: AbortSignal;
}

/** Checks digest, signature and golden answers. */
export declare function load(options?: LoadOptions): Promise<Model>;
export declare const predict: Model["predict"];
export declare const predictMany: Model["predictMany"];
export declare const predictTensors: Model["predictTensors"];
export declare const selfTest: Model["selfTest"];

export declare const manifest: {
  readonly name: string;
  readonly format: string;
  /** Of the package that this was exported from. */
  readonly digest: string;
  readonly signature: {
    readonly inputs: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
    readonly outputs: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
  };
  readonly columns?: readonly { readonly name: string; readonly type: string }[];
  readonly classes?: readonly string[];
  readonly golden: readonly object[];
};

export declare class EdgeError extends Error {
  readonly code: "MODEL_GOLDEN_MISMATCH" | "MODEL_INPUT_MISMATCH" | "MODEL_SIGNATURE_INVALID" | "PORT_MODEL_CORRUPT";
  readonly remedy: string;
  readonly field: string | undefined;
  readonly row: number | undefined;
}
`;
