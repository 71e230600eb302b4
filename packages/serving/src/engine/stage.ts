import type {
  CallOptions,
  Clock,
  IdSource,
  JsonObject,
  Logger,
  Meter,
  ModelRuntime,
  ModelSignature,
  Schema,
} from "@millwright/contracts";
import type { Payload } from "./batch-call.ts";
import type { Soon } from "./settle.ts";
import type { PredictRequest, Prediction, Provenance } from "./prediction.ts";
import type { Timings } from "./timings.ts";
import type { Trail } from "../telemetry/trail.ts";

/** One request on its way through an endpoint, before a variant is chosen for it. */
export interface RequestCall {
  readonly endpoint: string;
  readonly requestId: string;
  readonly request: PredictRequest;
  /** When it came: monotonic, milliseconds. */
  readonly startMs: number;
  /** Where its time went so far; stages may add to what is theirs. */
  readonly timings: Timings;
  /** What becomes known of it on its way. */
  readonly trail: Trail;
}

/** A request with its variant, its checked inputs, and the model of this moment, which is not disposed before the answer. */
export interface ModelCall extends RequestCall {
  readonly variant: string;
  readonly model: Provenance["model"];
  readonly signature: ModelSignature;
  /** What the model's transforms read, and the profile of its training data, where it has them. */
  readonly columns: Schema | undefined;
  readonly profile: JsonObject | undefined;
  /** Checked tensors, or the columns that the model's transforms read. */
  readonly payload: Payload;
  readonly rows: number;
  readonly features: Provenance["features"];
}

/** A model that a stage asks beside the endpoint's variants: a shadow, a fallback. */
export interface SideModel {
  /** The model of this moment. */
  readonly model: Provenance["model"];
  /** Answers a request as a variant of the endpoint would: features, checks, batches. Throws what `predict` throws. */
  predict(call: RequestCall): Promise<Prediction>;
  /** Waits for the answers it owes, and disposes the model. */
  close(): Promise<void>;
}

export interface SideModelOptions extends CallOptions {
  /** What its answers and captured predictions name as their variant. */
  readonly variant: string;
  /** Whether it follows its alias. Default: false. */
  readonly watch?: boolean | undefined;
  /** Whether its answers and failures go to the endpoint's sink of predictions. Default: false. */
  readonly captured?: boolean | undefined;
  /** What loads it: isolated ones keep a model that hangs or eats memory from the others. Default: the server's. */
  readonly runtimes?: readonly ModelRuntime[] | undefined;
}

/** What a stage is given of the endpoint it stands in. */
export interface StageSite {
  readonly endpoint: string;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Loads a model as a variant is loaded: golden requests, features, batches. The stage closes it. Throws what `openModelServer` throws of a model. */
  openModel(ref: string, options: SideModelOptions): Promise<SideModel>;
  /** Gives an answer that no model made to the endpoint's sink of predictions. Never throws. */
  capture(call: RequestCall, answer: Prediction): void;
}

export type Next<Call> = (call: Call) => Promise<Prediction>;

/**
 * Something that stands around the answering of an endpoint: a cache, a shadow, a fallback, an experiment. A stage calls `next` to go on, with the call
 * or a changed one; once, several times, or not at all. One object stands in one endpoint.
 */
export interface Stage {
  /** In messages, metrics and provenance. */
  readonly name: string;
  /** Before the endpoint is ready. What it throws fails the opening of the server, or of the endpoint, which is then tried again. */
  open?(site: StageSite): Promise<void> | void;
  /** Around everything: before a variant is chosen, after the answer is complete or has failed. */
  request?(call: RequestCall, next: Next<RequestCall>): Promise<Prediction>;
  /** Around the model: the variant is chosen, features are read and inputs are checked. */
  model?(call: ModelCall, next: Next<ModelCall>): Promise<Prediction>;
  /** When the server has drained, in the opposite order of opening. */
  close?(): Promise<void>;
}

type Layer<Call> = (call: Call, next: Next<Call>) => Promise<Prediction>;

/** The stages around what answers, the first outermost. Without any it is `answer` itself, which need make no promise. */
export function soonAround<Call>(
  layers: readonly Layer<Call>[],
  answer: (call: Call) => Soon<Prediction>,
): (call: Call) => Soon<Prediction> {
  if (layers.length === 0) return answer;
  // Stages are promised a promise, also for what is thrown.
  return layers.reduceRight<Next<Call>>(
    (next, layer) => (call) => layer(call, next),
    async (call) => answer(call),
  );
}
