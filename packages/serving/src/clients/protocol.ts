import type { CallOptions, ModelSignature, Tensors } from "@millwright/contracts";

/** One asking of a model. */
export interface ProtocolCall {
  readonly signature: ModelSignature;
  /** Every input of the signature, checked. */
  readonly inputs: Tensors;
  /** The same for every attempt of one request. */
  readonly requestId: string;
  /** How long the caller still waits, milliseconds. */
  readonly timeoutMs: number;
  /** W3C Trace Context. */
  readonly traceparent?: string | undefined;
  /** The same for every attempt: a server that knows such keys answers once. */
  readonly idempotencyKey?: string | undefined;
}

/** Where an answer comes from, as far as the protocol tells it. */
export interface ReplyEvidence {
  /** As the server calls the request. */
  readonly requestId?: string | undefined;
  readonly model?: string | undefined;
  readonly version?: string | undefined;
  /** Of the model package. */
  readonly digest?: string | undefined;
  readonly variant?: string | undefined;
  /** Why another model answered in its place. */
  readonly degraded?: string | undefined;
}

export interface ProtocolReply {
  /** Every output of the signature. */
  readonly outputs: Tensors;
  readonly evidence: ReplyEvidence;
}

/** How a kind of server is asked: one driver for each. Drivers neither retry nor wait; they throw errors that say whether to. */
export interface ClientProtocol {
  /** What is asked, for messages: `late at http://…`. Without credentials. */
  readonly where: string;
  /**
   * Throws `SERVING_CLIENT_UNREACHABLE`, `SERVING_CLIENT_CONNECTION_LOST`, `SERVING_CLIENT_BUSY`, `SERVING_CLIENT_SERVER_FAILED`,
   * `SERVING_CLIENT_REFUSED`, `SERVING_CLIENT_ACCESS_DENIED`, `SERVING_CLIENT_MODEL_UNKNOWN`, `SERVING_CLIENT_ANSWER_INVALID`, and
   * `SERVING_INPUT_INVALID` for what the protocol cannot carry.
   */
  infer(call: ProtocolCall, options?: CallOptions): Promise<ProtocolReply>;
  /** Whether the model answers now; false where its server does not. */
  ready(options?: CallOptions): Promise<boolean>;
  /** Why the protocol cannot carry this signature; `undefined` where it can. */
  refuses?(signature: ModelSignature): string | undefined;
  /** The signature as the server tells it; absent where the protocol has none. Throws `SERVING_CLIENT_SIGNATURE_INVALID` and what `infer` throws. */
  describe?(options?: CallOptions): Promise<ModelSignature>;
}
