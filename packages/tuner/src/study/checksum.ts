import { createHash } from "node:crypto";

/** What the checksum before the first entry of a study is. */
export const chainStart = "";

/** Of an entry's text and, through the one before, of all before it: SHA-256 in base64, the first 128 bits. */
export function checksumOf(previous: string, entry: string): string {
  return createHash("sha256").update(previous).update("\n").update(entry).digest("base64").slice(0, 22);
}
