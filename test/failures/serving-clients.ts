import { createManualClock } from "../../packages/contracts/dist/index.js";
import * as clients from "../../packages/serving/dist/clients.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signature = {
  inputs: [{ name: "x", dtype: "float32", shape: [-1, 2] }],
  outputs: [{ name: "y", dtype: "float32", shape: [-1] }],
} as const;
const inputs = { x: [[1, 2]] } as const;
const url = "http://models";
const answerOf = JSON.stringify({
  extensions: [],
  model_name: "late",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [1], data: [1] }],
});

/** Whatever is asked is answered by the same. */
const answering =
  (status: number, body: string, headers: Record<string, string> = {}): clients.ClientFetch =>
  async (_, { signal }) => {
    signal?.throwIfAborted();
    return new Response(body, { status, headers });
  };
const fetch = answering(200, answerOf);
const options = { protocol: clients.openInference({ url, model: "late", encoding: "json", fetch }), retries: false };
const invoker: clients.SageMakerRuntimeClient = {
  invokeEndpoint: () => Promise.resolve({ Body: Buffer.from('{"predictions":[1]}') }),
};

const failing = (given: clients.ClientFetch, more: Partial<clients.ModelClientOptions> = {}): (() => unknown) => {
  const protocol = clients.openInference({ url, model: "late", encoding: "json", fetch: given });
  return () => clients.createModelClient({ protocol, signature, retries: false, ...more }).predict(inputs);
};
const thrownBelow =
  (code: string): clients.ClientFetch =>
  () =>
    Promise.reject(Object.assign(new TypeError(code), { code }));

async function late(): Promise<void> {
  const clock = createManualClock();
  const never: clients.ClientFetch = (_, { signal }) =>
    new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error)));
  const asking = Promise.resolve(failing(never, { clock, deadlineMs: 10 })());
  asking.catch(() => {});
  await clock.advance(20);
  await asking;
}

/** What `@millwright/serving/clients` exports. */
export const clientSubjects = (): Subjects => {
  const client = clients.createModelClient({ ...options, signature, retries: false });
  const range = (call: () => unknown) => ({ RangeError: call });
  return {
    openInference: well(
      clients.openInference,
      () => [
        { url, model: "late", version: "1", encoding: "binary", halves: { x: "FP16" }, headers: { a: "b" }, fetch },
      ],
      range(() => clients.openInference({ url: "ftp://models", model: "late" })),
    ),
    millwrightServer: well(clients.millwrightServer, () => [{ url, endpoint: "late", version: "1", fetch }], {
      TypeError: () => clients.millwrightServer({ url, endpoint: "" }),
    }),
    tensorFlowServing: well(
      clients.tensorFlowServing,
      () => [{ url, model: "late", version: 1, label: "stable", signatureName: "scores", form: "rows", fetch }],
      range(() => clients.tensorFlowServing({ url, model: "late", version: "x" })),
    ),
    kserveV1: well(clients.kserveV1, () => [{ url, model: "late", fetch }]),
    bentoMl: well(clients.bentoMl, () => [{ url, route: "predict", fetch }]),
    openAi: well(
      clients.openAi,
      () => [{ url, model: "m", task: "chat", parameters: { seed: 1 }, parallel: 2, fetch }],
      range(() => clients.openAi({ url, model: "m", task: "chat", parameters: { stream: true } })),
    ),
    sageMaker: well(
      clients.sageMaker,
      () => [{ client: invoker, endpoint: "late", body: "rows", targetVariant: "a", sessionId: "s" }],
      range(() => clients.sageMaker({ client: invoker, endpoint: "late", body: "xml" as never })),
    ),
    generateClient: well(clients.generateClient, () => [signature, { name: "late", from: "here", importFrom: "x" }], {
      SERVING_CLIENT_SIGNATURE_INVALID: () => clients.generateClient({ inputs: [], outputs: [] }, { name: "late" }),
    }),
    createModelClient: well(
      clients.createModelClient,
      () => [
        {
          ...options,
          signature,
          deadlineMs: 100,
          attemptTimeoutMs: 50,
          retries: { attempts: 2, firstDelayMs: 1, mostDelayMs: 2, budget: 0.1 },
          hedge: { afterMs: 1, share: 0.1 },
          repeatable: true,
        },
      ],
      {
        RangeError: () => clients.createModelClient({ ...options, retries: false, signature, deadlineMs: 0 }),
        SERVING_CLIENT_SIGNATURE_INVALID: () =>
          clients.createModelClient({ ...options, retries: false, signature: { inputs: [], outputs: [] } }),
      },
    ),
    openModelClient: well(
      clients.openModelClient,
      () => [{ ...options }, { signal: new AbortController().signal }],
      {
        SERVING_CLIENT_SIGNATURE_INVALID: () =>
          clients.openModelClient({
            protocol: clients.openInference({ url, model: "late", fetch: answering(200, "{}") }),
          }),
      },
      30,
    ),
    ...methods("createModelClient()", () => client, {
      predict: [
        () => [
          inputs,
          {
            requestId: "r",
            deadlineMs: 1_000,
            traceparent: "t",
            idempotencyKey: "k",
            signal: new AbortController().signal,
          },
        ],
        {
          SERVING_INPUT_INVALID: () => client.predict({ x: [[1]] } as never),
          SERVING_CLIENT_ACCESS_DENIED: failing(answering(403, "{}")),
          SERVING_CLIENT_ANSWER_INVALID: failing(answering(200, "{}")),
          SERVING_CLIENT_BUSY: failing(answering(429, "{}", { "retry-after": "1" })),
          SERVING_CLIENT_CONNECTION_LOST: failing(thrownBelow("ECONNRESET")),
          SERVING_CLIENT_MODEL_UNKNOWN: failing(answering(404, "{}")),
          SERVING_CLIENT_REFUSED: failing(answering(400, "{}")),
          SERVING_CLIENT_SERVER_FAILED: failing(answering(500, "{}")),
          SERVING_CLIENT_TIMED_OUT: late,
          SERVING_CLIENT_UNREACHABLE: failing(thrownBelow("ECONNREFUSED")),
        },
      ],
      ready: [() => [{ signal: new AbortController().signal }]],
      check: [() => [{ signal: new AbortController().signal }]],
      stats: [],
    }),
  };
};
