// Two programs in turns, A B B A, and the median of their paired ratios with a bootstrap interval: a machine that slows down slows both.

/** A small seeded generator (mulberry32), so that every run asks for the same keys. */
export function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];

/** Processor microseconds of this process that a run takes: other programs on the machine count little in it. */
async function cpuMicros(run) {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/**
 * @param calls How many calls a run makes.
 * @returns medians of both in µs of processor time a call; the median ratio of first to second, with a 95 % interval from 10 000 resamplings.
 */
export async function pairedRatio(first, second, { pairs, calls }) {
  for (let warm = 0; warm < 5; warm++) {
    await first();
    await second();
  }
  const samples = [];
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? [first, second] : [second, first];
    const times = [await cpuMicros(order[0]), await cpuMicros(order[1])];
    samples.push(pair % 2 === 0 ? times : times.toReversed());
  }
  const ratios = samples.map(([one, other]) => one / other);
  const random = seededRandom(1);
  const resampled = Array.from({ length: 10_000 }, () =>
    median(ratios.map(() => ratios[Math.floor(random() * ratios.length)])),
  ).toSorted((one, other) => one - other);
  return {
    first: median(samples.map(([time]) => time)) / calls,
    second: median(samples.map(([, time]) => time)) / calls,
    ratio: median(ratios),
    low: resampled[250],
    high: resampled[9750],
  };
}
