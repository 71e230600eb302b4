/** Label values by label name; names are fixed when the instrument is made. */
export type Labels = Readonly<Record<string, string>>;

export interface InstrumentOptions {
  readonly help: string;
  /** Default: none. */
  readonly labelNames?: readonly string[] | undefined;
  /** Most distinct label combinations kept; further ones are counted under `overflow`. Default: 1,000; the largest holds where an instrument is asked for again. */
  readonly maxSeries?: number | undefined;
}

export interface HistogramOptions extends InstrumentOptions {
  /** Upper bounds, growing. Default: 0.001 to 10, for seconds. */
  readonly buckets?: readonly number[] | undefined;
}

export interface Counter {
  /** @param amount Not negative. Default: 1. */
  add(amount?: number, labels?: Labels): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
  /**
   * Has `tell` called each time before the gauge's values are taken, so that it sets what is so at that moment: for what would cost too much to set at every change. It is called as long as
   * the function that is returned was not, sets synchronously, and must not throw. Absent where values are not asked for when they are taken: what is so has to be set before.
   */
  onRead?(tell: () => void): () => void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** Makes instruments. Asking again for a name gives the instrument there is. Names follow Prometheus (`millwright_requests_total`). */
export interface Meter {
  counter(name: string, options: InstrumentOptions): Counter;
  gauge(name: string, options: InstrumentOptions): Gauge;
  histogram(name: string, options: HistogramOptions): Histogram;
}

/** Counts nothing: the default everywhere. */
export const silentMeter: Meter = {
  counter: () => ({ add: () => {} }),
  gauge: () => ({ set: () => {}, onRead: () => () => {} }),
  histogram: () => ({ observe: () => {} }),
};
