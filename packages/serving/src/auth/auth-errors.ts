import { ServingError } from "../errors.ts";

export const authorityUnavailable = (cause: unknown): ServingError =>
  new ServingError("SERVING_AUTHORITY_UNAVAILABLE", "The keys that tokens are verified with cannot be read.", {
    category: "transient",
    remedy: "Ask again later; see that the issuer's `jwksUrl` can be reached.",
    retryable: true,
    cause,
  });

export const quotaExceeded = (principal: string, requests: number, perMs: number, waitMs: number): ServingError =>
  new ServingError("SERVING_QUOTA_EXCEEDED", `"${principal}" may send ${requests} requests in ${perMs} ms.`, {
    category: "quota",
    remedy: `Ask again in ${Math.ceil(waitMs)} ms.`,
    retryable: true,
    headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) },
  });

export const unauthenticated = (problem: string, challenge = "Bearer", cause?: unknown): ServingError =>
  new ServingError("SERVING_UNAUTHENTICATED", `Nobody knows who sent the request: ${problem}.`, {
    category: "user",
    remedy: "Send a valid credential.",
    headers: { "www-authenticate": challenge },
    cause,
  });
