import type { ColumnType, Field, Schema } from "@millwright/contracts";

type JsonSchema = Readonly<Record<string, unknown>>;

const nullable = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: "null" }] });
const wide: JsonSchema = { anyOf: [{ type: "integer" }, { type: "string", pattern: "^-?\\d{1,20}$" }] };
const float: JsonSchema = { anyOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity", "-0"] }] };

const byType: Readonly<Partial<Record<ColumnType, JsonSchema>>> = {
  int8: { type: "integer", minimum: -128, maximum: 127 },
  int16: { type: "integer", minimum: -32_768, maximum: 32_767 },
  int32: { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
  int64: wide,
  uint8: { type: "integer", minimum: 0, maximum: 255 },
  uint16: { type: "integer", minimum: 0, maximum: 65_535 },
  uint32: { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 },
  uint64: wide,
  float32: float,
  float64: float,
  bool: { type: "boolean" },
  utf8: { type: "string" },
  timestamp: { type: "string", format: "date-time" },
  date: { type: "string", format: "date" },
};

const valueSchema = ({ type, items }: Field): JsonSchema =>
  nullable(type === "list" && items !== undefined ? listOf(byType[items] ?? {}) : (byType[type] ?? {}));
const properties = (fields: Schema, of: (field: Field) => JsonSchema): JsonSchema =>
  Object.fromEntries(fields.map((field) => [field.name, of(field)]));
const object = (members: JsonSchema, required: readonly string[] = Object.keys(members)): JsonSchema => ({
  type: "object",
  properties: members,
  required,
});
const listOf = (items: JsonSchema): JsonSchema => ({ type: "array", items });
const names = (fields: Schema): readonly string[] => fields.map(({ name }) => name);

/** Columns by name, each a list of values. */
export const columnsSchema = (fields: Schema): JsonSchema =>
  object(properties(fields, (field) => listOf(valueSchema(field))));

/** Columns, or a list of rows. */
export const batchSchema = (fields: Schema, required: readonly string[] = names(fields)): JsonSchema => ({
  anyOf: [
    object(
      properties(fields, (field) => listOf(valueSchema(field))),
      required,
    ),
    listOf(object(properties(fields, valueSchema), [])),
  ],
});

const fieldsSchema = listOf(object({ name: { type: "string" }, type: { type: "string" } }));
export const descriptionSchema: JsonSchema = object({
  name: { type: "string" },
  digest: { type: "string" },
  entityKeys: fieldsSchema,
  requestInputs: fieldsSchema,
  features: fieldsSchema,
});
export const viewSchema: JsonSchema = object({
  name: { type: "string" },
  entity: { type: "string" },
  eventTime: { type: "string" },
  columns: fieldsSchema,
});

const statusSchema = object({
  status: listOf({ enum: ["present", "missing", "expired", "deleted"] }),
  ageMs: listOf(nullable({ type: "number" })),
});
export const answerSchema = (features: Schema, views: readonly string[]): JsonSchema =>
  object({
    service: { type: "string" },
    digest: { type: "string" },
    timeMs: { type: "number" },
    length: { type: "integer", minimum: 0 },
    features: columnsSchema(features),
    views: object(Object.fromEntries(views.map((view) => [view, statusSchema]))),
  });

export const countsSchema = (...counted: readonly string[]): JsonSchema =>
  object(Object.fromEntries(counted.map((name) => [name, { type: "integer", minimum: 0 }])));

const errorSchema = object({ error: { type: "string" }, code: { type: "string" } });

/** A route as OpenAPI has it. */
export const routeSchema = (
  operationId: string,
  summary: string,
  answer: JsonSchema,
  body?: JsonSchema,
): JsonSchema => ({
  operationId,
  summary,
  tags: ["features"],
  ...(body === undefined ? {} : { body }),
  response: { 200: answer, "4xx": errorSchema },
});
export { object as objectSchema, listOf as listSchema };
