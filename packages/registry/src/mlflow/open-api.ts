import type { FieldKind, MlflowBytesRoute, MlflowRoute } from "./route.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

const text: JsonSchema = { type: "string" };
const integer: JsonSchema = { anyOf: [{ type: "integer" }, { type: "string", pattern: "^-?\\d+$" }] };
const double: JsonSchema = { anyOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity"] }] };
const object = (properties: JsonSchema, required: readonly string[] = []): JsonSchema => ({
  type: "object",
  properties,
  ...(required.length === 0 ? {} : { required }),
});
const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });

const kinds: Readonly<Record<FieldKind, JsonSchema>> = {
  text,
  integer,
  double,
  flag: { type: "boolean" },
  texts: list(text),
  pairs: list(object({ key: text, value: text }, ["key"])),
  metrics: list(
    object({ key: text, value: double, timestamp: integer, step: integer, model_id: text }, [
      "key",
      "value",
      "timestamp",
    ]),
  ),
  datasets: list(
    object(
      {
        tags: list(object({ key: text, value: text })),
        dataset: object({ name: text, digest: text, source_type: text, source: text, schema: text, profile: text }, [
          "name",
          "digest",
          "source_type",
          "source",
        ]),
      },
      ["dataset"],
    ),
  ),
  models: list(object({ model_id: text, step: integer }, ["model_id"])),
  orders: list(object({ field_name: text, ascending: { type: "boolean" }, dataset_name: text, dataset_digest: text })),
};

const refusal = { $ref: "#/components/responses/Refusal" };

/** The OpenAPI 3.1 document of the routes. */
export function openApiOf(
  routes: readonly MlflowRoute[],
  bytesRoutes: readonly MlflowBytesRoute[],
): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (path: string, method: string, operation: JsonSchema): void => {
    const templated = path.replaceAll(/:(\w+)/g, "{$1}");
    paths[templated] = { ...paths[templated], [method.toLowerCase()]: operation };
  };
  for (const route of routes) add(`/api/2.0/mlflow${route.path}`, route.method, operationOf(route));
  for (const route of bytesRoutes) add(route.path, route.method, bytesOperation(route));
  return {
    openapi: "3.1.0",
    info: { title: "MLflow tracking and model registry, answered by Millwright", version: "2.0" },
    paths,
    components: {
      responses: {
        Refusal: {
          description: "Why it was refused, by MLflow's error codes.",
          content: {
            "application/json": { schema: object({ error_code: text, message: text }, ["error_code", "message"]) },
          },
        },
      },
    },
  };
}

const pathParameters = (path: string): readonly JsonSchema[] =>
  [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string", minLength: 1 },
  }));

function operationOf(route: MlflowRoute): JsonSchema {
  const fields = Object.entries(route.fields).map(([name, kind]) => ({
    name: name.replace(/!$/, ""),
    isRequired: name.endsWith("!"),
    schema: kinds[kind],
  }));
  const query = fields.map(({ name, isRequired, schema }) => ({ name, in: "query", required: isRequired, schema }));
  const body = object(
    Object.fromEntries(fields.map(({ name, schema }) => [name, schema])),
    fields.filter(({ isRequired }) => isRequired).map(({ name }) => name),
  );
  const isQuery = route.method === "GET";
  return {
    operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[^a-z]+(\w?)/gi, (_, next: string) => next.toUpperCase())}`,
    summary: route.summary,
    parameters: [...pathParameters(route.path), ...(isQuery ? query : [])],
    ...(isQuery || fields.length === 0
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: body } } } }),
    responses: {
      200: { description: "Done.", content: { "application/json": { schema: { type: "object" } } } },
      "4XX": refusal,
    },
  };
}

function bytesOperation(route: MlflowBytesRoute): JsonSchema {
  const bytes = { "application/octet-stream": { schema: { type: "string", format: "binary" } } };
  const isFile = route.method === "GET" && route.path.endsWith(":path");
  return {
    operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[^a-z]+(\w?)/gi, (_, next: string) => next.toUpperCase())}`,
    summary: route.summary,
    parameters: [
      ...pathParameters(route.path),
      ...(route.method === "GET" && !isFile ? [{ name: "path", in: "query", schema: text }] : []),
    ],
    ...(route.method === "PUT" ? { requestBody: { required: true, content: bytes } } : {}),
    responses: {
      200: { description: "Done.", content: isFile ? bytes : { "application/json": { schema: { type: "object" } } } },
      "4XX": refusal,
      501: refusal,
    },
  };
}
