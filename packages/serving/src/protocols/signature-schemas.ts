import type { Field, JsonObject, JsonValue, TensorSpec, TensorType } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";
import { contentTypes } from "../content/accept.ts";
import { datatypes } from "../http/datatypes.ts";

const integers: { readonly [Type in TensorType]?: readonly [number, number] } = {
  int8: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

const elementSchema = (dtype: TensorType): JsonObject => {
  const range = integers[dtype];
  if (range !== undefined) return { type: "integer", minimum: range[0], maximum: range[1] };
  if (dtype === "bool") return { type: "boolean" };
  return dtype === "string" ? { type: "string" } : { type: ["number", "null"] };
};

/** Nested lists of some sizes; −1 is any. */
function nestedSchema(dtype: TensorType, sizes: readonly number[]): JsonObject {
  return sizes.reduceRight<JsonObject>(
    (items, size) => ({
      type: "array",
      items,
      ...(size === -1 ? { minItems: 1 } : { minItems: size, maxItems: size }),
    }),
    elementSchema(dtype),
  );
}

const columnSchema = ({ type }: Field): JsonObject => {
  if (type === "bool") return { type: ["boolean", "null"] };
  if (type === "utf8" || type === "dictionary") return { type: ["string", "null"] };
  return type === "date" || type === "timestamp"
    ? { type: ["string", "number", "null"] }
    : { type: ["number", "null"] };
};

interface Described {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly columns: readonly Field[] | undefined;
}

const described = (endpoint: Endpoint | undefined): Described | undefined => {
  const served = endpoint?.routes[0]?.slot.served;
  if (served === undefined || endpoint?.catalog !== undefined) return undefined;
  const { inputs, outputs } = served.resolved.manifest.signature;
  return { inputs, outputs, columns: served.model.columns };
};

const list = (items: JsonObject): JsonObject => ({ type: "array", items, minItems: 1 });

/** A row by the names of what the model reads. */
function namedRowSchema({ inputs, columns }: Described): JsonObject {
  if (columns !== undefined)
    return {
      type: "object",
      properties: Object.fromEntries(columns.map((field) => [field.name, columnSchema(field)])),
    };
  const values = inputs.map(({ name, dtype, shape }) => [name, nestedSchema(dtype, shape.slice(1))]);
  return {
    type: "object",
    properties: Object.fromEntries(values) as JsonObject,
    required: inputs.map(({ name }) => name),
    additionalProperties: false,
  };
}

function rowSchema(about: Described): JsonObject {
  const { inputs, columns } = about;
  const named = namedRowSchema(about);
  if (columns !== undefined) return named;
  const [only] = inputs;
  return inputs.length === 1 && only !== undefined
    ? { anyOf: [nestedSchema(only.dtype, only.shape.slice(1)), named] }
    : named;
}

/** What `/invocations` and `/predict` take as JSON. */
function askedSchema(endpoint: Endpoint | undefined): JsonObject {
  const about = described(endpoint);
  const entities: JsonObject = {
    type: "object",
    properties: { entities: list({ type: "object" }), request: list({ type: "object" }) },
    required: ["entities"],
  };
  if (about === undefined) return { type: "object" };
  const inputs = Object.fromEntries(about.inputs.map(({ name, dtype, shape }) => [name, nestedSchema(dtype, shape)]));
  return {
    anyOf: [
      { type: "object", properties: { instances: list(rowSchema(about)) }, required: ["instances"] },
      { type: "object", properties: { inputs: { type: "object", properties: inputs } }, required: ["inputs"] },
      entities,
    ],
  };
}

/** What `:predict` takes: rows, or columns by name; the one input has no name. */
export function tensorflowSchema(endpoint: Endpoint | undefined): JsonObject {
  const about = described(endpoint);
  if (about === undefined) return { type: "object" };
  const tensors = about.inputs.map(({ name, dtype, shape }) => [name, nestedSchema(dtype, shape)] as const);
  const [only] = tensors;
  const named: JsonObject = { type: "object", properties: Object.fromEntries(tensors) };
  const columns = tensors.length === 1 && only !== undefined ? { anyOf: [only[1], named] } : named;
  return {
    properties: { signature_name: { type: "string" } },
    anyOf: [
      { type: "object", properties: { instances: list(rowSchema(about)) }, required: ["instances"] },
      { type: "object", properties: { inputs: columns }, required: ["inputs"] },
    ],
  };
}

/** What `:classify` and `:regress` take: rows by name, and what is the same in all of them. */
export function examplesSchema(endpoint: Endpoint | undefined): JsonObject {
  const about = described(endpoint);
  const examples = list(about === undefined ? { type: "object" } : namedRowSchema(about));
  const properties = { examples, context: { type: "object" }, signature_name: { type: "string" } };
  return { type: "object", properties, required: ["examples"] };
}

/** Bodies of invocations: JSON by the signature, the rest as bytes. */
export const askedContent = (endpoint: Endpoint | undefined): Readonly<Record<string, JsonObject>> => ({
  ...Object.fromEntries(contentTypes.map((type) => [type, type.startsWith("text/") ? { type: "string" } : {}])),
  "application/json": askedSchema(endpoint),
});

const predictions: JsonObject = { type: "array" };

/** Answers of invocations. */
export const answeredContent = (): Readonly<Record<string, JsonObject>> => ({
  ...Object.fromEntries([...contentTypes, "text/event-stream"].map((type) => [type, {}])),
  "application/json": { type: "object", properties: { predictions }, required: ["predictions"] },
});

const text: JsonObject = { type: "string" };

export const provenanceSchema: JsonObject = {
  type: "object",
  properties: {
    requestId: text,
    endpoint: text,
    variant: text,
    model: {
      type: "object",
      properties: { name: text, version: { type: "integer" }, digest: text },
      required: ["name", "digest"],
    },
  },
  required: ["requestId", "endpoint", "variant", "model"],
};

export const predictSchema: JsonObject = {
  type: "object",
  properties: { predictions, provenance: provenanceSchema },
  required: ["predictions", "provenance"],
};

const tensorSchema = ({ name, dtype, shape }: TensorSpec): JsonObject => ({
  type: "object",
  properties: {
    name: { const: name },
    datatype: { const: datatypes[dtype] },
    shape: {
      type: "array",
      prefixItems: shape.map((size): JsonValue => (size === -1 ? { type: "integer", minimum: 1 } : { const: size })),
      minItems: shape.length,
      maxItems: shape.length,
    },
    data: { type: "array" },
    parameters: { type: "object" },
  },
  required: ["name", "datatype", "shape"],
});

/** A request of the Open Inference Protocol. */
export function inferSchema(endpoint: Endpoint | undefined): JsonObject {
  const inputs = described(endpoint)?.inputs.map(tensorSchema) ?? [];
  return {
    type: "object",
    properties: {
      id: text,
      parameters: { type: "object" },
      inputs: { type: "array", minItems: 1, ...(inputs.length === 0 ? {} : { items: { anyOf: inputs } }) },
      outputs: { type: "array", items: { type: "object", properties: { name: text }, required: ["name"] } },
    },
    required: ["inputs"],
  };
}

const answeredTensor: JsonObject = {
  type: "object",
  properties: {
    name: text,
    datatype: { enum: Object.values(datatypes) },
    shape: { type: "array", items: { type: "integer", minimum: 0 } },
    data: { type: "array" },
  },
  required: ["name", "datatype", "shape"],
};

export const inferAnswerSchema: JsonObject = {
  type: "object",
  properties: {
    model_name: text,
    model_version: text,
    id: text,
    parameters: { type: "object" },
    outputs: { type: "array", items: answeredTensor },
  },
  required: ["model_name", "outputs"],
};

/** An object with members of these names and types. */
export const objectSchema = (members: Readonly<Record<string, string>>): JsonObject => ({
  type: "object",
  properties: Object.fromEntries(Object.entries(members).map(([name, type]) => [name, { type }])),
  required: Object.keys(members),
});
