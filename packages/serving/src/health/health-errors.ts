import { ServingError } from "../errors.ts";
import type { EndpointReadiness } from "./health.ts";

const loading = "its models are being loaded";

export const modelNotReady = (
  endpoint: string,
  { reason = loading, retryAfterMs }: Pick<EndpointReadiness, "reason" | "retryAfterMs">,
): ServingError =>
  new ServingError("SERVING_MODEL_NOT_READY", `The endpoint "${endpoint}" takes no requests yet: ${reason}.`, {
    category: "transient",
    remedy: "Ask again later, or another replica; `server.health()` and /v2/models/:model/ready tell why.",
    retryable: true,
    retryAfterMs,
  });

export const healthCheckLate = (timeoutMs: number): ServingError =>
  new ServingError("SERVING_MODEL_NOT_READY", `A model did not answer its golden requests within ${timeoutMs} ms.`, {
    category: "transient",
    remedy: "Look whether it hangs or has too much to do; a longer `timeoutMs` lets it take its time.",
    retryable: true,
  });
