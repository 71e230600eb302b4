import type { JsonObject } from "@millwright/contracts";
import { unauthenticated } from "./auth-errors.ts";

/** Who asks, as an authenticator found out. */
export interface Identity {
  /** What the `Authorizer` is asked for, and as whom features are read. */
  readonly principal: string;
  /** For whom the principal works. */
  readonly tenant?: string | undefined;
  /** What the credential was issued for. */
  readonly scopes?: readonly string[] | undefined;
  /** More that the `Authorizer` should see. */
  readonly attributes?: JsonObject | undefined;
}

/** The client's certificate, which TLS has verified: the members of Node's that are read. */
export interface ClientCertificate {
  readonly subject: { readonly CN?: string | readonly string[] | undefined };
  readonly subjectaltname?: string | undefined;
  readonly fingerprint256: string;
}

/** A request before anybody knows who sent it. */
export interface AuthenticationRequest {
  readonly method: string;
  /** Path and query as the client wrote them. */
  readonly target: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The certificate of the client, where the connection is TLS and the certificate was verified. */
  certificate(): ClientCertificate | undefined;
  /** The body as it was sent, within the server's limits; it is read only where somebody asks for it before access is granted. */
  body(): Promise<Uint8Array>;
  readonly signal: AbortSignal;
}

/**
 * Says who sent a request: `undefined` where it carries no credential of this kind. Throws `SERVING_UNAUTHENTICATED` where it carries one that is wrong,
 * `SERVING_QUOTA_EXCEEDED`.
 */
export type Authenticate = (request: AuthenticationRequest) => Identity | undefined | Promise<Identity | undefined>;

/** The first of several kinds of credential that a request carries; one that is wrong is refused, whatever else there is. */
export function firstOf(...authenticators: readonly Authenticate[]): Authenticate {
  if (authenticators.length === 0) throw new RangeError("firstOf needs at least one authenticator.");
  return async (request) => {
    for (const authenticate of authenticators) {
      const identity = await authenticate(request);
      if (identity !== undefined) return identity;
    }
    return undefined;
  };
}

/** Who sent a request. Throws `SERVING_UNAUTHENTICATED` also where nobody says. */
export async function identityOf(authenticate: Authenticate, request: AuthenticationRequest): Promise<Identity> {
  const identity = await authenticate(request);
  if (identity === undefined) throw unauthenticated("it carries no credential that is known here");
  return identity;
}

/** What an `Authorizer` is told beside the principal. */
export function attributesOf(identity: Identity | undefined): JsonObject {
  const { tenant, scopes, attributes } = identity ?? {};
  return {
    ...attributes,
    ...(tenant === undefined ? {} : { tenant }),
    ...(scopes === undefined ? {} : { scopes }),
  };
}
