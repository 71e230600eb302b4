import { hashSeed } from "@millwright/contracts";
import { variantUnknown } from "../errors.ts";
import type { PredictRequest } from "./prediction.ts";

/** A variant as traffic sees it. */
export interface Share {
  readonly name: string;
  /** Relative to the other variants'; 0 takes no traffic but may be asked for by name. */
  readonly weight: number;
}

/**
 * The variant of a key, by weighted rendezvous hashing: each variant draws `-weight / ln(u)` from the hash of the key and its own name, and the
 * greatest wins. The same key gives the same variant, shares are the weights', and when weights change only as many keys move as must.
 * (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005, logarithmic method.)
 */
export function pickVariant<Variant extends Share>(
  variants: readonly Variant[],
  key: string,
  seed: number,
): Variant | undefined {
  let best: Variant | undefined;
  let bestScore = 0;
  for (const variant of variants) {
    if (variant.weight <= 0) continue;
    if (variants.length === 1) return variant;
    // Two hashes make 52 bits, so that u is neither 0 nor 1.
    const high = hashSeed(`${variant.name} ${key}`, seed);
    const low = hashSeed(key, high) >>> 12;
    const u = (high * 0x100000 + low + 0.5) / 0x10000000000000;
    const score = -variant.weight / Math.log(u);
    if (score > bestScore) {
      best = variant;
      bestScore = score;
    }
  }
  return best;
}

/** The variant that a request goes to. Throws `SERVING_VARIANT_UNKNOWN`. */
export function routeOf<Variant extends Share>(
  endpoint: string,
  variants: readonly Variant[],
  { variant, stickyKey, entities }: PredictRequest,
  { requestId, seed }: { readonly requestId: string; readonly seed: number },
): Variant {
  const known = (): readonly string[] => variants.map(({ name }) => name);
  if (variant !== undefined) {
    const found = variants.find(({ name }) => name === variant);
    if (found === undefined) throw variantUnknown(endpoint, variant, known());
    return found;
  }
  const [only] = variants;
  if (only !== undefined && variants.length === 1) return only;
  const picked = pickVariant(variants, stickyKey ?? entityKey(entities) ?? requestId, seed);
  if (picked === undefined) throw variantUnknown(endpoint, "any with a weight", known());
  return picked;
}

/** The first entity's keys as text, whatever their order. */
export function entityKey(entities: PredictRequest["entities"]): string | undefined {
  const [first] = entities ?? [];
  if (first === null || typeof first !== "object") return undefined;
  return Object.entries(first)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => `${name}=${String(value)}`)
    .join("&");
}
