import type { HttpAnswer, HttpRequest } from "./http-message.ts";

/** A request that was answered, as its bytes were over HTTP; over gRPC, and of a stream, as they would be written in JSON. */
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

/** What was asked and answered in another form than text, or part by part. */
export interface WrittenExchange extends Omit<Exchange, "input" | "output"> {
  readonly contentType: string;
  /** Called at most once, when somebody reads it: most sinks take a sample. Neither throws. */
  readonly asked: () => string;
  readonly answered: () => string;
}

/** Tells of one whose text is written for the sink alone. */
export function tellWritten(sink: ExchangeSink, { contentType, asked, answered, ...told }: WrittenExchange): void {
  const side = <Bytes>(write: () => Bytes): { readonly contentType: string; readonly bytes: Bytes } => {
    let written: { readonly bytes: Bytes } | undefined;
    return {
      contentType,
      get bytes() {
        return (written ??= { bytes: write() }).bytes;
      },
    };
  };
  sink.exchange({ ...told, input: side(() => Buffer.from(asked())), output: side(answered) });
}

/** Tells of a request that was answered well; answers that are written as they are made are told of where they are made. */
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
