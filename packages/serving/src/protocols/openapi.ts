import type { JsonObject } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";
import { type HttpRoute, json } from "../http/http-message.ts";
import type { RouteOperation } from "../http/operation.ts";
import { isLongPath } from "./model-paths.ts";
import { versionsOf } from "./open-inference-models.ts";
import type { ServerFace } from "./open-inference.ts";
import { objectSchema } from "./signature-schemas.ts";

/** What the document needs of a server. */
export interface DescribedServer {
  readonly face: Pick<ServerFace, "defaultEndpoint">;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** Whether callers need a credential. */
  readonly authenticates: boolean;
}

const errorSchema: JsonObject = {
  ...objectSchema({ error: "string" }),
  properties: {
    error: { type: "string" },
    code: { type: "string" },
    path: { type: "string", description: "Where in the body the bad value stands, as a JSON Pointer." },
    category: { enum: ["user", "transient", "capacity", "quota", "data", "bug"] },
    retryable: { type: "boolean" },
    docs: { type: "string" },
  },
};

/** Statuses of refusals, for readers; `default` is all of them. */
const refusals: Readonly<Record<string, string>> = {
  400: "The request does not fit; `path` says where.",
  404: "No such endpoint, model, variant or version.",
  413: "The body is too large.",
  429: "Too much at once; `Retry-After` says when.",
  503: "Not ready, or too much to do.",
  default: "A refusal or a failure.",
};

const contentOf = (schemas: Readonly<Record<string, JsonObject>>): JsonObject =>
  Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema }]));

function operationOf(
  { summary, body, answer }: RouteOperation,
  parameters: readonly JsonObject[],
  open: boolean,
): JsonObject {
  const error = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
  const refused = Object.entries(refusals).map(([status, description]) => [status, { description, content: error }]);
  const [first] = refused;
  return {
    summary,
    parameters,
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: {
      200: { description: "As asked.", ...(answer === undefined ? {} : { content: contentOf(answer) }) },
      ...Object.fromEntries(
        open
          ? [
              ["503", { description: "Not ready." }],
              ["default", first?.[1] ?? {}],
            ]
          : refused,
      ),
    },
    ...(open ? { security: [] } : {}),
  };
}

/** A part of a path, with what it may be at this moment. */
function parameterOf(name: string, endpoint: Endpoint): JsonObject {
  const known =
    name === "version" ? versionsOf(endpoint) : name === "label" ? endpoint.routes.map((route) => route.name) : [];
  const examples = Object.fromEntries(known.map((value) => [value, { value }]));
  const parameter: JsonObject = { name, in: "path", required: true, schema: { type: "string" } };
  return known.length === 0 ? parameter : { ...parameter, examples };
}

/** `:name`, `:name(pattern)` and `::` of a route's path. */
const pieces = /::|:([A-Za-z_]\w*)(?:\([^)]*\))?/g;

/** The document of OpenAPI 3.1: routes of an endpoint stand there for each endpoint, with the schemas of its model. */
export function openApiDocument(routes: readonly HttpRoute[], server: DescribedServer): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const { method, path, describe, open = false } of routes.filter((route) => !isLongPath(route.path))) {
    const ofEndpoint = /:(endpoint|model)\b/.test(path);
    for (const endpoint of ofEndpoint ? server.endpoints.values() : [server.face.defaultEndpoint()]) {
      const names: string[] = [];
      const written = path.replace(pieces, (piece, name: string | undefined) => {
        if (name === undefined) return piece === "::" ? ":" : piece;
        if (name === "endpoint" || name === "model") return encodeURIComponent(endpoint.name);
        names.push(name);
        return `{${name}}`;
      });
      const parameters = names.map((name) => parameterOf(name, endpoint));
      const operation = describe?.(endpoint) ?? { summary: `${method} ${path}` };
      paths[written] = { ...paths[written], [method.toLowerCase()]: operationOf(operation, parameters, open) };
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "Millwright model server", version: "1" },
    // Wherever the routes are mounted: beside this document.
    servers: [{ url: "./" }],
    paths,
    components: {
      schemas: { Error: errorSchema },
      ...(server.authenticates
        ? {
            securitySchemes: {
              bearer: { type: "http", scheme: "bearer" },
              key: { type: "apiKey", in: "header", name: "x-api-key" },
            },
          }
        : {}),
    },
    ...(server.authenticates ? { security: [{ bearer: [] }, { key: [] }] } : {}),
  };
}

/** `GET /openapi.json`, of the routes and itself. The endpoints are those of the moment. */
export function openApiRoute(routes: readonly HttpRoute[], server: DescribedServer): HttpRoute {
  const own: HttpRoute = {
    method: "GET",
    path: "/openapi.json",
    describe: () => ({ summary: "This document.", answer: { "application/json": { type: "object" } } }),
    handle: () => json(openApiDocument([...routes, own], server)),
  };
  return own;
}
