import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { type JsonValue, canonicalJson } from "@millwright/contracts";
import { tokenUnreadable } from "./capture-errors.ts";

/** Makes tokens that only who may can turn back. */
export interface TokenVault {
  /** The token of a value of a field: equal values of a field have equal tokens. */
  tokenize(field: string, value: JsonValue): string;
  /** The value. Throws `SERVING_TOKEN_UNREADABLE`. */
  reveal(field: string, token: string): JsonValue;
}

/**
 * Keeps nothing: a token is the value itself, encrypted by AES-256-GCM under a nonce made of the field and the value by HMAC-SHA-256 (a synthetic IV, as in RFC 5297), so
 * that only equal values share one.
 * @param key At least 32 bytes, kept secret: with it tokens are turned back.
 */
export function createTokenVault({ key }: { readonly key: Uint8Array }): TokenVault {
  if (!(key instanceof Uint8Array && key.length >= 32))
    throw new RangeError("The vault needs a `key` of at least 32 bytes.");
  const derive = (use: string): Buffer => Buffer.from(hkdfSync("sha256", key, "millwright token vault", use, 32));
  const [encryption, nonces] = [derive("encryption"), derive("nonces")];
  return {
    tokenize(field, value) {
      const text = canonicalJson(value);
      const nonce = createHmac("sha256", nonces)
        .update(JSON.stringify([field, text]))
        .digest()
        .subarray(0, 12);
      const cipher = createCipheriv("aes-256-gcm", encryption, nonce).setAAD(Buffer.from(field, "utf8"));
      const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return `tok:${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url")}`;
    },
    reveal(field, token) {
      if (typeof token !== "string" || !/^tok:[\w-]{38,}$/.test(token)) throw tokenUnreadable("it is none");
      const bytes = Buffer.from(token.slice(4), "base64url");
      try {
        const decipher = createDecipheriv("aes-256-gcm", encryption, bytes.subarray(0, 12));
        decipher.setAAD(Buffer.from(field, "utf8")).setAuthTag(bytes.subarray(12, 28));
        return JSON.parse(
          Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8"),
        ) as JsonValue;
      } catch (error) {
        throw tokenUnreadable("it was changed, or made with another key or for another field", error);
      }
    },
  };
}
