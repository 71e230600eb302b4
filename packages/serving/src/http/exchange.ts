import type { HttpAnswer, HttpRequest } from "./http-message.ts";

/** A request over HTTP that was answered, as its bytes were. */
export interface Exchange {
  readonly endpoint: string;
  /** Absent where no variant was chosen for it. */
  readonly variant?: string | undefined;
  /** What `X-Amzn-SageMaker-Inference-Id` said. */
  readonly inferenceId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly input: { readonly contentType: string; readonly bytes: Uint8Array };
  readonly output: { readonly contentType: string; readonly bytes: Uint8Array | string };
}

/** Takes exchanges: never blocks, never throws, drops rather than grow without bound. */
export interface ExchangeSink {
  exchange(exchange: Exchange): void;
}

/** Tells of a request that was answered well; answers that are written as they are made are not told of. */
export function tellExchange(sink: ExchangeSink, endpoint: string, request: HttpRequest, answer: HttpAnswer): void {
  const { body, headers, status } = answer;
  if (status !== 200 || (typeof body !== "string" && !(body instanceof Uint8Array))) return;
  const asked = request.headers;
  sink.exchange({
    endpoint,
    variant: headers["x-amzn-invoked-production-variant"],
    inferenceId: asked["x-amzn-sagemaker-inference-id"],
    requestId: headers["x-request-id"],
    input: { contentType: asked["content-type"] ?? "", bytes: request.body },
    output: { contentType: headers["content-type"] ?? "", bytes: body },
  });
}
