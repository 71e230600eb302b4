/** Most distinct texts that may make a domain. */
export const largestDomain = 100;
/** Most distinct texts a value: with more, the next rows would bring new ones. */
const largestShare = 0.1;

/** True where so few distinct texts were met that the next one is likely one of them. */
export function isSmallDomain(distinct: number, count: number, maxSize: number = largestDomain): boolean {
  return distinct > 0 && distinct <= maxSize && distinct <= count * largestShare;
}
