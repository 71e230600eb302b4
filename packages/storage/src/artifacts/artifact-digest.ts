import type { Digest } from "@millwright/contracts";

const digestForm = /^sha256:[0-9a-f]{64}$/;

export const isDigest = (text: string): text is Digest => digestForm.test(text);

/** The 64 hexadecimal digits of a digest, which are safe in any path. */
export function hexOf(digest: Digest): string {
  if (typeof digest !== "string" || !isDigest(digest))
    throw new RangeError(`"${String(digest)}" is no digest: sha256: and 64 lower-case hexadecimal digits.`);
  return digest.slice("sha256:".length);
}
