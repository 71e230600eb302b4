import { open } from "node:fs/promises";
import { type CallOptions, createDigestBuilder, type Digest, digestOf } from "@millwright/contracts";
import { specInvalid } from "../errors.ts";
import type { FileParts } from "./fetch-request.ts";

/** What a file is, to be published beside it: whoever fetches it checks every part as it comes. JSON-safe. */
export interface FileDescription {
  readonly digest: Digest;
  readonly parts: FileParts;
}

/** Reads a file of this machine and digests it, whole and in parts. Throws `JOBS_SPEC_INVALID`, what opening it throws. */
export async function describeFile(
  path: string,
  {
    partBytes = 8 * 2 ** 20,
    signal,
  }: CallOptions & { /** Default: 8 MiB. */ readonly partBytes?: number | undefined } = {},
): Promise<FileDescription> {
  signal?.throwIfAborted();
  if (!(Number.isSafeInteger(partBytes) && partBytes >= 1 && partBytes <= 2 ** 30))
    throw specInvalid("partBytes", partBytes, "a whole number from 1 to 1,073,741,824");
  const file = await open(path, "r");
  try {
    const whole = createDigestBuilder();
    const digests: Digest[] = [];
    const part = Buffer.allocUnsafe(partBytes);
    let sizeBytes = 0;
    for (;;) {
      signal?.throwIfAborted();
      let filled = 0;
      while (filled < partBytes) {
        const { bytesRead } = await file.read(part, filled, partBytes - filled, sizeBytes + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled === 0) break;
      const bytes = part.subarray(0, filled);
      whole.update(bytes);
      digests.push(digestOf(bytes));
      sizeBytes += filled;
    }
    return { digest: whole.digest(), parts: { sizeBytes, partBytes, digests } };
  } finally {
    await file.close();
  }
}
