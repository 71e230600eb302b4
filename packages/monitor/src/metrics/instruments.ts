import type { InstrumentOptions, Labels } from "@millwright/contracts";

const defaultMaxSeries = 1000;
const overflow = "overflow";

/** Most series of an instrument: the most that were asked for under its name. */
export interface SeriesBound {
  most: number;
}

/** @returns a function that makes an instrument the first time its name is asked for, and gives that one from then on. */
export function createOnce(): <Instrument extends object>(
  name: string,
  options: InstrumentOptions,
  make: (bound: SeriesBound) => Instrument,
) => Instrument {
  const made = new Map<string, { readonly instrument: object; readonly bound: SeriesBound }>();
  return <Instrument extends object>(
    name: string,
    options: InstrumentOptions,
    make: (bound: SeriesBound) => Instrument,
  ): Instrument => {
    checkInstrument(name, options);
    const { maxSeries: most = defaultMaxSeries } = options;
    const known = made.get(name);
    if (known !== undefined) {
      known.bound.most = Math.max(known.bound.most, most);
      return known.instrument as Instrument;
    }
    const bound = { most };
    const instrument = make(bound);
    made.set(name, { instrument, bound });
    return instrument;
  };
}

/** Prometheus takes no other names, and its client would answer the whole scrape with an error for a help that is no text. */
function checkInstrument(name: string, { help, labelNames = [] }: InstrumentOptions): void {
  if (typeof name !== "string" || !/^[A-Za-z_:][\w:]*$/.test(name))
    throw new RangeError(`An instrument cannot be called ${JSON.stringify(name)}: use letters, digits, _ and :.`);
  if (typeof help !== "string" || help === "") throw new RangeError(`The instrument "${name}" has no help.`);
  const odd = labelNames.find((label) => typeof label !== "string" || !/^[A-Za-z_]\w*$/.test(label));
  if (odd !== undefined) throw new RangeError(`A label of "${name}" cannot be called ${JSON.stringify(odd)}.`);
}

/** @returns a function that gives the labels to count under: those named, or `overflow` in each once there are too many sets. Frozen label sets are looked through once. */
export function boundSeries(
  labelNames: readonly string[],
  bound: SeriesBound,
): (labels: Labels | undefined) => Record<string, string> {
  const seen = new Set<string>();
  const beyond = Object.fromEntries(labelNames.map((name) => [name, overflow]));
  const known = new WeakMap<Labels, Record<string, string>>();
  return (labels = {}) => {
    const found = known.get(labels);
    if (found !== undefined) return found;
    const named = labelNames.filter((name) => Object.hasOwn(labels, name));
    const key = JSON.stringify(named.map((name) => [name, labels[name]]));
    if (!seen.has(key)) {
      if (seen.size >= bound.most) return beyond;
      seen.add(key);
    }
    const series = Object.fromEntries(named.map((name) => [name, String(labels[name])]));
    if (Object.isFrozen(labels)) known.set(labels, series);
    return series;
  };
}
