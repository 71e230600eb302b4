import { type Flight, features } from "./flights.ts";

/** Asks a remote model how likely flights are to be late. Rejects where it does not answer. */
export type Ask = (flights: readonly Flight[], options: { readonly requestId: string }) => Promise<Float64Array>;

async function accepted(answer: Response): Promise<Record<string, unknown>> {
  if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Record<string, unknown>;
}

const post = (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
    signal: AbortSignal.timeout(5000),
  });

/** The Open Inference Protocol: KServe, Triton, MLServer. */
export function askKserve(url: string, model: string): Ask {
  return async (flights, { requestId }) => {
    const inputs = features.map((name) => ({
      name,
      datatype: "FP64",
      shape: [flights.length],
      data: flights.map((flight) => flight[name]),
    }));
    const { outputs } = await accepted(await post(`${url}/v2/models/${model}/infer`, { id: requestId, inputs }));
    return Float64Array.from((outputs as readonly { readonly data: readonly number[] }[])[0]?.data ?? []);
  };
}

/**
 * SageMaker's runtime: `POST /endpoints/NAME/invocations`. AWS wants requests signed: give the `InvokeEndpointCommand` of
 * `@aws-sdk/client-sagemaker-runtime` the same body, and its `InferenceId` the request's id.
 */
export function askSageMaker(url: string, endpoint: string): Ask {
  return async (flights, { requestId }) => {
    const headers = { "x-amzn-sagemaker-inference-id": requestId };
    const answer = await post(`${url}/endpoints/${endpoint}/invocations`, { instances: flights }, headers);
    const { predictions } = await accepted(answer);
    return Float64Array.from((predictions as readonly (number | readonly number[])[]).flat());
  };
}
