import { abortable, type CallOptions, type InstrumentOptions, type Labels, type Meter } from "@millwright/contracts";
import { Counter, Gauge, Histogram, type Metric, Registry } from "prom-client";

/** A meter whose instruments Prometheus can scrape. */
export interface PrometheusMeter extends Meter {
  readonly registry: Registry;
  /** The text of `/metrics`; answer it with `contentType`. */
  metrics(options?: CallOptions): Promise<string>;
  readonly contentType: string;
}

const defaultMaxSeries = 1000;
const overflow = "overflow";

/**
 * A meter on prom-client. Measuring never throws: what is no finite number, a counter that would fall, and unknown labels are left out. Label sets beyond
 * `maxSeries` are counted together under `overflow`, so that a label with endless values cannot fill the memory.
 * Making an instrument throws RangeError for a name, help or label that Prometheus does not take.
 * @param registry Default: a new one. Instruments that are there already under a name are used.
 */
export function createMeter(registry: Registry = new Registry()): PrometheusMeter {
  const once = createOnce();
  /** An instrument of the registry's that another meter made. */
  const existing = <Instrument extends Metric>(name: string): Instrument | undefined =>
    registry.getSingleMetric(name) as Instrument | undefined;
  return {
    registry,
    contentType: registry.contentType,
    async metrics({ signal } = {}) {
      signal?.throwIfAborted();
      return abortable(registry.metrics(), signal);
    },
    counter: (name, { help, labelNames = [], maxSeries }) =>
      once(name, { help, labelNames }, () => {
        const counter =
          existing<Counter>(name) ?? new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
        const series = boundSeries(labelNames, maxSeries);
        return {
          add(amount = 1, labels) {
            if (amount >= 0 && Number.isFinite(amount)) counter.inc(series(labels), amount);
          },
        };
      }),
    gauge: (name, { help, labelNames = [], maxSeries }) =>
      once(name, { help, labelNames }, () => {
        const gauge =
          existing<Gauge>(name) ?? new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
        const series = boundSeries(labelNames, maxSeries);
        return {
          set(value, labels) {
            if (!Number.isNaN(value)) gauge.set(series(labels), value);
          },
        };
      }),
    histogram: (name, { help, labelNames = [], maxSeries, buckets }) =>
      once(name, { help, labelNames }, () => {
        const options = {
          name,
          help,
          labelNames: [...labelNames],
          registers: [registry],
          ...(buckets === undefined ? {} : { buckets: [...buckets] }),
        };
        const histogram = existing<Histogram>(name) ?? new Histogram(options);
        const series = boundSeries(labelNames, maxSeries);
        return {
          observe(value, labels) {
            if (Number.isFinite(value)) histogram.observe(series(labels), value);
          },
        };
      }),
  };
}

/** @returns a function that makes an instrument the first time its name is asked for, and gives that one from then on. */
function createOnce(): <Instrument extends object>(
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
function boundSeries(
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
