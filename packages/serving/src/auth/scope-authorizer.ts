import type { Authorizer } from "@millwright/contracts";

/** Allows an action to whoever's credential has its scope: `scopeAuthorizer({ "endpoint:invoke": "predict" })`. Actions without one are refused. */
export function scopeAuthorizer(scopes: Readonly<Record<string, string>>): Authorizer {
  return {
    async decide({ principal, action, attributes }, { signal } = {}) {
      signal?.throwIfAborted();
      const needed = Object.hasOwn(scopes, action) ? scopes[action] : undefined;
      const held = attributes?.["scopes"];
      if (principal !== undefined && needed !== undefined && Array.isArray(held) && held.includes(needed))
        return { allowed: true };
      return {
        allowed: false,
        reason: needed === undefined ? `nobody may ${action}` : `it needs the scope "${needed}"`,
      };
    },
  };
}
