import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type CallOptions, hasCode } from "@millwright/contracts";
import { writeFailure } from "../errors.ts";
import { signaturesName } from "../package-files.ts";
import { signatureInvalid } from "../trust-errors.ts";
import { type SignatureEnvelope, formatEnvelopes, parseEnvelopes } from "./envelope.ts";

const mostFileBytes = 100 << 20;

/** The envelopes beside the package's manifest, unchecked; none where it is not signed. Throws `MODEL_SIGNATURE_INVALID` for what cannot be read. */
export async function readSignatures(
  directory: string,
  { signal }: CallOptions = {},
): Promise<readonly SignatureEnvelope[]> {
  signal?.throwIfAborted();
  const path = join(resolve(directory), signaturesName);
  const text = await readIfFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return "";
    throw hasCode(error, "MODEL_SIGNATURE_INVALID")
      ? error
      : signatureInvalid(`"${path}" cannot be read: ${error.message}`, error);
  });
  return parseEnvelopes(text);
}

async function readIfFile(path: string): Promise<string> {
  const { size } = await stat(path).then((found) => (found.isFile() ? found : { size: Infinity }));
  if (size > mostFileBytes) throw signatureInvalid(`"${path}" is no file, or too large a one`);
  return readFile(path, "utf8");
}

/** Replaces the signatures in one step. */
export async function writeSignatures(directory: string, envelopes: readonly SignatureEnvelope[]): Promise<void> {
  const target = join(resolve(directory), signaturesName);
  // Beside the package and not in it, where a file left by a crash would be one that the manifest does not name.
  const partial = `${resolve(directory)}.signatures-${randomBytes(6).toString("hex")}`;
  try {
    const file = await open(partial, "wx");
    try {
      await file.writeFile(formatEnvelopes(envelopes));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw writeFailure(target, error);
  }
}
