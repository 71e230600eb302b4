import { type Authorizer, allowAll } from "@millwright/contracts";
import { forbidden } from "./errors.ts";
import type { HttpRequest } from "./message.ts";

/** What a face does for its callers. */
export type FeatureAction = "features:describe" | "features:materialize" | "features:push" | "features:read";

export interface AccessOptions {
  /**
   * Asked before a request is answered: `features:read` and `features:describe` on `feature-service/<name>`, `features:push` and
   * `features:materialize` on `feature-view/<name>`. Default: everybody may do everything.
   */
  readonly authorizer?: Authorizer | undefined;
  /** Who asks, by the request's headers (lower-case names). Default: nobody is known. */
  readonly principal?: ((headers: HttpRequest["headers"]) => string | undefined) | undefined;
}

export type CheckAccess = (
  request: Pick<HttpRequest, "headers" | "signal">,
  action: FeatureAction,
  resource: string,
) => Promise<void>;

/** @returns what throws `FEATURE_STORE_ACCESS_DENIED` where the caller may not. */
export function accessCheck({ authorizer = allowAll, principal }: AccessOptions): CheckAccess {
  return async ({ headers, signal }, action, resource) => {
    const decision = await authorizer.decide({ principal: principal?.(headers), action, resource }, { signal });
    if (!decision.allowed) throw forbidden(action, resource, decision.reason);
  };
}
