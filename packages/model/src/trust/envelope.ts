import { signatureInvalid } from "../trust-errors.ts";

/**
 * A signed statement: DSSE, the Dead Simple Signing Envelope 1.0 (https://github.com/secure-systems-lab/dsse), as in-toto, SLSA and Sigstore write it.
 * Its JSON is what goes over wires and into files.
 */
export interface SignatureEnvelope {
  /** `application/vnd.in-toto+json`. */
  readonly payloadType: string;
  /** The statement's bytes in base64. */
  readonly payload: string;
  readonly signatures: readonly {
    /** Which key it is of: a hint, and no more. */
    readonly keyid?: string | undefined;
    /** The signature in base64, over the payload and its type. */
    readonly sig: string;
  }[];
}

export const inTotoPayload = "application/vnd.in-toto+json";

const mostBytes = 1 << 20;
const mostEnvelopes = 100;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** DSSE's pre-authentication encoding: what is signed. */
export function signedBytes(payloadType: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Reads an envelope's JSON, or checks one that was parsed. Throws `MODEL_SIGNATURE_INVALID`. */
export function parseEnvelope(value: unknown): SignatureEnvelope {
  const parsed = typeof value === "string" ? parseJson(value) : value;
  const problem = envelopeProblem(parsed);
  if (problem !== undefined) throw signatureInvalid(`an envelope ${problem}`);
  const { payloadType, payload, signatures } = parsed as SignatureEnvelope;
  return {
    payloadType,
    payload,
    signatures: signatures.map(({ keyid, sig }) => (keyid === undefined ? { sig } : { keyid, sig })),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw signatureInvalid("an envelope is no JSON", error);
  }
}

function envelopeProblem(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "is no object";
  const { payloadType, payload, signatures } = value as Partial<Record<keyof SignatureEnvelope, unknown>>;
  if (typeof payloadType !== "string") return "has no payloadType";
  if (typeof payload !== "string" || payload.length > mostBytes || !base64.test(payload))
    return "has no payload in base64";
  if (!Array.isArray(signatures) || signatures.length === 0 || signatures.length > mostEnvelopes)
    return `has no list of 1 to ${mostEnvelopes} signatures`;
  const isSignature = (each: unknown): boolean => {
    if (typeof each !== "object" || each === null) return false;
    const { keyid, sig } = each as { readonly keyid?: unknown; readonly sig?: unknown };
    return (
      (keyid === undefined || (typeof keyid === "string" && keyid.length <= 1024)) &&
      typeof sig === "string" &&
      sig.length <= 1024 &&
      base64.test(sig)
    );
  };
  return signatures.every(isSignature) ? undefined : "has a signature that is not in base64";
}

/** Envelopes of a JSON Lines file, one a line. Throws `MODEL_SIGNATURE_INVALID`. */
export function parseEnvelopes(text: string): readonly SignatureEnvelope[] {
  if (text.length > mostEnvelopes * mostBytes) throw signatureInvalid("the file of signatures is too large");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length > mostEnvelopes) throw signatureInvalid(`there are more than ${mostEnvelopes} envelopes`);
  return lines.map(parseEnvelope);
}

export const formatEnvelopes = (envelopes: readonly SignatureEnvelope[]): string =>
  envelopes.map((envelope) => `${JSON.stringify(envelope)}\n`).join("");
