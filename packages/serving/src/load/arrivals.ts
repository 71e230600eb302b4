import type { Random } from "@millwright/contracts";

/** When requests are due, whatever the server does: what makes a load open. */
export interface Arrivals {
  /** For the report: `poisson 200/s`. */
  readonly description: string;
  /** The times, milliseconds from the start, growing; may be endless. */
  times(random: Random): Iterable<number>;
}

/** One request every `1000 / ratePerSecond` milliseconds. Throws a RangeError for a rate that is not above 0. */
export function constantArrivals(ratePerSecond: number): Arrivals {
  checkRate(ratePerSecond);
  return {
    description: `constant ${ratePerSecond}/s`,
    *times() {
      for (let index = 0; ; index += 1) yield (index * 1000) / ratePerSecond;
    },
  };
}

/** Independent callers: exponential gaps. Throws a RangeError for a rate that is not above 0. */
export function poissonArrivals(ratePerSecond: number): Arrivals {
  checkRate(ratePerSecond);
  return {
    description: `poisson ${ratePerSecond}/s`,
    *times(random) {
      for (let at = gap(random, ratePerSecond); ; at += gap(random, ratePerSecond)) yield at;
    },
  };
}

export interface BurstyOptions {
  /** Requests a second outside bursts, from 0. */
  readonly ratePerSecond: number;
  /** Requests a second within them. */
  readonly burstPerSecond: number;
  /** Mean length of a burst, milliseconds. */
  readonly burstMs: number;
  /** Mean time between bursts, milliseconds. */
  readonly quietMs: number;
}

/**
 * Callers that come in waves: a Poisson process whose rate changes between two values, each held for an exponential time (a Markov-modulated Poisson
 * process of two states; Fischer and Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", 1993). Begins quiet.
 */
export function burstyArrivals({ ratePerSecond, burstPerSecond, burstMs, quietMs }: BurstyOptions): Arrivals {
  if (!(ratePerSecond >= 0 && Number.isFinite(ratePerSecond)))
    throw new RangeError(`ratePerSecond must be at least 0, not ${ratePerSecond}.`);
  checkRate(burstPerSecond);
  for (const [name, ms] of Object.entries({ burstMs, quietMs }))
    if (!(ms > 0 && Number.isFinite(ms))) throw new RangeError(`${name} must be above 0, not ${ms}.`);
  return {
    description: `bursty ${ratePerSecond}/s and ${burstPerSecond}/s for ${burstMs} ms after ${quietMs} ms`,
    *times(random) {
      let at = 0;
      let bursting = false;
      let changesAt = gap(random, 1000 / quietMs);
      for (;;) {
        const rate = bursting ? burstPerSecond : ratePerSecond;
        const next = rate === 0 ? Number.POSITIVE_INFINITY : at + gap(random, rate);
        if (next <= changesAt) {
          at = next;
          yield at;
          continue;
        }
        // Without memory: what is left of the gap is drawn anew at the rate that begins.
        at = changesAt;
        bursting = !bursting;
        changesAt = at + gap(random, 1000 / (bursting ? burstMs : quietMs));
      }
    },
  };
}

export interface RampPhase {
  readonly durationMs: number;
  /** Requests a second at its beginning and at its end, from 0; between them the rate moves straight. */
  readonly from: number;
  readonly to: number;
}

/** A Poisson process whose rate follows phases, by thinning (Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979). Ends with them. */
export function rampArrivals(phases: readonly RampPhase[]): Arrivals {
  for (const { durationMs, from, to } of phases) {
    if (![durationMs, from, to].every((each) => each >= 0 && Number.isFinite(each)))
      throw new RangeError("Phases have durations and rates of at least 0.");
  }
  const highest = Math.max(0, ...phases.flatMap(({ from, to }) => [from, to]));
  if (highest === 0) throw new RangeError("A ramp needs a phase with a rate above 0.");
  return {
    description: `ramp ${phases.map(({ from, to, durationMs }) => `${from} to ${to}/s in ${durationMs} ms`).join(", ")}`,
    *times(random) {
      let startMs = 0;
      let at = 0;
      for (const { durationMs, from, to } of phases) {
        const endMs = startMs + durationMs;
        for (at = startMs + gap(random, highest); at < endMs; at += gap(random, highest)) {
          const rate = from + ((to - from) * (at - startMs)) / durationMs;
          if (random.next() * highest < rate) yield at;
        }
        startMs = endMs;
      }
    },
  };
}

/**
 * What was recorded, again.
 * @param timesMs When each request came, milliseconds, growing; the first one is due at the start.
 * @param speed 2 plays it in half the time. Above 0. Default: 1.
 */
export function traceArrivals(timesMs: readonly number[], speed = 1): Arrivals {
  checkRate(speed);
  const [first = 0] = timesMs;
  for (const [at, timeMs] of timesMs.entries()) {
    if (!(Number.isFinite(timeMs) && timeMs >= (timesMs[at - 1] ?? first)))
      throw new RangeError(`The time ${at} of the trace, ${timeMs}, is not after the one before.`);
  }
  return {
    description: `trace of ${timesMs.length} requests${speed === 1 ? "" : ` at ${speed} times its speed`}`,
    times: () => timesMs.map((timeMs) => (timeMs - first) / speed),
  };
}

/** An exponential gap, milliseconds. */
const gap = (random: Random, ratePerSecond: number): number => (-Math.log(1 - random.next()) * 1000) / ratePerSecond;

/** No process sends more; and times that do not grow would never end. */
const highestRate = 1e6;

function checkRate(rate: number): void {
  if (!(rate > 0 && rate <= highestRate))
    throw new RangeError(`A rate must be above 0 and at most ${highestRate}, not ${rate}.`);
}
