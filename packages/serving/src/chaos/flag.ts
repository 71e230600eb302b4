import { KeyObject, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import type { Clock } from "@millwright/contracts";
import { chaosForbidden } from "./chaos-errors.ts";
import { type FaultKind, isFaultKind } from "./faults.ts";

const audience = "millwright-chaos";

/** What a flag allows. */
export interface ChaosScope {
  /** Until when, UTC milliseconds. */
  readonly untilMs: number;
  /** Default: every kind. */
  readonly faults?: readonly FaultKind[] | undefined;
  /** Default: every endpoint. */
  readonly endpoints?: readonly string[] | undefined;
  /** Who answers for it, for the log. */
  readonly by?: string | undefined;
}

/** A signed flag, and the key that it is verified with. */
export interface ChaosFlag {
  /** From `signChaosFlag`: a JSON Web Token, `EdDSA` (RFC 8037), of the audience `millwright-chaos`. */
  readonly token: string;
  /** Ed25519, as PEM or a `KeyObject`. */
  readonly publicKey: string | KeyObject;
}

/**
 * Signs a flag that allows faults in production.
 * @param privateKey Ed25519, as PEM or a `KeyObject`: kept where game days are approved, not on the servers. Throws a TypeError for another key.
 */
export function signChaosFlag(scope: ChaosScope, privateKey: string | KeyObject): string {
  const { untilMs, faults, endpoints, by } = scope;
  if (!(typeof untilMs === "number" && Number.isFinite(untilMs)))
    throw new RangeError(`untilMs must be a time in UTC milliseconds, not ${String(untilMs)}.`);
  if (faults !== undefined && !(Array.isArray(faults) && faults.every(isFaultKind)))
    throw new TypeError("faults must be a list of kinds of faults.");
  if (endpoints !== undefined && !isNames(endpoints)) throw new TypeError("endpoints must be a list of names.");
  const key = keyOf(privateKey, createPrivateKey, "private");
  const claims = { aud: audience, exp: Math.floor(untilMs / 1000), faults, endpoints, sub: by };
  const text = `${encode({ alg: "EdDSA", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${sign(null, Buffer.from(text), key).toString("base64url")}`;
}

/** Throws `SERVING_CHAOS_FORBIDDEN` where the flag is not signed by the key, is over, or is for something else. */
export function verifyChaosFlag({ token, publicKey }: ChaosFlag, clock: Clock): ChaosScope {
  const parts = typeof token === "string" ? token.split(".") : [];
  const [header = "", payload = "", signature = ""] = parts;
  if (parts.length !== 3) throw chaosForbidden("the flag is no signed token");
  const key = keyOf(publicKey, createPublicKey, "public");
  if (decode(header)["alg"] !== "EdDSA") throw chaosForbidden("the flag is not signed with EdDSA");
  if (!verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url")))
    throw chaosForbidden("the flag's signature is not of this key");
  const { aud, exp, faults, endpoints, sub } = decode(payload);
  if (aud !== audience) throw chaosForbidden("the flag is for something else");
  if (typeof exp !== "number" || !(exp * 1000 > clock.nowMs())) throw chaosForbidden("the flag has expired");
  if (faults !== undefined && !(Array.isArray(faults) && faults.every(isFaultKind)))
    throw chaosForbidden("the flag names faults that there are not");
  if (endpoints !== undefined && !isNames(endpoints)) throw chaosForbidden("the flag names no endpoints");
  return { untilMs: exp * 1000, faults, endpoints, by: typeof sub === "string" ? sub : undefined };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function decode(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw chaosForbidden("the flag cannot be read", error);
  }
  throw chaosForbidden("the flag cannot be read");
}

const isNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");

function keyOf(given: string | KeyObject, parse: (pem: string) => KeyObject, what: string): KeyObject {
  const key = given instanceof KeyObject ? given : parsed(given, parse);
  if (key?.asymmetricKeyType !== "ed25519")
    throw new TypeError(`The ${what} key must be an Ed25519 key, as PEM or a KeyObject.`);
  return key;
}

function parsed(pem: string, parse: (pem: string) => KeyObject): KeyObject | undefined {
  try {
    return parse(pem);
  } catch {
    return undefined;
  }
}
