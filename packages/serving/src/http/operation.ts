import type { JsonObject } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";

/** What a route says of itself in the OpenAPI document. */
export interface RouteOperation {
  readonly summary: string;
  /** Schemas of JSON Schema 2020-12, by media type. */
  readonly body?: Readonly<Record<string, JsonObject>> | undefined;
  /** What answers hold where all is well, by media type; empty where they have no body. Default: anything. */
  readonly answer?: Readonly<Record<string, JsonObject>> | undefined;
}

/** Says what a route takes and answers; `endpoint` is there for routes with `:endpoint` or `:model` in their path, and for the default one. */
export type DescribeRoute = (endpoint: Endpoint | undefined) => RouteOperation;
