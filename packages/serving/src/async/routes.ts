import type { Authorizer } from "@millwright/contracts";
import { forbidden } from "../errors.ts";
import { type HttpAnswer, type HttpRequest, type HttpRoute, type StreamedRequest, json } from "../http/http-message.ts";
import { asyncInvalid, asyncUnknown } from "./async-errors.ts";
import type { AsyncJob } from "./async-job.ts";
import type { AsyncInference, AsyncRequest } from "./async-options.ts";

type Asked = Pick<HttpRequest, "headers" | "params" | "signal" | "identity">;

/** SageMaker's `InvokeEndpointAsync`, and what says how it stands. */
export function asyncRoutes(
  inference: Pick<AsyncInference, "submit" | "describe" | "cancel">,
  authorizer: Authorizer | undefined,
): readonly HttpRoute[] {
  const path = "/endpoints/:endpoint/async-invocations";
  const enter = async ({ params, identity, signal }: Asked): Promise<string> => {
    const endpoint = params["endpoint"] ?? "";
    const asked = { principal: identity?.principal, action: "endpoint:invoke", resource: `endpoint/${endpoint}` };
    const decision = await authorizer?.decide(asked, { signal });
    if (decision?.allowed === false) throw forbidden(endpoint, decision.reason);
    return endpoint;
  };
  const found = async (request: HttpRequest): Promise<AsyncJob> => {
    const endpoint = await enter(request);
    const id = request.params["id"] ?? "";
    const job = await inference.describe(id, { signal: request.signal });
    // One endpoint's requests are none of another's callers' business.
    if (job === undefined || job.endpoint !== endpoint) throw asyncUnknown(id);
    return job;
  };
  const invoke = async (request: Asked, body: AsyncRequest["body"]): Promise<HttpAnswer> => {
    const endpoint = await enter(request);
    const job = await inference.submit(endpoint, requestOf(request.headers, body), { signal: request.signal });
    return json({ InferenceId: job.id }, 202, {
      "x-amzn-sagemaker-outputlocation": job.outputLocation,
      "x-amzn-sagemaker-failurelocation": job.failureLocation,
    });
  };
  return [
    {
      method: "POST",
      path,
      handle: (request) => invoke(request, request.body),
      stream: { wants: () => true, handle: (request: StreamedRequest) => invoke(request, request.chunks) },
    },
    { method: "GET", path: `${path}/:id`, handle: async (request) => json(await found(request)) },
    {
      method: "DELETE",
      path: `${path}/:id`,
      handle: async (request) => json(await inference.cancel((await found(request)).id, { signal: request.signal })),
    },
  ];
}

const amazon = "x-amzn-sagemaker-";

function requestOf(headers: HttpRequest["headers"], body: AsyncRequest["body"]): AsyncRequest {
  const inputLocation = headers[`${amazon}inputlocation`];
  if (inputLocation !== undefined && !/^(?:https|s3|file):\/\/./.test(inputLocation))
    throw asyncInvalid(
      "the header X-Amzn-SageMaker-InputLocation names no URL",
      "Give s3://bucket/key, or what `payloads` reads.",
    );
  return {
    ...(inputLocation === undefined ? { body } : { inputLocation }),
    contentType: headers[`${amazon}content-type`] ?? headers["content-type"],
    accept: headers[`${amazon}accept`] ?? headers["accept"],
    customAttributes: headers[`${amazon}custom-attributes`],
    inferenceId: headers[`${amazon}inference-id`],
    idempotencyKey: headers["idempotency-key"],
    priority: numberOf(headers["x-millwright-priority"], "X-Millwright-Priority", 1),
    ttlMs: numberOf(headers[`${amazon}requestttlseconds`], "X-Amzn-SageMaker-RequestTTLSeconds", 1000),
    timeoutMs: numberOf(
      headers[`${amazon}invocationtimeoutseconds`],
      "X-Amzn-SageMaker-InvocationTimeoutSeconds",
      1000,
    ),
  };
}

function numberOf(text: string | undefined, name: string, unit: number): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw asyncInvalid(`the header ${name} is no whole number`, "Give digits alone.");
  return Number(text) * unit;
}
