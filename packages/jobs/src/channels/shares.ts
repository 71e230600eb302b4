import { createRandom, hashSeed } from "@millwright/contracts";

/** Who is given what of a channel. */
export interface ChannelShare {
  /** Of this host among all, from 0. */
  readonly index: number;
  readonly count: number;
  /** Of `ShuffleConfig`; undefined where the order stays. */
  readonly seed?: number | undefined;
}

/**
 * The places, in a list of `length`, of what a host is given in an epoch, in their order. Pure: the shares of all hosts in an epoch are disjoint, and together
 * the whole list. Shuffled, by Fisher and Yates, before it is shared out: another epoch may give a host something else.
 */
export function placesOf(length: number, { index, count, seed }: ChannelShare, epoch: number): readonly number[] {
  const places = Array.from({ length }, (_, place) => place);
  if (seed !== undefined) {
    const random = createRandom(hashSeed(`channel:${seed}:${epoch}`));
    for (let last = length - 1; last > 0; last -= 1) {
      const other = random.integer(last + 1);
      [places[last], places[other]] = [places[other] as number, places[last] as number];
    }
  }
  return places.filter((_, place) => place % count === index);
}
