import type { Logger } from "@millwright/contracts";
import type { Route } from "./endpoint.ts";
import type { Prediction } from "./prediction.ts";
import type { RequestCall } from "./stage.ts";

/** One request that a variant of the endpoint answered or failed at, where the variant was chosen by weight. */
export interface ObservedAnswer {
  readonly call: RequestCall;
  readonly route: Route;
  /** The routes it was chosen among. */
  readonly routes: readonly Route[];
  readonly latencyMs: number;
  /** Absent where it failed. */
  readonly answer?: Prediction | undefined;
}

/** Tells of an answer, unless its caller named the variant or hung up: then it says nothing about it. What the observer throws is logged. */
export function tellObserver(observer: (seen: ObservedAnswer) => void, seen: ObservedAnswer, logger: Logger): void {
  const { variant, signal } = seen.call.request;
  if (variant !== undefined || signal?.aborted === true) return;
  try {
    observer(seen);
  } catch (error) {
    logger.warn({ endpoint: seen.call.endpoint, error }, "an answer could not be counted");
  }
}
