import { type CallOptions, type Clock, type ResolvedModel, systemClock } from "@millwright/contracts";
import { keyInvalid } from "../trust-errors.ts";
import { verifyModel } from "../verify-model.ts";
import { type SignatureEnvelope, inTotoPayload, signedBytes } from "./envelope.ts";
import { type KeyMaterial, type SigningService, ed25519Sign, keyFingerprint, privateKey } from "./keys.ts";
import { readSignatures, writeSignatures } from "./signature-file.ts";
import { statementBytes, statementOf } from "./statement.ts";
import type { CountedSignature, TrustPolicy } from "./trust-policy.ts";

export interface SignModelOptions extends CallOptions {
  /** The private key, or what signs with it elsewhere. */
  readonly key: KeyMaterial | SigningService;
  /** What verifiers look the key up by. Default: the fingerprint; needed where the key is elsewhere. */
  readonly keyId?: string | undefined;
  /** Of a key in encrypted PEM. */
  readonly passphrase?: string | undefined;
  /** URI of what made the package, for its provenance. Default: that of this package. */
  readonly builder?: string | undefined;
  /** For the time of the signature. Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

/**
 * Signs a package that was verified: a DSSE envelope around an in-toto statement that names the package's digest and, as SLSA provenance, what its manifest
 * says it was made from. Throws `MODEL_KEY_INVALID`.
 */
export async function createSignature(
  model: Pick<ResolvedModel, "digest" | "manifest">,
  options: SignModelOptions,
): Promise<SignatureEnvelope> {
  const { signal, clock = systemClock, builder = "https://www.npmjs.com/package/@millwright/model" } = options;
  signal?.throwIfAborted();
  const payload = statementBytes(statementOf(model, { builder, signedTimeMs: clock.nowMs() }));
  const { keyId, sign } = signerOf(options);
  const signature = await sign(signedBytes(inTotoPayload, payload));
  signal?.throwIfAborted();
  if (signature.length !== 64)
    throw keyInvalid(`a signature by Ed25519 has 64 bytes, and what signs gave ${signature.length}`);
  return {
    payloadType: inTotoPayload,
    payload: Buffer.from(payload).toString("base64"),
    signatures: [{ keyid: keyId, sig: Buffer.from(signature).toString("base64") }],
  };
}

function signerOf({ key, keyId, passphrase }: SignModelOptions): {
  readonly keyId: string;
  readonly sign: SigningService;
} {
  if (typeof key === "function") {
    if (keyId === undefined) throw keyInvalid("a key that is elsewhere needs a `keyId`");
    return { keyId, sign: key };
  }
  const held = privateKey(key, passphrase);
  return { keyId: keyId ?? keyFingerprint(held), sign: (bytes) => ed25519Sign(held, bytes) };
}

/**
 * Verifies the package, signs it, and writes the signature beside its manifest, into `manifest.intoto.jsonl`, one envelope a line; an earlier one with the
 * same key id gives way. The package's digest stays. Throws `PORT_MODEL_CORRUPT`, `MODEL_CONTENT_UNSAFE`, `MODEL_KEY_INVALID`, `MODEL_WRITE_FAILED`.
 */
export async function signModel(directory: string, options: SignModelOptions): Promise<SignatureEnvelope> {
  const model = await verifyModel(directory, { signal: options.signal });
  const envelope = await createSignature(model, options);
  const present = await readSignatures(directory, { signal: options.signal });
  const keyId = envelope.signatures[0]?.keyid;
  const kept = present.filter(({ signatures }) => !signatures.every(({ keyid }) => keyid === keyId));
  await writeSignatures(directory, [...kept, envelope]);
  return envelope;
}

/** What a package's signatures are worth. */
export interface SignatureReport extends ResolvedModel {
  /** Those that counted; none where the policy lets a package go unsigned. */
  readonly signatures: readonly CountedSignature[];
}

/** Verifies every byte of the package and its signatures against the policy. Throws as `verifyModel` and as `TrustPolicy.check` do. */
export async function verifySignature(
  directory: string,
  trust: TrustPolicy,
  { signal }: CallOptions = {},
): Promise<SignatureReport> {
  const model = await verifyModel(directory, { signal });
  return { ...model, signatures: trust.check(model, await readSignatures(directory, { signal })) };
}
