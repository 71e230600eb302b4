import { type Redactor, isMillwrightError } from "@millwright/contracts";
import { toldOf } from "../capture/discreet-logger.ts";
import type { Soon } from "../engine/settle.ts";
import type { Prediction } from "../engine/prediction.ts";
import type { Next, RequestCall } from "../engine/stage.ts";
import { closeTimings } from "../engine/timings.ts";
import { formatTraceparent } from "./trace-context.ts";

/** A span of `@opentelemetry/api`, as far as it is used here. */
export interface TelemetrySpan {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
  setAttribute(key: string, value: string | number): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  recordException(exception: { readonly name: string; readonly message: string }): void;
  end(endTime?: number): void;
}

/** What spans stand under. */
export interface TelemetryContext {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): TelemetryContext;
  deleteValue(key: symbol): TelemetryContext;
}

/** The members of `@opentelemetry/api` that are called: give it as it is imported, `openTelemetry: api`. */
export interface OpenTelemetry {
  readonly trace: {
    getTracer(name: string): {
      startSpan(
        name: string,
        options: { kind?: number; startTime?: number; attributes?: Record<string, string | number> },
        context: TelemetryContext,
      ): TelemetrySpan;
    };
    setSpan(context: TelemetryContext, span: TelemetrySpan): TelemetryContext;
  };
  readonly context: {
    active(): TelemetryContext;
    with<Result>(context: TelemetryContext, work: () => Result): Result;
  };
  readonly propagation: { extract(context: TelemetryContext, carrier: Record<string, string>): TelemetryContext };
}

const spanError = 2;
const parts = [
  ["queue", "queueMs"],
  ["features", "featuresMs"],
  ["preprocess", "preprocessMs"],
  ["batch", "batchWaitMs"],
  ["model", "modelMs"],
] as const;

export interface TracingOptions {
  readonly clock: { nowMs(): number; monotonicMs(): number };
  /** Where there is one, failures are told by name and code alone: their messages, stacks and causes may quote what came. */
  readonly redactor: Redactor | undefined;
}

/** Answers under a span of its own, which stands under the caller's, and has one below it for each part of the request's time. */
export function traced(
  { trace, context, propagation }: OpenTelemetry,
  { clock, redactor }: TracingOptions,
  answer: (call: RequestCall) => Soon<Prediction>,
): Next<RequestCall> {
  const tracer = trace.getTracer("@millwright/serving");
  return async (call) => {
    const { request, requestId, endpoint, timings, startMs } = call;
    const { traceparent } = request;
    const active = context.active();
    const parent = traceparent === undefined ? active : propagation.extract(active, { traceparent });
    const beginMs = clock.nowMs();
    const attributes = { "millwright.request_id": requestId, "millwright.endpoint": endpoint };
    const span = tracer.startSpan(`predict ${endpoint}`, { startTime: beginMs, attributes }, parent);
    const { traceId, spanId, traceFlags } = span.spanContext();
    const own = formatTraceparent({ traceId, spanId, flags: traceFlags.toString(16).padStart(2, "0") });
    const below = trace.setSpan(parent, span);
    call.trail.traceparent = own;
    try {
      const result = await context.with(below, () => answer({ ...call, request: { ...request, traceparent: own } }));
      tell(span, result);
      return result;
    } catch (error) {
      tellFailure(span, error, redactor !== undefined);
      throw error;
    } finally {
      closeTimings(timings, startMs, clock.monotonicMs());
      let atMs = beginMs;
      for (const [name, part] of parts) {
        if (timings[part] <= 0) continue;
        tracer.startSpan(name, { startTime: atMs }, below).end(atMs + timings[part]);
        atMs += timings[part];
      }
      span.end(Math.max(atMs, clock.nowMs()));
    }
  };
}

function tellFailure(span: TelemetrySpan, error: unknown, discreet: boolean): void {
  const whole = error instanceof Error ? error : new TypeError(String(error));
  const { name, code = name } = toldOf(whole);
  span.recordException(discreet ? { name, message: code } : whole);
  span.setStatus({ code: spanError, message: discreet || isMillwrightError(error) ? code : String(error) });
}

function tell(span: TelemetrySpan, { provenance: { model, variant } }: Prediction): void {
  span.setAttribute("ml.model.name", model.name);
  if (model.version !== undefined) span.setAttribute("ml.model.version", model.version);
  span.setAttribute("ml.model.digest", model.digest);
  span.setAttribute("millwright.variant", variant);
}
