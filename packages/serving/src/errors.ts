import { MillwrightError, type MillwrightErrorOptions } from "@millwright/contracts";

export type ServingErrorCode =
  | "SERVING_ALERTS_ABSENT"
  | "SERVING_ALERTS_UNREADABLE"
  | "SERVING_ANSWER_LATE"
  | "SERVING_ASYNC_INPUT_MISSING"
  | "SERVING_ASYNC_INVALID"
  | "SERVING_ASYNC_STATE"
  | "SERVING_ASYNC_STORE_FAILED"
  | "SERVING_ASYNC_TIMED_OUT"
  | "SERVING_ASYNC_UNKNOWN"
  | "SERVING_AUTHORITY_UNAVAILABLE"
  | "SERVING_BODY_INVALID"
  | "SERVING_BODY_TIMED_OUT"
  | "SERVING_BODY_TOO_LARGE"
  | "SERVING_CAPTURE_REFUSED"
  | "SERVING_CHAOS_FORBIDDEN"
  | "SERVING_CIRCUIT_OPEN"
  | "SERVING_CLIENT_ACCESS_DENIED"
  | "SERVING_CLIENT_ANSWER_INVALID"
  | "SERVING_CLIENT_BUSY"
  | "SERVING_CLIENT_CONNECTION_LOST"
  | "SERVING_CLIENT_MODEL_UNKNOWN"
  | "SERVING_CLIENT_REFUSED"
  | "SERVING_CLIENT_SERVER_FAILED"
  | "SERVING_CLIENT_SIGNATURE_INVALID"
  | "SERVING_CLIENT_TIMED_OUT"
  | "SERVING_CLIENT_UNREACHABLE"
  | "SERVING_CONCURRENCY_EXCEEDED"
  | "SERVING_CONFIGURATION_BUSY"
  | "SERVING_CONFIGURATION_CONFLICT"
  | "SERVING_CONFIGURATION_INVALID"
  | "SERVING_CONFIGURATION_NEWER"
  | "SERVING_CONFIGURATION_UNKNOWN"
  | "SERVING_CONTENT_TYPE_UNSUPPORTED"
  | "SERVING_DEADLINE_EXCEEDED"
  | "SERVING_DEPLOYMENT_GATED"
  | "SERVING_DEPLOYMENT_INVALID"
  | "SERVING_DEPLOYMENT_NEWER"
  | "SERVING_DRAINING"
  | "SERVING_ENDPOINT_UNKNOWN"
  | "SERVING_FAULT_INJECTED"
  | "SERVING_FEATURE_SERVICE_MISMATCH"
  | "SERVING_FORBIDDEN"
  | "SERVING_IDEMPOTENCY_KEY_REUSED"
  | "SERVING_GRAPH_FAILED"
  | "SERVING_GRAPH_LATE"
  | "SERVING_INPUT_INVALID"
  | "SERVING_KUBERNETES_INVALID"
  | "SERVING_METHOD_UNSUPPORTED"
  | "SERVING_MEMORY_EXHAUSTED"
  | "SERVING_MODEL_FAILED"
  | "SERVING_MODEL_LOADED"
  | "SERVING_MODEL_MEMORY"
  | "SERVING_MODEL_NOT_LOADED"
  | "SERVING_MODEL_NOT_READY"
  | "SERVING_MODEL_TOO_LARGE"
  | "SERVING_OUTPUT_UNKNOWN"
  | "SERVING_OVERLOADED"
  | "SERVING_PORT_BUSY"
  | "SERVING_QUOTA_EXCEEDED"
  | "SERVING_REMOTE_UNCONFIGURED"
  | "SERVING_REPLICA_FAILED"
  | "SERVING_REQUEST_INVALID"
  | "SERVING_REQUEST_QUARANTINED"
  | "SERVING_REQUEST_SHED"
  | "SERVING_ROUTE_UNKNOWN"
  | "SERVING_TRANSFORM_ANSWER_INVALID"
  | "SERVING_TRANSFORM_CHANGED"
  | "SERVING_TRANSFORM_ERROR_RATE"
  | "SERVING_TRANSFORM_INPUT_MISSING"
  | "SERVING_TRANSFORM_INVALID"
  | "SERVING_TRANSFORM_LEDGER_NEWER"
  | "SERVING_TRANSFORM_OUTPUT_FAILED"
  | "SERVING_TRANSFORM_RECORD_INVALID"
  | "SERVING_TRANSFORM_RECORD_TOO_LARGE"
  | "SERVING_TRANSFORM_TARGET_FAILED"
  | "SERVING_SCHEMA_MISMATCH"
  | "SERVING_RUNTIME_ABSENT"
  | "SERVING_TOKEN_UNREADABLE"
  | "SERVING_UNAUTHENTICATED"
  | "SERVING_TENANT_QUOTA"
  | "SERVING_VARIANT_UNKNOWN"
  | "SERVING_VERSION_UNKNOWN"
  | "SERVING_WORKER_LOST"
  | "SERVING_WORKER_START_FAILED";

export interface ServingErrorOptions extends MillwrightErrorOptions {
  /** Where in the body the bad value stands, as a JSON Pointer (RFC 6901): `/instances/0/2`. */
  readonly path?: string | undefined;
  /** Headers that an answer with this error has. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** After how long the same call is likely to be taken, milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** All that is wrong with what was given, each with its place. */
  readonly problems?: readonly ServingProblem[] | undefined;
}

/** One of several things that are wrong. */
export interface ServingProblem {
  /** Where, as a JSON Pointer (RFC 6901). */
  readonly path: string;
  readonly problem: string;
  /** The code of the error behind it, where there is one. */
  readonly code?: string | undefined;
}

export class ServingError extends MillwrightError<ServingErrorCode> {
  override readonly name = "ServingError";
  /** Where in the body the bad value stands, as a JSON Pointer; `undefined` where it is nowhere or everywhere. */
  readonly path: string | undefined;
  /** Headers that an answer with this error has. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** After how long the same call is likely to be taken, milliseconds, where that is known. */
  readonly retryAfterMs: number | undefined;
  /** All that is wrong with what was given, where more than one thing may be. */
  readonly problems: readonly ServingProblem[] | undefined;

  constructor(
    code: ServingErrorCode,
    message: string,
    { path, headers, retryAfterMs, problems, ...options }: ServingErrorOptions,
  ) {
    super(code, message, options);
    this.path = path;
    this.headers = headers;
    this.retryAfterMs = retryAfterMs;
    this.problems = problems;
  }
}

const listed = (what: string, names: readonly string[]): string =>
  names.length === 0 ? `There are no ${what}.` : `Known ${what}: ${names.join(", ")}.`;

export const alertsAbsent = (endpoint: string, rollbackOn: readonly string[]): ServingError =>
  new ServingError(
    "SERVING_ALERTS_ABSENT",
    `The deployment to "${endpoint}" is to roll back on ${rollbackOn.join(", ")}, and the server has no source of alerts.`,
    { category: "user", remedy: "Open the server with `alerts`, or deploy without `rollbackOn`." },
  );

export const alertsUnreadable = (where: string, problem: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_ALERTS_UNREADABLE", `The alerts of ${where} cannot be read: ${problem}.`, {
    category: "transient",
    remedy: "Look whether it runs, and whether its address, its credentials and the names of the alarms are right.",
    retryable: true,
    cause,
  });

export const bodyInvalid = (problem: string, remedy = "Mend the body of the request.", cause?: unknown): ServingError =>
  new ServingError("SERVING_BODY_INVALID", `The body of the request cannot be read: ${problem}.`, {
    category: "user",
    remedy,
    cause,
  });

export const bodyTimedOut = (timeoutMs: number): ServingError =>
  new ServingError("SERVING_BODY_TIMED_OUT", `The body of the request did not come within ${timeoutMs} ms.`, {
    category: "user",
    remedy: "Send it faster or in smaller parts, or open the server with a greater `bodyTimeoutMs`.",
    retryable: true,
  });

export const bodyTooLarge = (limitBytes: number): ServingError =>
  new ServingError("SERVING_BODY_TOO_LARGE", `The body of the request is larger than ${limitBytes} bytes.`, {
    category: "user",
    remedy: "Send fewer rows at once, or open the server with a greater `maxBodyBytes`.",
  });

export const contentTypeUnsupported = (contentType: string, known: readonly string[] = []): ServingError =>
  new ServingError("SERVING_CONTENT_TYPE_UNSUPPORTED", `Bodies of the type "${contentType}" are not read here.`, {
    category: "user",
    remedy:
      known.length === 0 ? "Send it uncompressed, or as gzip, deflate or br." : `Send one of ${known.join(", ")}.`,
  });

export const deploymentGated = (endpoint: string, gate: string, reason: string, cause?: unknown): ServingError =>
  new ServingError(
    "SERVING_DEPLOYMENT_GATED",
    `The gate "${gate}" keeps "${endpoint}" from being deployed to: ${reason}.`,
    {
      category: "quota",
      remedy: "Wait until it opens, or deploy without it where you may.",
      retryable: true,
      cause,
    },
  );

export const deploymentConfigInvalid = (field: string, problem: string, remedy: string): ServingError =>
  new ServingError("SERVING_DEPLOYMENT_INVALID", `\`${field}\` of the deployment's configuration ${problem}.`, {
    category: "user",
    remedy,
  });

export const deploymentInvalid = (endpoint: string, problem: string, remedy: string): ServingError =>
  new ServingError("SERVING_DEPLOYMENT_INVALID", `The endpoint "${endpoint}" cannot be deployed to so: ${problem}.`, {
    category: "user",
    remedy,
  });

export const draining = (): ServingError =>
  new ServingError("SERVING_DRAINING", "The server is shutting down and takes no new requests.", {
    category: "transient",
    remedy: "Ask another replica.",
    retryable: true,
  });

export const endpointUnknown = (endpoint: string, known: readonly string[]): ServingError =>
  new ServingError("SERVING_ENDPOINT_UNKNOWN", `No endpoint is named "${endpoint}".`, {
    category: "user",
    remedy: listed("endpoints", known),
  });

export const featureServiceMismatch = (model: string, service: string, trained: string, served: string): ServingError =>
  new ServingError(
    "SERVING_FEATURE_SERVICE_MISMATCH",
    `The model ${model} was trained on the feature service ${trained}, and "${service}" is now ${served}.`,
    {
      category: "data",
      remedy: 'Train it again on the present definition, or set `onFeatureMismatch: "warn"` for the endpoint.',
    },
  );

export const forbidden = (endpoint: string, reason: string): ServingError =>
  new ServingError("SERVING_FORBIDDEN", `The endpoint "${endpoint}" may not be called: ${reason}.`, {
    category: "user",
    remedy: "Ask for access, or call as somebody who has it.",
  });

/** @param input The input or column by name, with the row where it is known. @param path Where it stands in the body, as a JSON Pointer. */
export const inputInvalid = (
  input: string,
  problem: string,
  remedy: string,
  cause?: unknown,
  path?: string,
): ServingError =>
  new ServingError("SERVING_INPUT_INVALID", `The input "${input}" does not fit: ${problem}.`, {
    category: "user",
    remedy,
    cause,
    path,
  });

export const methodUnsupported = (method: string, path: string, allowed: readonly string[]): ServingError =>
  new ServingError("SERVING_METHOD_UNSUPPORTED", `${path} is not there for ${method}.`, {
    category: "user",
    remedy: `Send ${allowed.join(" or ")}.`,
    headers: { allow: allowed.join(", ") },
  });

export const modelFailed = (model: string, problem: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_MODEL_FAILED", `The model ${model} failed to answer: ${problem}.`, {
    category: "bug",
    remedy: "Look at the cause; ask the model its golden requests with this runtime.",
    cause,
  });

export const outputUnknown = (output: string, known: readonly string[]): ServingError =>
  new ServingError("SERVING_OUTPUT_UNKNOWN", `The model has no output "${output}".`, {
    category: "user",
    remedy: listed("outputs", known),
  });

export const deploymentNewer = (endpoint: string, version: unknown): ServingError =>
  new ServingError(
    "SERVING_DEPLOYMENT_NEWER",
    `The deployment of "${endpoint}" is kept in the format version ${String(version)}; this release reads 1.`,
    { category: "user", remedy: "Upgrade @millwright/serving in every process that shares the database." },
  );

export const portBusy = (host: string, port: number, cause: unknown): ServingError =>
  new ServingError("SERVING_PORT_BUSY", `Another process listens on ${host}:${port}.`, {
    category: "user",
    remedy: "Stop it, or listen on another port; 0 takes a free one.",
    cause,
  });

export const replicaFailed = (replica: string, problem: string): ServingError =>
  new ServingError("SERVING_REPLICA_FAILED", `The replica "${replica}" could not take its model: ${problem}.`, {
    category: "transient",
    remedy: "Look at its log; the fleet goes back to the model before.",
    retryable: true,
  });

export const requestInvalid = (problem: string, remedy: string, path?: string): ServingError =>
  new ServingError("SERVING_REQUEST_INVALID", `The request cannot be answered: ${problem}.`, {
    category: "user",
    remedy,
    path,
  });

export const routeUnknown = (method: string, path: string): ServingError =>
  new ServingError("SERVING_ROUTE_UNKNOWN", `There is nothing at ${method} ${path}.`, {
    category: "user",
    remedy: "See GET /v2 for what this server speaks.",
  });

export const schemaMismatch = (endpoint: string, asked: string, served: string): ServingError =>
  new ServingError(
    "SERVING_SCHEMA_MISMATCH",
    `The request was written for the signature ${asked}, and "${endpoint}" answers by ${served}.`,
    { category: "user", remedy: "Read the signature at /v2/models/:model, and send what it says." },
  );

export const variantUnknown = (endpoint: string, variant: string, known: readonly string[]): ServingError =>
  new ServingError("SERVING_VARIANT_UNKNOWN", `The endpoint "${endpoint}" has no variant "${variant}".`, {
    category: "user",
    remedy: listed("variants", known),
  });

export const versionUnknown = (endpoint: string, version: string, known: readonly string[]): ServingError =>
  new ServingError("SERVING_VERSION_UNKNOWN", `The endpoint "${endpoint}" does not serve the version "${version}".`, {
    category: "user",
    remedy: listed("versions", known),
  });
