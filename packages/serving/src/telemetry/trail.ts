import type { Provenance } from "../engine/prediction.ts";
import type { Timings } from "../engine/timings.ts";

/** What is known of a request, for its answer's headers and its log lines, whatever comes of it. Filled in as it goes on. */
export interface Trail {
  requestId: string | undefined;
  traceparent: string | undefined;
  variant: string | undefined;
  model: Provenance["model"] | undefined;
  timings: Timings | undefined;
}

export const noTrail = (): Trail => ({
  requestId: undefined,
  traceparent: undefined,
  variant: undefined,
  model: undefined,
  timings: undefined,
});

/** The trails of requests that failed, by the object that holds a request's headers, of which each has its own. */
const failed = new WeakMap<object, Trail>();

export const rememberFailure = (headers: object, trail: Trail): void => {
  failed.set(headers, trail);
};

export const trailOf = (headers: object): Trail | undefined => failed.get(headers);
