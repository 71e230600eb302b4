/** Throws RangeError for what is no durability of a batch. */
export function checkDurability(durability: unknown): void {
  if (durability === undefined || durability === "full" || durability === "normal") return;
  throw new RangeError(`durability is full or normal, not ${JSON.stringify(durability)}.`);
}
