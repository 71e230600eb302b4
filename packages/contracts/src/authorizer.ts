import type { CallOptions } from "./call-options.ts";
import type { JsonObject, JsonValue } from "./json.ts";

export interface AccessRequest {
  /** Who asks; `undefined` when nobody said. */
  readonly principal: string | undefined;
  /** `endpoint:invoke`, `model:approve`, … */
  readonly action: string;
  /** `endpoint/late`, `model/late/3`, … */
  readonly resource: string;
  readonly attributes?: JsonObject | undefined;
}

export type AccessDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; /** Fit to be shown to the one who asked. */ readonly reason: string };

/** Decides who may do what. */
export interface Authorizer {
  decide(request: AccessRequest, options?: CallOptions): Promise<AccessDecision>;
}

/** Lets everybody do everything: the embedded default. */
export const allowAll: Authorizer = {
  async decide(_request, { signal } = {}) {
    signal?.throwIfAborted();
    return { allowed: true };
  },
};

/** Masks what must not be written down. */
export interface Redactor {
  /** @returns a copy without what is sensitive, of the same shape. */
  redact(name: string, value: JsonValue): JsonValue;
}

/** Masks the values of the named fields wholly. */
export function redactFields(sensitive: Iterable<string>): Redactor {
  const names = new Set(sensitive);
  return { redact: (name, value) => (names.has(name) && value !== null ? "[redacted]" : value) };
}
