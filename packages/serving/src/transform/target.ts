import type { CallOptions, Digest, PredictionSink } from "@millwright/contracts";
import type { ModelServerOptions } from "../model-server.ts";

/** What one invocation sends. */
export interface Invocation extends CallOptions {
  /** A stream where the object is sent without a limit of its payload. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly contentType: string;
  readonly accept: string | undefined;
  /** The same for the same records of the same job, whenever they are sent. */
  readonly requestId: string;
}

export interface InvocationAnswer {
  readonly status: number;
  readonly body: Uint8Array;
  /** What the target asks to wait before the next try, milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** What a container says of how it wants to be asked: the body of `GET /execution-parameters`. */
export interface ExecutionParameters {
  readonly maxConcurrentTransforms?: number | undefined;
  readonly batchStrategy?: "SingleRecord" | "MultiRecord" | undefined;
  readonly maxPayloadInMB?: number | undefined;
}

/** What transforms mini-batches of records: a model in this process, or a server of SageMaker's container contract. */
export interface TransformTarget {
  /** In messages and in the manifest: `late/3`, `http://localhost:8080`. */
  readonly name: string;
  /** The model, where it is known: the manifest names its digest, and an unfinished job goes on with no other. */
  readonly model?:
    | { readonly name: string; readonly version?: number | undefined; readonly digest: Digest }
    | undefined;
  /** @returns `undefined` where the target says nothing. */
  executionParameters?(options?: CallOptions): Promise<ExecutionParameters | undefined>;
  /** Answers with any status; throws where there was no answer. */
  invoke(invocation: Invocation): Promise<InvocationAnswer>;
}

/** A model package, asked in this process as an endpoint would ask it: the same parsing, checks, transforms and features. */
export interface TransformModelOptions extends Pick<
  ModelServerOptions,
  "source" | "runtimes" | "features" | "redactor" | "meter" | "clock" | "ids" | "logger"
> {
  /** `late@champion` (what it means when the job starts), `late/3`. */
  readonly model: string;
  /** Takes inputs and outputs of every mini-batch, their request ids begin with the job's name. Default: none. */
  readonly predictions?: PredictionSink | undefined;
  /** How captured predictions and metrics call it. Default: `"transform"`. */
  readonly endpoint?: string | undefined;
  /** The feature service that answers entities. Default: the one the model was trained on. */
  readonly featureService?: string | undefined;
  /** What happens when its definition is not the one the model was trained on. Default: `"refuse"`. */
  readonly onFeatureMismatch?: "refuse" | "warn" | undefined;
}

/** Loads the model as an endpoint does, golden requests and all; dispose it. Throws what `openModelServer` throws. */
export async function openModelTarget(
  options: TransformModelOptions,
  { signal }: CallOptions = {},
): Promise<TransformTarget & AsyncDisposable> {
  const { source, runtimes, model: ref, endpoint = "transform", featureService, onFeatureMismatch, ...rest } = options;
  const resolved = await source.resolve(ref, { signal });
  const { name, version, digest } = resolved;
  // Only now: who asks a server somewhere else need not load one.
  const { openModelServer } = await import("../model-server.ts");
  const server = await openModelServer({
    ...rest,
    // An alias that moves meanwhile must not change the model of the job.
    source: { resolve: () => Promise.resolve(resolved), watch: source.watch.bind(source) },
    runtimes,
    endpoints: {
      [endpoint]: {
        variants: { main: { model: ref, weight: 1 } },
        featureService,
        onFeatureMismatch,
        maxQueueRows: Number.MAX_SAFE_INTEGER,
      },
    },
    maxBodyBytes: Number.MAX_SAFE_INTEGER,
    watch: false,
    signal,
  });
  return {
    name: version === undefined ? name : `${name}/${version}`,
    model: { name, ...(version === undefined ? {} : { version }), digest },
    async invoke(invocation) {
      const response = await server.handle(requestOf("http://transform/invocations", invocation));
      return answerOf(response);
    },
    [Symbol.asyncDispose]: () => server.drain(),
  };
}

export interface HttpTargetOptions {
  /** Sent with every invocation: an authorization, for instance. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Default: the platform's. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
}

/**
 * Any server of SageMaker's container contract, at the address before `/invocations`: a container of SageMaker's, Millwright, MLflow's
 * `models serve`. Told how to be asked by `GET /execution-parameters` where it has that.
 */
export function createHttpTarget(url: string, options: HttpTargetOptions = {}): TransformTarget {
  const { headers = {}, fetch = (request) => globalThis.fetch(request) } = options;
  const base = url.replace(/\/+$/, "");
  return {
    name: base,
    async executionParameters({ signal } = {}) {
      const response = await fetch(
        new Request(`${base}/execution-parameters`, { headers, ...(signal === undefined ? {} : { signal }) }),
      );
      if (!response.ok) {
        await response.body?.cancel();
        return undefined;
      }
      return parseExecutionParameters(await response.json().catch(() => undefined));
    },
    invoke: async (invocation) => answerOf(await fetch(requestOf(`${base}/invocations`, invocation, headers))),
  };
}

const strategies: Readonly<Record<string, "SingleRecord" | "MultiRecord">> = {
  SINGLE_RECORD: "SingleRecord",
  MULTI_RECORD: "MultiRecord",
  SingleRecord: "SingleRecord",
  MultiRecord: "MultiRecord",
};

/** What is not said or makes no sense is left to the defaults. */
function parseExecutionParameters(value: unknown): ExecutionParameters | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const told = value as Readonly<Record<string, unknown>>;
  const number = (name: string, least: number): number | undefined =>
    typeof told[name] === "number" && told[name] >= least ? told[name] : undefined;
  return {
    maxConcurrentTransforms: number("MaxConcurrentTransforms", 1),
    batchStrategy: strategies[String(told["BatchStrategy"])],
    maxPayloadInMB: number("MaxPayloadInMB", 0),
  };
}

function requestOf(url: string, invocation: Invocation, headers: Readonly<Record<string, string>> = {}): Request {
  const { body, contentType, accept, requestId, signal } = invocation;
  const whole = body instanceof Uint8Array;
  return new Request(url, {
    method: "POST",
    headers: {
      ...headers,
      "content-type": contentType,
      ...(accept === undefined ? {} : { accept }),
      "x-amzn-sagemaker-inference-id": requestId,
    },
    body: (whole ? body : ReadableStream.from(body)) as never,
    ...(whole ? {} : { duplex: "half" }),
    ...(signal === undefined ? {} : { signal }),
  } as never);
}

async function answerOf(response: Response): Promise<InvocationAnswer> {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return {
    status: response.status,
    body: new Uint8Array(await response.arrayBuffer()),
    ...(seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}
