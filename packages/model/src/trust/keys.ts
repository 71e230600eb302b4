import {
  type JsonWebKey,
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { keyInvalid } from "../trust-errors.ts";

/** An Ed25519 key: PEM (PKCS #8 or SPKI), a JSON Web Key (`kty: "OKP"`, `crv: "Ed25519"`), or a key of `node:crypto`. */
export type KeyMaterial = string | JsonWebKey | KeyObject;

/** Signs bytes elsewhere, where the private key does not leave: 64 bytes by Ed25519 (RFC 8032). */
export type SigningService = (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** A private key. Throws `MODEL_KEY_INVALID`; what it says holds nothing of the key. */
export function privateKey(material: KeyMaterial, passphrase?: string): KeyObject {
  return checked("private", () => {
    if (isKeyObject(material)) return material;
    if (typeof material === "string")
      return createPrivateKey({ key: material, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
    return createPrivateKey({ key: material, format: "jwk" });
  });
}

/** A public key; of a private one, the public half. Throws `MODEL_KEY_INVALID`. */
export function publicKey(material: KeyMaterial): KeyObject {
  return checked("public", () => {
    if (isKeyObject(material)) return material.type === "private" ? createPublicKey(material) : material;
    if (typeof material === "string") return createPublicKey({ key: material, format: "pem" });
    return createPublicKey({ key: material, format: "jwk" });
  });
}

function checked(type: "private" | "public", read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (error) {
    throw keyInvalid(`it cannot be read as a ${type} key`, error);
  }
  if (key.type !== type) throw keyInvalid(`it is a ${key.type} key, where a ${type} one is needed`);
  if (key.asymmetricKeyType !== "ed25519") throw keyInvalid(`it is of the type ${key.asymmetricKeyType}`);
  return key;
}

const isKeyObject = (value: unknown): value is KeyObject =>
  typeof value === "object" && value !== null && "asymmetricKeyType" in value && "export" in value;

/** SHA-256 of the public key's SubjectPublicKeyInfo in DER, in hexadecimal: what `openssl pkey -pubout -outform DER | sha256sum` says. */
export function keyFingerprint(key: KeyObject): string {
  const spki = (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("hex");
}

/** Ed25519 (RFC 8032) over the bytes themselves, without a hash before. */
export const ed25519Sign = (key: KeyObject, bytes: Uint8Array): Uint8Array => signBytes(null, bytes, key);

export const ed25519Verify = (key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean =>
  signature.length === 64 && verifyBytes(null, bytes, key, signature);
