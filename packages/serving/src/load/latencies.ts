import { type QuantileSketch, createQuantileSketcher, quantileOf } from "@millwright/data";

/** How long things took, milliseconds. All 0 where there were none. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Takes latencies and forgets the order they came in: percentiles within 0.2 % of the value, whatever their range, from a sketch that merges. */
export interface LatencyRecorder {
  add(ms: number): void;
  /** The latency that the share of `rank` did not exceed. 0 where there is none. */
  percentile(rank: number): number;
  summary(): LatencySummary;
  /** For merging with those of other processes. */
  sketch(): QuantileSketch;
}

export function createLatencyRecorder(): LatencyRecorder {
  const sketcher = createQuantileSketcher(16_384);
  const block = new Float64Array(1024);
  let filled = 0;
  let count = 0;
  let sum = 0;
  let max = 0;
  const flush = (): void => {
    sketcher.addAll(block, filled);
    filled = 0;
  };
  const sketch = (): QuantileSketch => {
    flush();
    return sketcher.sketch();
  };
  const percentileOf = (from: QuantileSketch, rank: number): number =>
    count === 0 ? 0 : Math.min(max, quantileOf(from, rank));
  return {
    add(ms) {
      block[filled] = ms;
      filled += 1;
      if (filled === block.length) flush();
      count += 1;
      sum += ms;
      if (ms > max) max = ms;
    },
    percentile: (rank) => percentileOf(sketch(), rank),
    sketch,
    summary() {
      const from = sketch();
      const at = (rank: number): number => percentileOf(from, rank);
      return {
        count,
        mean: count === 0 ? 0 : sum / count,
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        max,
      };
    },
  };
}
