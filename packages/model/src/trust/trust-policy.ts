import type { KeyObject } from "node:crypto";
import { type Clock, type Digest, type ResolvedModel, systemClock } from "@millwright/contracts";
import {
  contentUnsafe,
  keyInvalid,
  packageRevoked,
  signatureInvalid,
  signatureMissing,
  signerUntrusted,
} from "../trust-errors.ts";
import { type SignatureEnvelope, inTotoPayload, signedBytes } from "./envelope.ts";
import { type KeyMaterial, ed25519Verify, keyFingerprint, publicKey } from "./keys.ts";
import { readStatement } from "./statement.ts";

/** A public key, and whose it is. */
export interface TrustedKey {
  /** Who signs with it: a person or a service. Several keys of one signer count once. */
  readonly signer: string;
  readonly key: KeyMaterial;
  /** As signatures name it. Default: the fingerprint, which is SHA-256 of the public key in DER, in hexadecimal. */
  readonly keyId?: string | undefined;
  /** It counts from then on; UTC milliseconds. Default: ever. */
  readonly notBeforeMs?: number | undefined;
  /** It counts until then. Default: for ever. */
  readonly notAfterMs?: number | undefined;
}

/** Whose signatures models of some names need. */
export interface TrustRule {
  /** A model's name, where `*` stands for any characters and `?` for one. */
  readonly models: string;
  readonly signers: readonly string[];
  /** How many of the signers must have signed. Default: 1. */
  readonly threshold?: number | undefined;
}

export interface TrustPolicyOptions {
  readonly keys: readonly TrustedKey[];
  /** The first that fits a name holds; a model that none fits is refused. Default: any of the keys, for every model. */
  readonly rules?: readonly TrustRule[] | undefined;
  /** Whether a package without any signature is refused. Default: true. */
  readonly requireSigned?: boolean | undefined;
  /** Key ids, fingerprints and packages' digests that count no longer. Read at each check, so a Set may grow. Default: none. */
  readonly revoked?: Iterable<string> | undefined;
  /** The formats that may be loaded. Default: every one. */
  readonly formats?: readonly string[] | undefined;
  /** By which keys are valid. Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

/** A signature that counted. */
export interface CountedSignature {
  readonly signer: string;
  readonly keyId: string;
  /** When it was made, as the signer says (ISO 8601). */
  readonly signedOn?: string | undefined;
}

/** Says whether a package may be loaded. */
export interface TrustPolicy {
  /**
   * Checks envelopes about a package whose bytes were verified against its digest. Both names that it goes by have to fit: the one it is asked for
   * under, and the one its manifest says. @returns the signatures that counted.
   * Throws `MODEL_SIGNATURE_MISSING`, `MODEL_SIGNATURE_INVALID`, `MODEL_SIGNER_UNTRUSTED`, `MODEL_PACKAGE_REVOKED`, and `MODEL_CONTENT_UNSAFE` for a format
   * that is not allowed.
   */
  check(
    model: Pick<ResolvedModel, "digest" | "manifest" | "name">,
    envelopes: readonly SignatureEnvelope[],
  ): readonly CountedSignature[];
}

interface HeldKey extends Omit<TrustedKey, "key" | "keyId"> {
  readonly key: KeyObject;
  readonly keyId: string;
  readonly fingerprint: string;
}

interface HeldRule extends TrustRule {
  readonly threshold: number;
}

/** Why a signature does not count: it is false, or it is of somebody who does not. */
interface Doubt {
  readonly kind: "invalid" | "untrusted";
  readonly problem: string;
}

/**
 * Whose signatures packages need before they are loaded: Ed25519 over DSSE envelopes of in-toto statements. Keys are judged by the time of the check.
 * Throws `MODEL_KEY_INVALID`, and a RangeError for a threshold that its signers cannot reach.
 */
export function createTrustPolicy(options: TrustPolicyOptions): TrustPolicy {
  const { requireSigned = true, revoked = [], formats, clock = systemClock } = options;
  const keys = heldKeys(options.keys);
  const rules = checkedRules(options.rules, keys);
  return {
    check(model, envelopes) {
      const gone = new Set(revoked);
      const { digest, manifest, name } = model;
      if (gone.has(digest)) throw packageRevoked(name, digest);
      if (formats !== undefined && !formats.includes(manifest.format))
        throw contentUnsafe(name, [
          `its format "${manifest.format}" is not one of those allowed (${formats.join(", ")})`,
        ]);
      if (envelopes.length === 0) {
        if (requireSigned) throw signatureMissing(name, digest);
        return [];
      }
      const judge = { keys, gone, nowMs: clock.nowMs() };
      const outcomes = envelopes.flatMap((envelope) => judgeEnvelope(envelope, model, judge));
      const counted = outcomes.filter((outcome): outcome is CountedSignature => "signer" in outcome);
      const doubts = outcomes.filter((outcome): outcome is Doubt => "kind" in outcome);
      if (!requireSigned) {
        const wrong = doubts.find(({ kind }) => kind === "invalid");
        if (wrong !== undefined) throw signatureInvalid(wrong.problem);
        return counted;
      }
      for (const each of new Set([name, manifest.name])) checkRule(each, rules, counted, doubts);
      return counted;
    },
  };
}

/** Throws `MODEL_SIGNATURE_INVALID` unless the envelope states the provenance of the package with that digest; whether its signatures hold is for a policy to say. */
export function checkEnvelope(envelope: SignatureEnvelope, digest: Digest): void {
  if (envelope.payloadType !== inTotoPayload)
    throw signatureInvalid(`its payload is of the type "${envelope.payloadType}"`);
  const statement = readStatement(Buffer.from(envelope.payload, "base64"), digest);
  if ("problem" in statement) throw signatureInvalid(statement.problem);
}

function heldKeys(keys: readonly TrustedKey[]): readonly HeldKey[] {
  const seen = new Map<string, string>();
  return keys.map(({ key: material, keyId, ...rest }) => {
    const key = publicKey(material);
    const fingerprint = keyFingerprint(key);
    const other = seen.get(fingerprint);
    // One key under two names would count for two signers.
    if (other !== undefined) throw keyInvalid(`it is given twice, for "${other}" and for "${rest.signer}"`);
    seen.set(fingerprint, rest.signer);
    return { ...rest, key, fingerprint, keyId: keyId ?? fingerprint };
  });
}

function checkedRules(rules: readonly TrustRule[] | undefined, keys: readonly HeldKey[]): readonly HeldRule[] {
  const everyone = [...new Set(keys.map(({ signer }) => signer))];
  return (rules ?? [{ models: "*", signers: everyone }]).map(({ models, signers, threshold = 1 }) => {
    const distinct = [...new Set(signers)];
    const stranger = distinct.find((signer) => !everyone.includes(signer));
    if (stranger !== undefined)
      throw new RangeError(`The rule for "${models}" names "${stranger}", who has no key among those given.`);
    if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > Math.max(1, distinct.length))
      throw new RangeError(
        `The threshold for "${models}" must be an integer from 1 to ${distinct.length}, the number of its signers; it is ${threshold}.`,
      );
    return { models, signers: distinct, threshold };
  });
}

function judgeEnvelope(
  envelope: SignatureEnvelope,
  { digest }: Pick<ResolvedModel, "digest">,
  {
    keys,
    gone,
    nowMs,
  }: { readonly keys: readonly HeldKey[]; readonly gone: ReadonlySet<string>; readonly nowMs: number },
): readonly (CountedSignature | Doubt)[] {
  const invalid = (problem: string): Doubt => ({ kind: "invalid", problem });
  if (envelope.payloadType !== inTotoPayload) return [invalid(`its payload is of the type "${envelope.payloadType}"`)];
  const payload = Buffer.from(envelope.payload, "base64");
  const message = signedBytes(envelope.payloadType, payload);
  const statement = readStatement(payload, digest);
  return envelope.signatures.map(({ keyid, sig }) => {
    const named = keys.filter(({ keyId }) => keyid === undefined || keyid === keyId);
    const known = keyid === undefined ? "no key that is trusted" : `the key ${keyid}`;
    if (named.length === 0) return { kind: "untrusted", problem: `nobody who is trusted has ${known}` };
    const key = named.find((each) => ed25519Verify(each.key, message, Buffer.from(sig, "base64")));
    if (key === undefined) return invalid(`it was not made over these bytes with ${known}`);
    if ("problem" in statement) return invalid(statement.problem);
    const problem = keyProblem(key, gone, nowMs);
    if (problem !== undefined) return { kind: "untrusted", problem };
    return { signer: key.signer, keyId: key.keyId, ...statement };
  });
}

function keyProblem(key: HeldKey, gone: ReadonlySet<string>, nowMs: number): string | undefined {
  const whose = `the key ${key.keyId} of "${key.signer}"`;
  if (gone.has(key.keyId) || gone.has(key.fingerprint)) return `${whose} was revoked`;
  if (nowMs < (key.notBeforeMs ?? -Infinity)) return `${whose} does not count before ${key.notBeforeMs} ms`;
  if (nowMs > (key.notAfterMs ?? Infinity)) return `${whose} counted until ${key.notAfterMs} ms, and it is ${nowMs} ms`;
  return undefined;
}

function checkRule(
  name: string,
  rules: readonly HeldRule[],
  counted: readonly CountedSignature[],
  doubts: readonly Doubt[],
): void {
  const rule = rules.find(({ models }) => matches(models, name));
  if (rule === undefined) throw signerUntrusted(name, `no rule of the policy is for "${name}"`);
  const signers = new Set(counted.map(({ signer }) => signer).filter((signer) => rule.signers.includes(signer)));
  if (signers.size >= rule.threshold) return;
  if (counted.length === 0 && doubts.every(({ kind }) => kind === "invalid"))
    throw signatureInvalid(doubts[0]?.problem ?? "there is none");
  const strangers = [...new Set(counted.map(({ signer }) => signer))].filter(
    (signer) => !rule.signers.includes(signer),
  );
  const reasons = [
    `${rule.threshold} of ${rule.signers.join(", ")} must sign "${name}", and ${signers.size === 0 ? "none" : [...signers].join(", ")} did`,
    ...strangers.map((signer) => `"${signer}" may not sign it`),
    ...doubts.map(({ problem }) => problem),
  ];
  throw signerUntrusted(name, reasons.join("; "));
}

/** Whether the name fits a pattern of `*` and `?`; in time that grows with the product of their lengths at most. */
function matches(pattern: string, name: string): boolean {
  let at = 0;
  let inName = 0;
  let star = -1;
  let resume = 0;
  while (inName < name.length) {
    if (pattern[at] === "*") {
      star = at++;
      resume = inName;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === name[inName])) {
      at += 1;
      inName += 1;
    } else if (star !== -1) {
      at = star + 1;
      inName = resume += 1;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}
