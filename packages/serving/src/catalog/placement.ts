import { hashSeed } from "@millwright/contracts";

export interface Replica {
  readonly name: string;
  /** Relative to the others'. Default: 1. */
  readonly weight?: number | undefined;
}

export interface PlaceTenantOptions {
  /** How many replicas a tenant has: what it does is felt on these alone. Default: 1. */
  readonly copies?: number | undefined;
  /** Places with equal seeds agree. Default: 0. */
  readonly seed?: number | undefined;
}

/**
 * The replicas of a tenant, the first choice first, by weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA 2005): whoever asks
 * gets the same, a replica that leaves moves its own tenants alone, and one that comes takes its share of them. With several copies tenants seldom have all of them in
 * common (shuffle sharding). Throws a `RangeError` for weights that are not more than 0 and copies below 1.
 */
export function placeTenant(
  tenant: string,
  replicas: readonly Replica[],
  { copies = 1, seed = 0 }: PlaceTenantOptions = {},
): readonly string[] {
  if (!Number.isSafeInteger(copies) || copies < 1) throw new RangeError(`copies must be at least 1, not ${copies}.`);
  return replicas
    .map(({ name, weight = 1 }) => {
      if (!(weight > 0 && Number.isFinite(weight)))
        throw new RangeError(`The weight of the replica "${name}" must be more than 0, not ${weight}.`);
      // Two hashes make 52 bits, so that u is neither 0 nor 1.
      const high = hashSeed(`${name} ${tenant}`, seed);
      const low = hashSeed(tenant, high) >>> 12;
      const u = (high * 0x100000 + low + 0.5) / 0x10000000000000;
      return { name, score: -weight / Math.log(u) };
    })
    .toSorted((left, right) => right.score - left.score || (left.name < right.name ? -1 : 1))
    .slice(0, copies)
    .map(({ name }) => name);
}
