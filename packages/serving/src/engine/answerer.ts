import type {
  CapturedPrediction,
  Clock,
  FeatureSource,
  IdSource,
  Logger,
  PredictionSink,
  Redactor,
  Tensors,
} from "@millwright/contracts";
import { isMillwrightError } from "@millwright/contracts";
import { captureNow } from "./capture.ts";
import type { Instruments } from "./instruments.ts";
import type { ServedModel } from "./model-slot.ts";
import type { Prediction, Provenance } from "./prediction.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { type Soon, watched, whenThere } from "./settle.ts";
import { type ModelCall, type RequestCall, type Stage, soonAround } from "./stage.ts";
import { shapeKey } from "./tensor-rows.ts";
import { noTimings } from "./timings.ts";

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

/** How the asking of a model ended. */
interface Ended {
  readonly prepared: Prepared | undefined;
  readonly answer: Prediction | undefined;
  readonly failure: unknown;
}

interface Asked {
  readonly variant: string;
  /** Whether the endpoint's stages stand around the model. */
  readonly staged: boolean;
  /** Whether the answer goes to the sink of predictions. */
  readonly captured: boolean;
}

/** What a stage sees of a call, and what the answering needs beside. */
export interface ServedCall extends ModelCall {
  readonly served: ServedModel;
}

/** Asks one model for one call: features, checks, the stages around the model, its batch, and what is captured of it. */
export class Answerer {
  readonly #options: AnswererOptions;
  readonly #askModel: (call: ModelCall) => Soon<Prediction>;

  constructor(options: AnswererOptions) {
    this.#options = options;
    const layers = options.stages.flatMap((stage) => (stage.model === undefined ? [] : [stage.model.bind(stage)]));
    this.#askModel = soonAround(layers, (call) => this.#askBatcher(call as ServedCall));
  }

  /** Throws what the answering throws, at once or by its promise. */
  answer(served: ServedModel, call: RequestCall, asked: Asked): Soon<Prediction> {
    if (asked.captured && this.#options.predictions !== undefined) return this.#answerCaptured(served, call, asked);
    return whenThere(this.#prepare(served, call), (prepared) => this.#ask(served, call, asked, prepared));
  }

  /** Most requests are answered at once: they are captured without closures, which would cost more than the sink does. */
  #answerCaptured(served: ServedModel, call: RequestCall, asked: Asked): Soon<Prediction> {
    let prepared: Prepared | undefined;
    let answer: Soon<Prediction>;
    try {
      const preparing = this.#prepare(served, call);
      if (preparing instanceof Promise) return this.#captureLater(served, call, asked, preparing);
      prepared = preparing;
      answer = this.#ask(served, call, asked, prepared);
    } catch (failure) {
      this.#captureEnd(served, call, asked, { prepared, answer: undefined, failure });
      throw failure;
    }
    if (answer instanceof Promise) return this.#captureLater(served, call, asked, prepared, answer);
    this.#capture(answer.provenance, call, prepared, answer);
    return answer;
  }

  /** @param answering Default: the model is asked when the request is prepared. */
  #captureLater(
    served: ServedModel,
    call: RequestCall,
    asked: Asked,
    preparing: Soon<Prepared>,
    answering?: Promise<Prediction>,
  ): Soon<Prediction> {
    let prepared = preparing instanceof Promise ? undefined : preparing;
    const ask = (there: Prepared): Soon<Prediction> => {
      prepared = there;
      return this.#ask(served, call, asked, there);
    };
    return watched(
      () => answering ?? whenThere(preparing, ask),
      (failure, answer) => this.#captureEnd(served, call, asked, { prepared, answer, failure }),
    );
  }

  #ask(served: ServedModel, call: RequestCall, { variant, staged }: Asked, prepared: Prepared): Soon<Prediction> {
    const { payload, rows, features } = prepared;
    const { signature, profile } = served.resolved.manifest;
    const { endpoint, requestId, request, startMs, timings, trail } = call;
    const whole: ServedCall = {
      endpoint,
      requestId,
      request,
      startMs,
      timings,
      trail,
      variant,
      model: served.identity,
      signature,
      columns: served.model.columns,
      profile,
      payload,
      rows,
      features,
      served,
    };
    return staged ? this.#askModel(whole) : this.#askBatcher(whole);
  }

  #captureEnd(served: ServedModel, call: RequestCall, { variant }: Asked, { prepared, answer, failure }: Ended): void {
    if (answer !== undefined) {
      this.#capture(answer.provenance, call, prepared, answer);
      return;
    }
    const errorCode = isMillwrightError(failure) ? failure.code : "none";
    const { endpoint, requestId } = call;
    this.#capture({ requestId, endpoint, variant, model: served.identity }, call, prepared, { errorCode });
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

  #askBatcher(call: ServedCall): Soon<Prediction> {
    const { served, payload } = call;
    const outputs = served.batcher.answer(call, keyOf(served, payload));
    return outputs instanceof Promise ? outputs.then((there) => answerOf(call, there)) : answerOf(call, outputs);
  }

  #capture(
    of: Provenance,
    { startMs }: RequestCall,
    prepared: Prepared | undefined,
    result: Pick<Prediction, "explanation" | "outputs"> | { readonly errorCode: string },
  ): void {
    const { predictions: sink, redactor, clock } = this.#options;
    if (sink === undefined) return;
    const latencyMs = clock.monotonicMs() - startMs;
    const timeMs = clock.nowMs() - latencyMs;
    const payload = prepared?.payload;
    const isPlain = "outputs" in result && result.explanation === undefined && of.degraded === undefined;
    if (!(payload?.kind === "tensors" && isPlain && redactor === undefined && sink.captureTensors !== undefined)) {
      this.#captureWhole(of, { timeMs, latencyMs }, prepared, result);
      return;
    }
    const { requestId, endpoint, variant, model } = of;
    const { outputs } = result;
    const inputs = payload.tensors;
    try {
      // What most requests are: written out, because spreads cost more than all the rest of it.
      sink.captureTensors({ requestId, endpoint, variant, model, timeMs, latencyMs, inputs, outputs });
    } catch (error) {
      this.#captureFailed(requestId, error);
    }
  }

  #captureWhole(
    { requestId, endpoint, variant, model, degraded }: Provenance,
    { timeMs, latencyMs }: Pick<CapturedPrediction, "timeMs" | "latencyMs">,
    prepared: Prepared | undefined,
    result: Pick<Prediction, "explanation" | "outputs"> | { readonly errorCode: string },
  ): void {
    const { predictions: sink, redactor } = this.#options;
    const ages = prepared?.featureAgesMs === undefined ? {} : { featureAgesMs: prepared.featureAgesMs };
    const asked = { requestId, endpoint, variant, model, timeMs, latencyMs, payload: prepared?.payload };
    const marked = degraded === undefined ? {} : { degraded: degraded.reason };
    const onFailure = (error: unknown): void => this.#captureFailed(requestId, error);
    captureNow({ sink, redactor, onFailure }, Object.assign(asked, ages, marked, madeOf(result)));
  }

  #captureFailed(requestId: string, error: unknown): void {
    const { endpoint, instruments, logger } = this.#options;
    instruments.captureFailures.add(1, { endpoint });
    logger.warn({ endpoint, requestId, error }, "a prediction could not be captured");
  }
}

function answerOf(
  { requestId, endpoint, variant, model, features, timings, request: { traceparent } }: ServedCall,
  outputs: Prediction["outputs"],
): Prediction {
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

/** What is kept of an answer or a failure. */
function madeOf(
  result: Pick<Prediction, "explanation" | "outputs"> | { readonly errorCode: string },
): Pick<CapturedPrediction, "errorCode" | "explanation" | "outputs"> {
  if ("errorCode" in result) return result;
  const { outputs, explanation } = result;
  return explanation?.detail === undefined ? { outputs } : { outputs, explanation: explanation.detail };
}

/** Asks a model beside the requests it has: in batches with them, told to none of them. */
export async function askServed(
  served: ServedModel,
  tensors: Tensors,
  signal: AbortSignal | undefined,
): Promise<Tensors> {
  const payload = { kind: "tensors", tensors } as const;
  const rows = Object.values(tensors)[0]?.shape[0] ?? 0;
  const call = { payload, rows, requestId: "explanation", request: { signal }, timings: noTimings() };
  return served.batcher.answer(call, keyOf(served, payload));
}

/** Columns of one set of names share a batch; so do tensors of one shape. */
function keyOf(served: ServedModel, payload: ModelCall["payload"]): string | undefined {
  if (!served.batchable) return undefined;
  if (payload.kind === "tensors") return served.fixedShape ? "tensors" : `tensors ${shapeKey(payload.tensors)}`;
  return `columns ${Object.entries(payload.batch.columns)
    .map(([name, { type }]) => `${name}:${type}`)
    .join(",")}`;
}
