import { requestInvalid } from "../errors.ts";
import { type WebHandler, checkPrefix, mountAt } from "./mount-at.ts";

/** What API Gateway (REST and HTTP APIs), function URLs and load balancers send: the members that are read. */
export interface LambdaEvent {
  /** `"2.0"` for HTTP APIs and function URLs. */
  readonly version?: string | undefined;
  readonly rawPath?: string | undefined;
  readonly rawQueryString?: string | undefined;
  readonly cookies?: readonly string[] | undefined;
  readonly path?: string | undefined;
  readonly httpMethod?: string | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>> | null | undefined;
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[] | undefined>> | null | undefined;
  readonly queryStringParameters?: Readonly<Record<string, string | undefined>> | null | undefined;
  readonly multiValueQueryStringParameters?: Readonly<Record<string, readonly string[] | undefined>> | null | undefined;
  readonly body?: string | null | undefined;
  readonly isBase64Encoded?: boolean | undefined;
  readonly requestContext?:
    | {
        readonly stage?: string | undefined;
        readonly http?: { readonly method?: string | undefined } | undefined;
      }
    | undefined;
}

export interface LambdaResult {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64 where `isBase64Encoded`. */
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

export interface LambdaOptions {
  /** The path under which the routes stand. Default: none. */
  readonly prefix?: string | undefined;
}

/** Content that is sent as text; all else is base64. */
const textual = /^(text\/|application\/(json|jsonlines|x-ndjson|problem\+json)\b)/;

/**
 * The handler as a function of AWS Lambda, for events of API Gateway (payloads 1.0 and 2.0), function URLs and load balancers:
 * `export const handler = lambdaHandler(server.handle)`. It rejects with `SERVING_REQUEST_INVALID` where an event is no request over HTTP.
 */
export function lambdaHandler(
  handle: WebHandler,
  { prefix = "" }: LambdaOptions = {},
): (event: LambdaEvent) => Promise<LambdaResult> {
  const mounted = checkPrefix(prefix) === "" ? handle : mountAt(prefix, handle);
  return async (event) => {
    const response = await mounted(requestOf(event));
    const bytes = Buffer.from(await response.arrayBuffer());
    const headers = Object.fromEntries(response.headers);
    const asText = bytes.length === 0 || textual.test(headers["content-type"] ?? "");
    return {
      statusCode: response.status,
      headers,
      body: bytes.toString(asText ? "utf8" : "base64"),
      isBase64Encoded: !asText,
    };
  };
}

function requestOf(event: LambdaEvent): Request {
  const second = event?.version === "2.0";
  const method = second ? event.requestContext?.http?.method : event?.httpMethod;
  const path = second ? pathWithoutStage(event) : event?.path;
  if (method === undefined || path === undefined) {
    throw requestInvalid(
      "the event is no request over HTTP",
      "Let API Gateway, a function URL or a load balancer call the function.",
    );
  }
  const query = second ? (event.rawQueryString ?? "") : queryOf(event);
  const url = new URL(`http://lambda${path.startsWith("/") ? "" : "/"}${path}${query === "" ? "" : `?${query}`}`);
  const bodyless = method === "GET" || method === "HEAD";
  const body =
    event.body == null || bodyless
      ? undefined
      : Buffer.from(event.body, event.isBase64Encoded === true ? "base64" : "utf8");
  return new Request(url, { method, headers: headersOf(event), ...(body === undefined ? {} : { body }) });
}

/** HTTP APIs put the name of the stage before the path, unless it is the default one. */
function pathWithoutStage({ rawPath, requestContext }: LambdaEvent): string | undefined {
  const stage = requestContext?.stage;
  if (rawPath === undefined || stage === undefined || stage === "$default") return rawPath;
  return rawPath === `/${stage}` || rawPath.startsWith(`/${stage}/`) ? rawPath.slice(stage.length + 1) || "/" : rawPath;
}

function queryOf({ multiValueQueryStringParameters, queryStringParameters }: LambdaEvent): string {
  const query = new URLSearchParams();
  const all =
    multiValueQueryStringParameters ??
    Object.fromEntries(Object.entries(queryStringParameters ?? {}).map(([name, value]) => [name, [value ?? ""]]));
  for (const [name, values] of Object.entries(all)) for (const value of values ?? []) query.append(name, value);
  return query.toString();
}

function headersOf({ headers, multiValueHeaders, cookies }: LambdaEvent): Headers {
  const read = new Headers();
  for (const [name, value] of Object.entries(headers ?? {})) if (value !== undefined) read.set(name, value);
  for (const [name, values] of Object.entries(multiValueHeaders ?? {}))
    if (values !== undefined) read.set(name, values.join(", "));
  if (cookies !== undefined) read.set("cookie", cookies.join("; "));
  return read;
}
