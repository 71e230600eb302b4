import { type Authorizer, allowAll, hasCode } from "@millwright/contracts";
import { type ActorOptions, createActors } from "../actors.ts";
import type { MlflowRequest } from "./message.ts";
import { MlflowRefusal } from "./refusal.ts";
import type { MlflowAction } from "./route.ts";

/** What a client says it is: `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`. */
export type MlflowCredentials =
  | { readonly scheme: "basic"; readonly user: string; readonly password: string }
  | { readonly scheme: "bearer"; readonly token: string };

export interface MlflowAccessOptions extends ActorOptions {
  /**
   * Asked before a request is answered: `registry:read`, `registry:write` or `registry:delete` on `experiment/<id>`, `run/<id>`, `model/<name>`,
   * `logged-model/<id>` or `artifact/<path>`; `*` for many. Default: everybody may do everything.
   */
  readonly authorizer?: Authorizer | undefined;
  /**
   * Who has these credentials; undefined: nobody, and the request is refused. The name goes to the authorizer and into the events. Default: credentials
   * are not looked at, and nobody is known.
   */
  readonly authenticate?:
    | ((credentials: MlflowCredentials) => string | undefined | Promise<string | undefined>)
    | undefined;
}

export interface Access {
  /** Whom the events of a change name. Throws a refusal where that must be somebody, and is nobody. */
  actor(principal: string | undefined, action: MlflowAction): string | undefined;
  /** Throws a refusal for credentials that nobody has. */
  principal(headers: MlflowRequest["headers"]): Promise<string | undefined>;
  /** Throws a refusal where the principal may not. */
  check(principal: string | undefined, action: string, resource: string, signal: AbortSignal): Promise<void>;
}

export function createAccess({ authorizer = allowAll, authenticate, ...options }: MlflowAccessOptions): Access {
  const actors = createActors(options);
  return {
    actor(principal, action) {
      if (action === "read") return actors.asking(principal);
      try {
        return actors.acting(principal);
      } catch (error) {
        if (!hasCode(error, "REGISTRY_ACTOR_MISSING")) throw error;
        throw new MlflowRefusal("UNAUTHENTICATED", `Every change must name who makes it. ${howToSay}`);
      }
    },
    async principal(headers) {
      const credentials = authenticate === undefined ? undefined : credentialsOf(headers["authorization"]);
      if (authenticate === undefined || credentials === undefined) return undefined;
      const principal = await authenticate(credentials);
      if (principal === undefined) throw new MlflowRefusal("UNAUTHENTICATED", "Nobody has these credentials.");
      return principal;
    },
    async check(principal, action, resource, signal) {
      if (authorizer === allowAll) return;
      const decision = await authorizer.decide({ principal, action, resource }, { signal });
      if (decision.allowed) return;
      const message = `${action} on ${resource} is not allowed: ${decision.reason}.`;
      if (principal === undefined) throw new MlflowRefusal("UNAUTHENTICATED", `${message} ${howToSay}`);
      throw new MlflowRefusal("PERMISSION_DENIED", message);
    },
  };
}

const howToSay = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.";

/** Throws a refusal for a header that cannot be read. */
function credentialsOf(header: string | undefined): MlflowCredentials | undefined {
  if (header === undefined) return undefined;
  const [, scheme = "", value = ""] = /^(\S+) +(\S+)$/.exec(header.trim()) ?? [];
  if (scheme.toLowerCase() === "bearer") return { scheme: "bearer", token: value };
  const text = scheme.toLowerCase() === "basic" ? Buffer.from(value, "base64").toString("utf8") : "";
  const colon = text.indexOf(":");
  if (colon === -1) throw new MlflowRefusal("UNAUTHENTICATED", "The authorization header cannot be read.");
  return { scheme: "basic", user: text.slice(0, colon), password: text.slice(colon + 1) };
}
