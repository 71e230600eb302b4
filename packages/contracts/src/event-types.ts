import { canonicalJson } from "./canonical-json.ts";
import type { Clock } from "./clock.ts";
import type { EventData, EventDraft, EventFamily, MillwrightEvent } from "./event.ts";
import type { IdSource } from "./id-source.ts";
import type { EventId } from "./ids.ts";
import type { Random } from "./random.ts";

/** The families and the types known in each. A package may add types to a family; it may not add families. */
export const eventTypes: Readonly<Record<EventFamily, readonly string[]>> = {
  run: [
    "run.started",
    "run.resumed",
    "run.finished",
    "run.failed",
    "run.killed",
    "run.updated",
    "run.deleted",
    "run.restored",
    "run.experiment-created",
    "run.experiment-updated",
    "run.experiment-deleted",
    "run.experiment-restored",
  ],
  trial: ["trial.started", "trial.completed", "trial.pruned", "trial.failed", "trial.paused", "trial.resumed"],
  model: [
    "model.registered",
    "model.signed",
    "model.approved",
    "model.rejected",
    "model.alias-set",
    "model.card-changed",
    "model.deleted",
  ],
  deployment: [
    "deployment.started",
    "deployment.baking",
    "deployment.shifted",
    "deployment.completed",
    "deployment.rolling-back",
    "deployment.rolled-back",
    "deployment.failed",
    "deployment.endpoint-created",
    "deployment.endpoint-deleted",
    "deployment.compared",
  ],
  drift: ["drift.checked", "drift.detected", "drift.ended"],
  slo: ["slo.burning", "slo.recovered", "slo.exhausted"],
  alert: ["alert.firing", "alert.resolved", "alert.acknowledged", "alert.silenced"],
  pipeline: [
    "pipeline.started",
    "pipeline.completed",
    "pipeline.failed",
    "pipeline.stopped",
    "pipeline.step-started",
    "pipeline.step-completed",
    "pipeline.step-failed",
    "pipeline.step-skipped",
  ],
  job: ["job.state-changed"],
  feature: [
    "feature.view-applied",
    "feature.view-deleted",
    "feature.service-applied",
    "feature.ingested",
    "feature.materialized",
  ],
  // For budgets that are written down: `createBudget` keeps its own in memory, and appends none.
  budget: ["budget.reserved", "budget.committed", "budget.released", "budget.exhausted"],
  audit: ["audit.allowed", "audit.denied", "audit.exported"],
};

/** The `detail-type` of SageMaker's ten EventBridge families, and the family or types here that tell the same. */
export const sageMakerEventTypes: Readonly<Record<string, readonly string[]>> = {
  "SageMaker Training Job State Change": ["run.*", "job.state-changed"],
  "SageMaker HyperParameter Tuning Job State Change": ["trial.*"],
  "SageMaker Transform Job State Change": ["job.state-changed"],
  "SageMaker Endpoint State Change": ["deployment.endpoint-created", "deployment.endpoint-deleted"],
  "SageMaker Endpoint Deployment State Change": ["deployment.*"],
  "SageMaker Feature Group State Change": ["feature.view-applied", "feature.view-deleted"],
  "SageMaker Model Package State Change": ["model.registered", "model.approved", "model.rejected", "model.deleted"],
  "SageMaker Model Building Pipeline Execution Status Change": [
    "pipeline.started",
    "pipeline.completed",
    "pipeline.failed",
    "pipeline.stopped",
  ],
  "SageMaker Model Building Pipeline Execution Step Status Change": [
    "pipeline.step-started",
    "pipeline.step-completed",
    "pipeline.step-failed",
    "pipeline.step-skipped",
  ],
  "SageMaker Model Card State Change": ["model.card-changed"],
};

/** The draft as an event of now, with an id of its own. Its data is copied through JSON, and refused with a TypeError where JSON cannot carry it. */
export function createEvent<Data extends EventData>(
  draft: EventDraft<Data>,
  { clock, ids }: { readonly clock: Clock; readonly ids: IdSource },
): MillwrightEvent<Data> {
  const { source, type, subject, causationid, traceparent } = draft;
  return {
    specversion: "1.0",
    id: ids.next() as EventId,
    source,
    type,
    ...(subject === undefined ? {} : { subject }),
    time: new Date(clock.nowMs()).toISOString(),
    datacontenttype: "application/json",
    ...(causationid === undefined ? {} : { causationid }),
    ...(traceparent === undefined ? {} : { traceparent }),
    data: JSON.parse(canonicalJson(draft.data)) as Data,
  };
}

/** Whether a pattern takes the type: `model.approved` itself, the family `model.*`, a part of it `pipeline.step.*`, or everything `*`. */
export function matchesType(pattern: string, type: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith(".*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern;
}

/** Where a piece of work stands in a trace, by W3C Trace Context. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits, not all 0. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const traceparentPattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads a `traceparent`; `undefined` for what is none: the specification has a receiver start a new trace then.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function readTraceparent(text: string): TraceContext | undefined {
  const match = traceparentPattern.exec(text);
  if (match === null || (text.startsWith("00") && match[4] !== undefined)) return undefined;
  return {
    traceId: match[1] as string,
    spanId: match[2] as string,
    sampled: (Number.parseInt(match[3] as string, 16) & 1) === 1,
  };
}

/** Writes the `traceparent` of version 00. */
export function writeTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** A new span: in the parent's trace, or the root of a new one. */
export function childTrace(random: Random, parent?: TraceContext): TraceContext {
  const hex = (words: number): string => {
    const digits = Array.from({ length: words }, () => random.integer(0x100000000).toString(16).padStart(8, "0")).join(
      "",
    );
    return /^0+$/.test(digits) ? hex(words) : digits;
  };
  return { traceId: parent?.traceId ?? hex(4), spanId: hex(2), sampled: parent?.sampled ?? true };
}
