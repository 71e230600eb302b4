import { type Clock, systemClock } from "@millwright/contracts";
import { authorityUnavailable, unauthenticated } from "./auth-errors.ts";
import type { Authenticate, Identity } from "./authenticate.ts";

/** What a token claims. */
export type TokenClaims = Readonly<Record<string, unknown>>;

/** The members of the library `jose` that are called: `import * as jose from "jose"`. */
export interface JoseLibrary<Keys> {
  createRemoteJWKSet(
    url: URL,
    options?: { readonly cooldownDuration?: number; readonly timeoutDuration?: number },
  ): Keys;
  jwtVerify(
    token: string,
    keys: Keys,
    options: {
      issuer: string | string[];
      audience: string | string[];
      algorithms: string[];
      clockTolerance: number;
      currentDate: Date;
      requiredClaims: string[];
    },
  ): Promise<{ readonly payload: TokenClaims }>;
}

export interface BearerTokensOptions<Keys> {
  readonly jose: JoseLibrary<Keys>;
  /** Where the issuer publishes its keys (JWKS). They are kept, and read again when a token names one that is not among them. */
  readonly jwksUrl: string | URL;
  readonly issuer: string;
  readonly audience: string;
  /** Default: those with public keys that are in use: RS256, PS256, ES256, ES384, EdDSA. */
  readonly algorithms?: readonly string[] | undefined;
  /** How far clocks may be apart, seconds. Default: 30. */
  readonly clockToleranceSeconds?: number | undefined;
  /** How long the keys are not read again after they were, milliseconds. Default: 30,000. */
  readonly jwksCooldownMs?: number | undefined;
  /** Who it is. Default: `sub`, the claim `tenant` or `tid`, and the words of `scope` or `scp`. */
  readonly identityOf?: ((claims: TokenClaims) => Identity | undefined) | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

/** Knows callers by signed tokens (JWT of OpenID Connect) in `Authorization: Bearer`, verified with the keys that their issuer publishes. */
export function bearerTokens<Keys>(options: BearerTokensOptions<Keys>): Authenticate {
  const { jose, issuer, audience, clockToleranceSeconds = 30, jwksCooldownMs = 30_000, clock = systemClock } = options;
  const { algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA"], identityOf = identityOfClaims } = options;
  if (algorithms.length === 0) throw new RangeError("bearerTokens needs at least one algorithm.");
  const keys = jose.createRemoteJWKSet(new URL(options.jwksUrl), { cooldownDuration: jwksCooldownMs });
  return async ({ headers }) => {
    const token = /^bearer +(\S+)$/i.exec(headers["authorization"] ?? "")?.[1];
    if (token === undefined) return undefined;
    let claims: TokenClaims;
    try {
      ({ payload: claims } = await jose.jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: [...algorithms],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(clock.nowMs()),
        requiredClaims: ["exp"],
      }));
    } catch (error) {
      throw refusalOf(error);
    }
    const identity = identityOf(claims);
    if (identity === undefined) throw unauthenticated("its token names nobody", bearerChallenge);
    return identity;
  };
}

const bearerChallenge = 'Bearer error="invalid_token"';

/** What jose says of a token; that the issuer's keys cannot be read is not the caller's fault. */
function refusalOf(error: unknown): Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ERR_JWT_EXPIRED") return unauthenticated("its token has expired", bearerChallenge, error);
  const ofToken = /^ERR_(JWT|JWS|JWE|JOSE_ALG|JOSE_NOT|JWKS_NO_MATCHING|JWKS_MULTIPLE)/.test(code);
  return ofToken ? unauthenticated("its token does not hold", bearerChallenge, error) : authorityUnavailable(error);
}

function identityOfClaims(claims: TokenClaims): Identity | undefined {
  const { sub, tenant, tid, scope, scp } = claims;
  if (typeof sub !== "string" || sub === "") return undefined;
  const words = scope ?? scp;
  const scopes =
    typeof words === "string"
      ? words.split(" ").filter((word) => word !== "")
      : Array.isArray(words)
        ? words.map(String)
        : [];
  const works = [tenant, tid].find((each) => typeof each === "string");
  return { principal: sub, scopes, ...(typeof works === "string" ? { tenant: works } : {}) };
}
