import type { Clock, FeatureSource, IdSource, Logger, PredictionSink, Redactor } from "@millwright/contracts";
import { isMillwrightError } from "@millwright/contracts";
import { captureNow, captureTensors } from "./capture.ts";
import type { Instruments } from "./instruments.ts";
import type { ServedModel } from "./model-slot.ts";
import type { Prediction, Provenance } from "./prediction.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { type ModelCall, type Next, type RequestCall, type Stage, around } from "./stage.ts";
import { shapeKey } from "./tensor-rows.ts";

export interface AnswererOptions {
  readonly endpoint: string;
  readonly stages: readonly Stage[];
  /** Throws `SERVING_FORBIDDEN`. */
  featuresFor(request: RequestCall["request"]): FeatureSource | undefined;
  readonly predictions: PredictionSink | undefined;
  readonly redactor: Redactor | undefined;
  readonly instruments: Instruments;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
}

interface Asked {
  readonly variant: string;
  /** Whether the endpoint's stages stand around the model. */
  readonly staged: boolean;
  /** Whether the answer goes to the sink of predictions. */
  readonly captured: boolean;
}

/** What a stage sees of a call, and what the answering needs beside. */
interface ServedCall extends ModelCall {
  readonly served: ServedModel;
}

/** Asks one model for one call: features, checks, the stages around the model, its batch, and what is captured of it. */
export class Answerer {
  readonly #options: AnswererOptions;
  readonly #askModel: Next<ModelCall>;

  constructor(options: AnswererOptions) {
    this.#options = options;
    const layers = options.stages.flatMap((stage) => (stage.model === undefined ? [] : [stage.model.bind(stage)]));
    this.#askModel = around(layers, (call) => this.#askBatcher(call as ServedCall));
  }

  async answer(served: ServedModel, call: RequestCall, { variant, staged, captured }: Asked): Promise<Prediction> {
    const model = served.identity;
    let prepared: Prepared | undefined;
    try {
      const pending = this.#prepare(served, call);
      prepared = pending instanceof Promise ? await pending : pending;
      const { payload, rows, features } = prepared;
      const { signature, profile } = served.resolved.manifest;
      const { columns } = served.model;
      const { endpoint, requestId, request, startMs, timings, trail } = call;
      const whole: ServedCall = {
        endpoint,
        requestId,
        request,
        startMs,
        timings,
        trail,
        variant,
        model,
        signature,
        columns,
        profile,
        payload,
        rows,
        features,
        served,
      };
      const answer = await (staged ? this.#askModel(whole) : this.#askBatcher(whole));
      if (captured) this.#capture(answer.provenance, call, prepared, { outputs: answer.outputs });
      return answer;
    } catch (error) {
      const errorCode = isMillwrightError(error) ? error.code : "none";
      const { endpoint, requestId } = call;
      if (captured) this.#capture({ requestId, endpoint, variant, model }, call, prepared, { errorCode });
      throw error;
    }
  }

  /** Gives an answer that no model made, or another than the endpoint's, to the sink of predictions. */
  captureAnswer(call: RequestCall, answer: Prediction): void {
    this.#capture(answer.provenance, call, undefined, { outputs: answer.outputs });
  }

  #prepare(served: ServedModel, { request, timings }: RequestCall): Prepared | Promise<Prepared> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const earlierMs = timings.featuresMs;
    const told = (): void => {
      timings.preprocessMs += clock.monotonicMs() - startMs - (timings.featuresMs - earlierMs);
    };
    const pending = prepare(served, request, { features: this.#options.featuresFor(request), clock, timings });
    if (pending instanceof Promise) return pending.finally(told);
    told();
    return pending;
  }

  async #askBatcher(call: ServedCall): Promise<Prediction> {
    const { served, payload, rows, features, requestId, endpoint, variant, model, timings, request } = call;
    const { signal, traceparent } = request;
    const key = keyOf(served, payload);
    const outputs = await served.batcher.answer({ payload, rows, key, signal, requestId, traceparent, timings });
    const provenance: { -readonly [Name in keyof Provenance]: Provenance[Name] } = {
      requestId,
      endpoint,
      variant,
      model,
    };
    if (features !== undefined) provenance.features = features;
    if (traceparent !== undefined) provenance.traceparent = traceparent;
    return { outputs, provenance, timings };
  }

  #capture(
    { requestId, endpoint, variant, model, degraded }: Provenance,
    { startMs }: RequestCall,
    prepared: Prepared | undefined,
    result: { readonly outputs: Prediction["outputs"] } | { readonly errorCode: string },
  ): void {
    const { predictions: sink, redactor, clock, instruments, logger } = this.#options;
    if (sink === undefined) return;
    const latencyMs = clock.monotonicMs() - startMs;
    const timeMs = clock.nowMs() - latencyMs;
    const onFailure = (error: unknown): void => {
      instruments.captureFailures.add(1, { endpoint });
      logger.warn({ endpoint, requestId, error }, "a prediction could not be captured");
    };
    const payload = prepared?.payload;
    if (payload?.kind === "tensors" && "outputs" in result && degraded === undefined && redactor === undefined) {
      // What most requests are: written out, because spreads cost more than all the rest of it.
      const { outputs } = result;
      const inputs = payload.tensors;
      const whole = { requestId, endpoint, variant, model, timeMs, latencyMs, inputs, outputs };
      if (captureTensors(sink, whole, onFailure)) return;
    }
    const ages = prepared?.featureAgesMs === undefined ? {} : { featureAgesMs: prepared.featureAgesMs };
    const asked = { requestId, endpoint, variant, model, timeMs, latencyMs, payload };
    const marked = degraded === undefined ? {} : { degraded: degraded.reason };
    captureNow({ sink, redactor, onFailure }, { ...asked, ...ages, ...marked, ...result });
  }
}

/** Columns of one set of names share a batch; so do tensors of one shape. */
function keyOf(served: ServedModel, payload: ModelCall["payload"]): string | undefined {
  if (!served.batchable) return undefined;
  if (payload.kind === "tensors") return served.fixedShape ? "tensors" : `tensors ${shapeKey(payload.tensors)}`;
  return `columns ${Object.entries(payload.batch.columns)
    .map(([name, { type }]) => `${name}:${type}`)
    .join(",")}`;
}
