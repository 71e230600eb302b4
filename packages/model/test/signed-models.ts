import { generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ModelProvenance, createManualClock } from "@millwright/contracts";
import { type TrustedKey, packModel, writeDenseModel } from "../src/index.ts";

export const startMs = 1_700_000_000_000;

export interface Signer {
  readonly signer: string;
  /** PEM. */
  readonly privateKey: string;
  /** PEM. */
  readonly publicKey: string;
  readonly trusted: TrustedKey;
}

export function newSigner(signer: string): Signer {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  return { signer, privateKey, publicKey, trusted: { signer, key: publicKey } };
}

/** A dense model of one layer that answers `slope · x`. */
export async function packLine(
  directory: string,
  {
    name = "late",
    slope = 2,
    provenance = {},
  }: { name?: string; slope?: number; provenance?: Partial<ModelProvenance> } = {},
): Promise<string> {
  const { files, signature } = writeDenseModel([{ kernel: [slope], bias: [0], activation: "linear" }]);
  await packModel(directory, {
    name,
    format: "dense",
    files,
    signature,
    provenance,
    clock: createManualClock(startMs),
  });
  return directory;
}

/** Turns one bit of the file. */
export async function flip(directory: string, file: string, at: number): Promise<void> {
  const bytes = await readFile(join(directory, file));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(join(directory, file), bytes);
}
