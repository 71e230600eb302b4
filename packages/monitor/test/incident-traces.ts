import { createRandom, type Random } from "@millwright/contracts";
import type { TraceMinute } from "../src/slo.ts";

/** What went wrong, and when, in minutes of the trace. */
export interface Incident {
  readonly from: number;
  readonly until: number;
  /** Share of events that are bad. */
  readonly ratio: number;
}

export interface Trace {
  readonly name: string;
  readonly minutes: readonly TraceMinute[];
  readonly incidents: readonly Incident[];
}

const day = 1440;

/** Events of a minute by a daily cycle, with noise. */
const trafficAt = (minute: number, perMinute: number, random: Random): number =>
  Math.max(
    0,
    Math.round(perMinute * (1 + 0.5 * Math.sin((2 * Math.PI * minute) / day)) + Math.sqrt(perMinute) * random.normal()),
  );

/** How many of `total` are bad, each by itself. */
function binomial(total: number, ratio: number, random: Random): number {
  if (ratio <= 0) return 0;
  if (ratio >= 1) return total;
  let bad = 0;
  for (let each = 0; each < total; each += 1) if (random.next() < ratio) bad += 1;
  return bad;
}

interface TraceShape {
  readonly perMinute: number;
  readonly incidents: readonly Incident[];
  /** Minutes of which nothing could be read: the process was gone, so that nothing happened in them either. */
  readonly gaps?: readonly (readonly [from: number, until: number])[];
  readonly background?: number;
}

function traceOf(name: string, length: number, shape: TraceShape, random: Random): Trace {
  const { perMinute, incidents, gaps = [], background = 0.0002 } = shape;
  const minutes = Array.from({ length }, (_, index): TraceMinute => {
    if (gaps.some(([from, until]) => index >= from && index < until)) return undefined;
    // What comes back is looked at before it is asked.
    if (gaps.some(([, until]) => index === until)) return { bad: 0, total: 0 };
    const ratio = incidents.reduce(
      (most, each) => (index >= each.from && index < each.until ? Math.max(most, each.ratio) : most),
      background,
    );
    const total = trafficAt(index, perMinute, random);
    return { bad: binomial(total, ratio, random), total };
  });
  return { name, minutes, incidents };
}

type Shape = (random: Random, length: number) => TraceShape;

const between = (random: Random, low: number, high: number): number => low + Math.floor(random.next() * (high - low));

const shapes: Readonly<Record<string, Shape>> = {
  outage: (random, length) => {
    const from = between(random, 60, length - 200);
    return {
      perMinute: between(random, 20, 80),
      incidents: [{ from, until: from + between(random, 3, 90), ratio: 1 }],
    };
  },
  "partial outage": (random, length) => {
    const from = between(random, 60, length - 300);
    const ratio = 0.02 + 0.3 * random.next();
    return { perMinute: between(random, 40, 90), incidents: [{ from, until: from + between(random, 20, 240), ratio }] };
  },
  "slow burn": (random, length) => ({
    perMinute: between(random, 60, 100),
    incidents: [{ from: between(random, 60, 200), until: length, ratio: 0.0015 + 0.008 * random.next() }],
  }),
  flapping: (random, length) => {
    const every = between(random, 8, 40);
    const first = between(random, 60, 120);
    const incidents = Array.from({ length: Math.floor((length - first) / every) }, (_, turn) => ({
      from: first + turn * every,
      until: first + turn * every + between(random, 1, Math.max(2, every / 2)),
      ratio: 0.02 + 0.5 * random.next(),
    }));
    return { perMinute: between(random, 20, 60), incidents };
  },
  gaps: (random, length) => {
    const from = between(random, 100, length - 400);
    const gaps = Array.from({ length: 6 }, () => {
      const start = between(random, 30, length - 60);
      return [start, start + between(random, 1, 50)] as const;
    });
    return {
      perMinute: between(random, 30, 80),
      incidents: [{ from, until: from + 200, ratio: 0.05 + 0.9 * random.next() }],
      gaps,
    };
  },
  "low traffic": (random, length) => {
    const from = between(random, 100, length - 400);
    return {
      perMinute: 0.3 + 2 * random.next(),
      background: 0.004,
      incidents: [{ from, until: from + 240, ratio: 0.3 + 0.7 * random.next() }],
    };
  },
  quiet: (random) => ({ perMinute: between(random, 30, 90), incidents: [] }),
};

export const traceKinds = Object.keys(shapes);

/** A trace of this kind; the same for the same seed. */
export function incidentTrace(kind: string, seed: number, length: number): Trace {
  const random = createRandom(seed).fork(kind);
  const shape = shapes[kind];
  if (shape === undefined) throw new RangeError(`No trace is of the kind ${kind}.`);
  return traceOf(`${kind} ${seed}`, length, shape(random, length), random);
}
