import type { ColumnType } from "./column.ts";
import type { DataSchema } from "./data-schema.ts";
import { schemaInvalid } from "./errors.ts";
import type { AnyDeclaration } from "./field-declaration.ts";
import { float32Limit, integerRanges } from "./field-value.ts";
import type { JsonObject } from "./json.ts";
import type { TensorType } from "./tensor.ts";

/**
 * JSON Schema (draft 2020-12) of a row as JSON carries it: 64-bit integers beyond ±(2^53 − 1) as text, NaN and infinities as text, bytes as base64,
 * times and dates as text.
 */
export function rowJsonSchema(schema: DataSchema): JsonObject {
  const entries = Object.entries(schema.declarations);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: Object.fromEntries(entries.map(([name, declaration]) => [name, fieldJsonSchema(declaration)])),
    required: entries.filter(([, { nullable }]) => !nullable).map(([name]) => name),
    additionalProperties: false,
  };
}

function fieldJsonSchema(declaration: AnyDeclaration): JsonObject {
  const { type, items, nullable, description, unit } = declaration;
  const value =
    type === "list" ? { type: "array", items: itemJsonSchema(items ?? "utf8", {}) } : itemJsonSchema(type, declaration);
  const about = [description, unit === undefined ? undefined : `Unit: ${unit}.`].filter((text) => text !== undefined);
  return {
    ...(nullable ? { anyOf: [value, { type: "null" }] } : value),
    ...(about.length === 0 ? {} : { description: about.join(" ") }),
  };
}

const timePattern = "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?Z$";
const datePattern = "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$";
const base64Pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";

function itemJsonSchema(type: ColumnType, limits: Partial<AnyDeclaration>): JsonObject {
  switch (type) {
    case "bool":
      return { type: "boolean" };
    case "utf8":
      return { type: "string" };
    case "dictionary":
      return limits.values === undefined ? { type: "string" } : { type: "string", enum: limits.values };
    case "binary":
      return { type: "string", contentEncoding: "base64", pattern: base64Pattern };
    case "timestamp":
      return { type: "string", pattern: timePattern };
    case "int64":
    case "uint64":
      return longJsonSchema(type);
    case "float32":
    case "float64":
      return floatJsonSchema(type, limits);
    case "date":
      return { anyOf: [integerJsonSchema(type, limits), { type: "string", pattern: datePattern }] };
    default:
      return integerJsonSchema(type, limits);
  }
}

function integerJsonSchema(type: ColumnType, { minimum, maximum }: Partial<AnyDeclaration>): JsonObject {
  const [least, greatest] = integerRanges[type] ?? [0, 0];
  return {
    type: "integer",
    minimum: Math.max(least, minimum ?? least),
    maximum: Math.min(greatest, maximum ?? greatest),
  };
}

function longJsonSchema(type: "int64" | "uint64"): JsonObject {
  const minimum = type === "int64" ? Number.MIN_SAFE_INTEGER : 0;
  const pattern = type === "int64" ? "^-?(0|[1-9]\\d{0,18})$" : "^(0|[1-9]\\d{0,19})$";
  return {
    anyOf: [
      { type: "integer", minimum, maximum: Number.MAX_SAFE_INTEGER },
      { type: "string", pattern },
    ],
  };
}

function floatJsonSchema(type: "float32" | "float64", { minimum, maximum }: Partial<AnyDeclaration>): JsonObject {
  const number = {
    type: "number",
    ...(type === "float32" ? { exclusiveMinimum: -float32Limit, exclusiveMaximum: float32Limit } : {}),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
  };
  const words = [
    "NaN",
    ...(maximum === undefined || maximum === Infinity ? ["Infinity"] : []),
    ...(minimum === undefined || minimum === -Infinity ? ["-Infinity"] : []),
    ...((minimum ?? 0) <= 0 && (maximum ?? 0) >= 0 ? ["-0"] : []),
  ];
  return { anyOf: [number, { type: "string", enum: words }] };
}

/** One feature as SageMaker Feature Store defines it. */
export interface SageMakerFeature {
  readonly FeatureName: string;
  readonly FeatureType: "Integral" | "Fractional" | "String";
  readonly CollectionType?: "List" | undefined;
}

const sageMakerTypes: Readonly<Record<Exclude<ColumnType, "list">, SageMakerFeature["FeatureType"]>> = {
  int8: "Integral",
  int16: "Integral",
  int32: "Integral",
  int64: "Integral",
  uint8: "Integral",
  uint16: "Integral",
  uint32: "Integral",
  // Integral is a signed 64-bit integer.
  uint64: "String",
  float32: "Fractional",
  float64: "Fractional",
  bool: "Integral",
  date: "String",
  timestamp: "String",
  utf8: "String",
  dictionary: "String",
  binary: "String",
};

/**
 * The fields as SageMaker `FeatureDefinitions`. Throws `CONTRACTS_SCHEMA_INVALID` for names SageMaker refuses.
 * @see https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_FeatureDefinition.html
 */
export function sageMakerFeatures(schema: DataSchema): readonly SageMakerFeature[] {
  return Object.entries(schema.declarations).map(([name, { type, items }]) => {
    if (!/^[a-zA-Z0-9]([_-]*[a-zA-Z0-9]){0,63}$/.test(name)) {
      throw schemaInvalid(name, "SageMaker takes letters, digits, _ and - within, 64 at most");
    }
    if (["is_deleted", "write_time", "api_invocation_time"].includes(name)) {
      throw schemaInvalid(name, "SageMaker keeps this name for itself");
    }
    if (type !== "list") return { FeatureName: name, FeatureType: sageMakerTypes[type] };
    return { FeatureName: name, FeatureType: sageMakerTypes[items ?? "utf8"], CollectionType: "List" };
  });
}

/** Data types of the Open Inference Protocol. */
export type OpenInferenceDatatype =
  | "BOOL"
  | "INT8"
  | "INT16"
  | "INT32"
  | "INT64"
  | "UINT8"
  | "UINT16"
  | "UINT32"
  | "UINT64"
  | "FP32"
  | "FP64"
  | "BYTES";

/** The protocol's name of each tensor type. */
export const openInferenceDatatypes: Readonly<Record<TensorType, OpenInferenceDatatype>> = {
  bool: "BOOL",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  float32: "FP32",
  float64: "FP64",
  string: "BYTES",
};

/** The tensor type that carries each column type. */
const tensorTypes: Readonly<Record<string, TensorType>> = {
  date: "int32",
  timestamp: "int64",
  utf8: "string",
  dictionary: "string",
  binary: "string",
};

/** One input as the protocol's model metadata tells it. */
export interface OpenInferenceTensor {
  readonly name: string;
  readonly datatype: OpenInferenceDatatype;
  /** −1: any size. */
  readonly shape: readonly number[];
}

/**
 * The fields as inputs in Open Inference Protocol model metadata, one tensor a field with a row a first index; lists have a second.
 * @see https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
 */
export function openInferenceTensors(schema: DataSchema): readonly OpenInferenceTensor[] {
  return Object.entries(schema.declarations).map(([name, { type, items }]) => {
    const scalar = type === "list" ? (items ?? "utf8") : type;
    const datatype = openInferenceDatatypes[tensorTypes[scalar] ?? (scalar as TensorType)];
    return { name, datatype, shape: type === "list" ? [-1, -1] : [-1] };
  });
}
