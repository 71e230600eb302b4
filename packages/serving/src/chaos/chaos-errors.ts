import { ServingError } from "../errors.ts";

export const chaosForbidden = (problem: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_CHAOS_FORBIDDEN", `Faults are not injected in production: ${problem}.`, {
    category: "user",
    remedy: "Give `flag` a token that `signChaosFlag` signed for these faults and endpoints, and that has not expired.",
    cause,
  });

export const faultInjected = (fault: string): ServingError =>
  new ServingError("SERVING_FAULT_INJECTED", `The fault "${fault}" was injected here.`, {
    category: "transient",
    remedy: "It is part of a game day: disarm the fault, or ask again.",
    retryable: true,
  });
