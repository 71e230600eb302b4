import type { InstrumentOptions, Labels } from "@millwright/contracts";

const defaultMaxSeries = 1000;
const overflow = "overflow";

/** @returns a function that makes an instrument the first time its name is asked for, and gives that one from then on. */
export function createOnce(): <Instrument extends object>(
  name: string,
  options: InstrumentOptions,
  make: () => Instrument,
) => Instrument {
  const made = new Map<string, object>();
  return <Instrument extends object>(name: string, options: InstrumentOptions, make: () => Instrument): Instrument => {
    checkInstrument(name, options);
    const known = made.get(name) as Instrument | undefined;
    const instrument = known ?? make();
    made.set(name, instrument);
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

/** @returns a function that gives the labels to count under: those named, or `overflow` in each once there are too many sets. */
export function boundSeries(
  labelNames: readonly string[],
  maxSeries: number = defaultMaxSeries,
): (labels: Labels | undefined) => Record<string, string> {
  const seen = new Set<string>();
  const beyond = Object.fromEntries(labelNames.map((name) => [name, overflow]));
  return (labels = {}) => {
    const known = labelNames.filter((name) => Object.hasOwn(labels, name));
    const key = JSON.stringify(known.map((name) => [name, labels[name]]));
    if (!seen.has(key)) {
      if (seen.size >= maxSeries) return beyond;
      seen.add(key);
    }
    return Object.fromEntries(known.map((name) => [name, String(labels[name])]));
  };
}
