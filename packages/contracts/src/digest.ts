import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import type { Digest } from "./ids.ts";

/** SHA-256 of the bytes; of a string, of its UTF-8 bytes. */
export function digestOf(content: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(content).digest("hex")}` as Digest;
}

/** SHA-256 of the value's canonical JSON (RFC 8785): equal values give equal digests, whatever the order of their keys. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}

/** SHA-256 of bytes that come piece by piece. */
export interface DigestBuilder {
  update(bytes: Uint8Array): void;
  /** The digest of everything so far; more may follow. */
  digest(): Digest;
}

export function createDigestBuilder(): DigestBuilder {
  const hash = createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => `sha256:${hash.copy().digest("hex")}` as Digest,
  };
}
