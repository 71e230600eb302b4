import type { Batch, CallOptions, Digest, FeatureStatus, FeatureVectors, Tensors } from "@millwright/contracts";
import type { PredictionExplanation } from "../explanations/prediction-explanation.ts";
import type { Row } from "./rows.ts";
import type { Timings } from "./timings.ts";

/** What an endpoint is asked; exactly one of `entities`, `instances` and `inputs`. */
export interface PredictRequest extends CallOptions {
  /** Keys of entities, one row each: the server reads their features. */
  readonly entities?: readonly Row[] | undefined;
  /** What features computed on demand need, row by row beside `entities`. */
  readonly request?: readonly Row[] | undefined;
  /** Rows: objects of features by name, or what a row of the one input holds (a number, nested lists of numbers). */
  readonly instances?: readonly unknown[] | undefined;
  /** Tensors by input name, as the signature says. */
  readonly inputs?: Tensors | undefined;
  /** Who asks: endpoints that read features as their caller need it. Over HTTP the server's `principal` says it. */
  readonly principal?: string | undefined;
  /** Names the request in the answer, in capture and in logs. Default: a new UUID. */
  readonly requestId?: string | undefined;
  /** Requests of equal keys go to the same variant. Default: the first entity's keys, else the request's id. */
  readonly stickyKey?: string | undefined;
  /** Asks this variant, whatever its share. */
  readonly variant?: string | undefined;
  /** How long the caller waits, milliseconds from now: what cannot be answered by then is not begun. Default: as long as it takes. */
  readonly deadlineMs?: number | undefined;
  /** One of the endpoint's `admission.priorities`. Default: the one it names so. */
  readonly priority?: string | undefined;
  /** Whom the request counts for where tenants share an endpoint. Default: `principal`. */
  readonly tenant?: string | undefined;
  /** W3C Trace Context: the span that the request stands under. */
  readonly traceparent?: string | undefined;
  /** Asks this model of the endpoint's catalog, which is loaded first where it is not. */
  readonly targetModel?: string | undefined;
  /** Requests of equal keys get one answer, where the endpoint has the stage `idempotency`; over HTTP the header `Idempotency-Key`. */
  readonly idempotencyKey?: string | undefined;
  /** Which faults of `@millwright/serving/chaos` may befall the request, where they match a mark; over HTTP the header `x-millwright-chaos`. */
  readonly chaos?: string | undefined;
  /**
   * Which rows are explained, where the endpoint has the stage `explanations`: all, none, or those whose answer an expression is true of; over HTTP the header
   * `X-Amzn-SageMaker-Enable-Explanations`. Default: what the stage says.
   */
  readonly explain?: boolean | string | undefined;
}

/** How the features of one feature view stood. */
export interface FeatureSummary {
  /** Rows by status. */
  readonly statuses: Readonly<Record<FeatureStatus, number>>;
  /** Age of the oldest row that is there, milliseconds; absent where there is none. */
  readonly oldestAgeMs?: number | undefined;
}

/** Where the answer of a node comes from, and how long it took, what it waited for included. */
export interface NodeTrace {
  readonly ms: number;
  readonly model?: Provenance["model"] | undefined;
  /** The code of its failure, where its fallback answered. */
  readonly failed?: string | undefined;
  readonly cached?: true | undefined;
}

/** Where an answer comes from. */
export interface Provenance {
  readonly requestId: string;
  /** W3C Trace Context: the span that it was answered under, where there is one. */
  readonly traceparent?: string | undefined;
  readonly endpoint: string;
  readonly variant: string;
  readonly model: { readonly name: string; readonly version?: number | undefined; readonly digest: Digest };
  /** Where features were read: the service, the digest of its definition, and how each view stood. */
  readonly features?:
    | { readonly service: string; readonly digest: Digest; readonly views: Readonly<Record<string, FeatureSummary>> }
    | undefined;
  /** Where the answer was not worked out for this request: that of equal inputs, or of an earlier request of the same idempotency key. */
  readonly reused?: "cache" | "idempotency-key" | undefined;
  /** Where a graph made the answer: the nodes that had a part in it, with their models and how long they took. */
  readonly nodes?: Readonly<Record<string, NodeTrace>> | undefined;
  /** Where the answer is not the one that was meant: why (an error's code, `CIRCUIT_OPEN`), and what answered in its place. */
  readonly degraded?: { readonly reason: string; readonly by: string } | undefined;
}

export interface Prediction {
  /** By output name, one row for each row asked, in order. */
  readonly outputs: Tensors;
  readonly provenance: Provenance;
  /** Where the time went until now. Absent where a stage made the answer without a model. */
  readonly timings?: Timings | undefined;
  /** Where the endpoint has the stage `explanations`, and the request or it asked for some. */
  readonly explanation?: PredictionExplanation | undefined;
}

/** Statuses counted, and the oldest age, by view. */
export function summarizeViews(views: FeatureVectors["views"]): Readonly<Record<string, FeatureSummary>> {
  return Object.fromEntries(
    Object.entries(views).map(([view, { status, ageMs }]) => {
      const statuses = { present: 0, missing: 0, expired: 0, deleted: 0, stale: 0, defaulted: 0 };
      let oldest = Number.NEGATIVE_INFINITY;
      for (const [row, each] of status.entries()) {
        statuses[each] += 1;
        const age = ageMs[row] ?? Number.NaN;
        if (age > oldest) oldest = age;
      }
      return [view, { statuses, ...(oldest === Number.NEGATIVE_INFINITY ? {} : { oldestAgeMs: oldest }) }];
    }),
  );
}

/** The ages of rows by view, null where there is no row. */
export function agesOf(views: FeatureVectors["views"]): Readonly<Record<string, readonly (number | null)[]>> {
  return Object.fromEntries(
    Object.entries(views).map(([view, { ageMs }]) => [
      view,
      Array.from(ageMs, (age) => (Number.isNaN(age) ? null : age)),
    ]),
  );
}

/** What is written down of a request: columns where there are any. */
export interface Asked {
  readonly columns: Batch | undefined;
  readonly tensors: Tensors | undefined;
}
