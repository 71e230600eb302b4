import { createHash } from "node:crypto";
import type { ModelSignature, TensorSpec } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";
import { schemaMismatch } from "../errors.ts";
import type { HttpCaller } from "../http/http-message.ts";

const hashes = new WeakMap<ModelSignature, string>();

/** The SHA-256 of a signature: names, element types and shapes of inputs and outputs, in their order. */
export function schemaHash(signature: ModelSignature): string {
  const kept = hashes.get(signature);
  if (kept !== undefined) return kept;
  const plain = ({ name, dtype, shape }: TensorSpec): unknown => [name, dtype, shape];
  const text = JSON.stringify([signature.inputs.map(plain), signature.outputs.map(plain)]);
  const hash = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  hashes.set(signature, hash);
  return hash;
}

/** The header by which a client says for which signature it was written, and the server for which it answers. */
export const schemaHeader = "x-millwright-schema";

/** Refuses a request that was written for another signature than that of the variants that may answer it. Throws `SERVING_SCHEMA_MISMATCH`. */
export function checkSchema(endpoint: Endpoint, headers: HttpCaller["headers"], variant?: string): void {
  const asked = headers[schemaHeader];
  if (asked === undefined) return;
  for (const { name, weight, slot } of endpoint.routes) {
    if (variant === undefined ? weight === 0 : name !== variant) continue;
    const served = schemaHash(slot.served.resolved.manifest.signature);
    if (served !== asked) throw schemaMismatch(endpoint.name, asked.slice(0, 80), served);
  }
}
