import { utf8Bytes, bytesOfBase64 } from "./bytes.ts";
import { EdgeError } from "./edge-error.ts";

/** A DSSE envelope, as it is embedded. */
export interface EdgeEnvelope {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly { readonly keyid?: string | undefined; readonly sig: string }[];
}

/** An Ed25519 public key: PEM (SPKI), or a JSON Web Key. */
export type EdgePublicKey = string | { readonly kty: string; readonly crv: string; readonly x: string };

interface Subtle {
  importKey(
    format: "jwk" | "spki",
    key: unknown,
    algorithm: { readonly name: "Ed25519" },
    extractable: boolean,
    usages: readonly "verify"[],
  ): Promise<object>;
  verify(
    algorithm: { readonly name: "Ed25519" },
    key: object,
    signature: Uint8Array,
    bytes: Uint8Array,
  ): Promise<boolean>;
}

const untrusted = (problem: string, remedy: string, cause?: unknown): EdgeError =>
  new EdgeError("MODEL_SIGNATURE_INVALID", `The signature does not hold: ${problem}.`, remedy, { cause });

/** Throws `MODEL_SIGNATURE_INVALID` unless one of the keys has signed a statement about these contents. */
export async function checkSignatures(
  envelopes: readonly EdgeEnvelope[],
  contentDigest: string,
  keys: readonly EdgePublicKey[],
): Promise<void> {
  const subtle = (globalThis as unknown as { readonly crypto?: { readonly subtle?: Subtle } }).crypto?.subtle;
  if (subtle === undefined)
    throw untrusted(
      "there is no crypto.subtle here to check it with",
      "Serve the page over HTTPS or from localhost, or load the model without keys.",
    );
  if (envelopes.length === 0) throw untrusted("the model is not signed", "Export it with a key.");
  for (const key of keys) {
    const imported = await importEdgeKey(subtle, key);
    for (const { payloadType, payload, signatures } of envelopes) {
      const statement = bytesOfBase64(payload);
      const head = utf8Bytes(`DSSEv1 ${utf8Bytes(payloadType).length} ${payloadType} ${statement.length} `);
      const signed = new Uint8Array(head.length + statement.length);
      signed.set(head);
      signed.set(statement, head.length);
      for (const { sig } of signatures)
        if (
          (await subtle.verify({ name: "Ed25519" }, imported, bytesOfBase64(sig), signed)) &&
          isAbout(statement, contentDigest)
        )
          return;
    }
  }
  throw untrusted("none of the keys has signed these contents", "Take the model from where it was signed once more.");
}

async function importEdgeKey(subtle: Subtle, key: EdgePublicKey): Promise<object> {
  try {
    if (typeof key !== "string") return await subtle.importKey("jwk", key, { name: "Ed25519" }, false, ["verify"]);
    const der = bytesOfBase64(key.replace(/-----[^-]*-----/g, "").replace(/\s/g, ""));
    return await subtle.importKey("spki", der, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    throw untrusted(
      "a key cannot be read, or Ed25519 is not known here",
      "Give an Ed25519 public key as PEM or JWK.",
      error,
    );
  }
}

/** Statements are JSON in ASCII: what is not was not written by us. */
function isAbout(statement: Uint8Array, contentDigest: string): boolean {
  let text = "";
  for (const byte of statement) text += String.fromCharCode(byte);
  const { subject } = JSON.parse(text) as {
    readonly subject?: readonly { readonly digest?: { readonly sha256?: string } }[];
  };
  return Array.isArray(subject) && subject.some(({ digest }) => digest?.sha256 === contentDigest);
}
