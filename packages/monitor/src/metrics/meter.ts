import { abortable, type CallOptions, type Meter } from "@millwright/contracts";
import { Counter, Gauge, Histogram, type Metric, Registry } from "prom-client";
import { boundSeries, createOnce } from "./instruments.ts";

/** A meter whose instruments Prometheus can scrape. */
export interface PrometheusMeter extends Meter {
  readonly registry: Registry;
  /** The text of `/metrics`; answer it with `contentType`. */
  metrics(options?: CallOptions): Promise<string>;
  readonly contentType: string;
}

/**
 * A meter on prom-client. Measuring never throws: what is no finite number, a counter that would fall, and unknown labels are left out. Label sets beyond
 * `maxSeries` are counted together under `overflow`, so that a label with endless values cannot fill the memory; where an instrument is asked for again, the larger bound holds.
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
      once(name, { help, labelNames, maxSeries }, (bound) => {
        const counter =
          existing<Counter>(name) ?? new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
        const series = boundSeries(labelNames, bound);
        return {
          add(amount = 1, labels) {
            if (amount >= 0 && Number.isFinite(amount)) counter.inc(series(labels), amount);
          },
        };
      }),
    gauge: (name, { help, labelNames = [], maxSeries }) =>
      once(name, { help, labelNames, maxSeries }, (bound) => {
        const gauge =
          existing<Gauge>(name) ?? new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
        const series = boundSeries(labelNames, bound);
        return {
          set(value, labels) {
            if (!Number.isNaN(value)) gauge.set(series(labels), value);
          },
          onRead: readersOf(gauge),
        };
      }),
    histogram: (name, { help, labelNames = [], maxSeries, buckets }) =>
      once(name, { help, labelNames, maxSeries }, (bound) => {
        const options = {
          name,
          help,
          labelNames: [...labelNames],
          registers: [registry],
          ...(buckets === undefined ? {} : { buckets: [...buckets] }),
        };
        const histogram = existing<Histogram>(name) ?? new Histogram(options);
        const series = boundSeries(labelNames, bound);
        return {
          observe(value, labels) {
            if (Number.isFinite(value)) histogram.observe(series(labels), value);
          },
        };
      }),
  };
}

/** What prom-client's gauges call before their values are taken. */
interface Collecting {
  collect?: ((this: Gauge) => void | Promise<void>) | undefined;
}

/** @returns a function that has others called when the gauge is read, beside what the gauge calls by itself. */
function readersOf(gauge: Gauge & Collecting): (tell: () => void) => () => void {
  let readers: Set<() => void> | undefined;
  const collect = (): Set<() => void> => {
    const told = new Set<() => void>();
    const own = gauge.collect;
    gauge.collect = function (this: Gauge) {
      const waited = own?.call(this);
      for (const tell of told) tell();
      return waited;
    };
    return told;
  };
  return (tell) => {
    const told = (readers ??= collect());
    // One of its own, so that the same function may ask twice.
    const reader = (): void => tell();
    told.add(reader);
    return () => void told.delete(reader);
  };
}
