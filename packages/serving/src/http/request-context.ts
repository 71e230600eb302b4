import type { PredictRequest } from "../engine/prediction.ts";

type Headers = Readonly<Record<string, string | undefined>>;

/** What a caller says about a request beside what is asked: how long it waits, how much it matters, whose it is, and under which span it stands. */
export type RequestContext = Pick<
  PredictRequest,
  "chaos" | "deadlineMs" | "explain" | "priority" | "tenant" | "traceparent"
>;

/**
 * From headers by lower-case name. The deadline is the shortest that `x-request-timeout-ms`, `grpc-timeout`, `x-envoy-expected-rq-timeout-ms` or
 * `x-amzn-sagemaker-invocationtimeoutseconds` name; one that cannot be read is passed over, as a proxy's would be.
 */
export function contextOf(headers: Headers, principal: string | undefined): RequestContext {
  return {
    deadlineMs: deadlineOf(headers),
    priority: headers["x-millwright-priority"],
    // Who is known cannot take another's share by a header.
    tenant: principal ?? headers["x-millwright-tenant"],
    traceparent: headers["traceparent"],
    chaos: headers["x-millwright-chaos"],
    explain: headers["x-amzn-sagemaker-enable-explanations"] ?? headers["x-millwright-explain"],
  };
}

/** The request with what its headers say, where it does not say it itself. */
export function withContext(request: PredictRequest, headers: Headers, principal: string | undefined): PredictRequest {
  const { chaos, deadlineMs, explain, priority, tenant, traceparent } = contextOf(headers, principal);
  // Written out: every request passes here, and a spread of two objects costs as much as reading a row.
  return {
    entities: request.entities,
    request: request.request,
    instances: request.instances,
    inputs: request.inputs,
    principal,
    requestId: request.requestId,
    stickyKey: request.stickyKey,
    variant: request.variant,
    targetModel: request.targetModel,
    idempotencyKey: request.idempotencyKey,
    deadlineMs: request.deadlineMs ?? deadlineMs,
    chaos: request.chaos ?? chaos,
    explain: request.explain ?? explain,
    priority: request.priority ?? priority,
    tenant: request.tenant ?? tenant,
    traceparent: request.traceparent ?? traceparent,
    signal: request.signal,
  } satisfies Required<PredictRequest>;
}

function deadlineOf(headers: Headers): number | undefined {
  const milliseconds = numberOf(headers["x-request-timeout-ms"], 1);
  const grpc = grpcTimeoutMs(headers["grpc-timeout"]);
  const envoy = numberOf(headers["x-envoy-expected-rq-timeout-ms"], 1);
  const amazon = numberOf(headers["x-amzn-sagemaker-invocationtimeoutseconds"], 1000);
  const shortest = Math.min(milliseconds, grpc, envoy, amazon);
  return shortest === Number.POSITIVE_INFINITY ? undefined : shortest;
}

function numberOf(text: string | undefined, unitMs: number): number {
  if (text === undefined || !/^\d{1,10}(\.\d{1,6})?$/.test(text)) return Number.POSITIVE_INFINITY;
  return Number(text) * unitMs;
}

const grpcUnitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** gRPC over HTTP/2: at most eight digits and a unit. @returns infinity where it is absent or cannot be read. */
export function grpcTimeoutMs(text: string | undefined): number {
  const parts = text === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(text);
  if (parts === null) return Number.POSITIVE_INFINITY;
  return Number(parts[1]) * (grpcUnitsMs[parts[2] ?? ""] ?? Number.POSITIVE_INFINITY);
}
