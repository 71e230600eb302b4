import { ServingError } from "../errors.ts";

export const answerLate = (endpoint: string, timeoutMs: number): ServingError =>
  new ServingError("SERVING_ANSWER_LATE", `The endpoint "${endpoint}" took more than ${timeoutMs} ms.`, {
    category: "transient",
    remedy: "Ask again, or raise `timeoutMs` of its fallback.",
    retryable: true,
  });

export const circuitOpen = (endpoint: string): ServingError =>
  new ServingError(
    "SERVING_CIRCUIT_OPEN",
    `The endpoint "${endpoint}" has failed too often to be asked now, and no fallback knows an answer.`,
    {
      category: "transient",
      remedy: "Ask again later; look at why it fails, or end the chain of its fallback with `row`.",
      retryable: true,
    },
  );
