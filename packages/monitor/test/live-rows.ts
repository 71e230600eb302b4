import {
  type Batch,
  type CapturedPrediction,
  createManualClock,
  digestOf,
  type ManualClock,
} from "@millwright/contracts";
import { batchOf, sliceBatch, toArray } from "@millwright/data";
import {
  type AlertRule,
  type Finding,
  type Monitor,
  type MonitorOptions,
  type MonitorView,
  openMonitor,
  type SampledRows,
  type VariantReading,
} from "../src/index.ts";
import { emptyQuality } from "../src/quality/quality-sums.ts";
import { readingOf } from "../src/alerts/alert-rule.ts";
import { openWindow } from "../src/capture/window.ts";

export const hourMs = 3_600_000;
export const start = Date.UTC(2026, 0, 5);
const model = { name: "late", digest: digestOf("v1") };

/** A rule that remembers what it found last. */
export function watched(rule: AlertRule): AlertRule & { readonly last: readonly Finding[] } {
  let last: readonly Finding[] = [];
  return {
    ...rule,
    evaluate: (view) => (last = rule.evaluate(view)),
    get last() {
      return last;
    },
  };
}

export interface Live extends AsyncDisposable {
  readonly monitor: Monitor;
  readonly clock: ManualClock;
  /** Asks with the rows, 20 a request spread over an hour, by tensors or by columns; then the hour ends and the rules are evaluated. */
  hour(
    rows: Batch,
    probabilities?: readonly number[],
    labels?: readonly (number | undefined)[],
  ): Promise<readonly string[]>;
}

export function openLive(rules: readonly AlertRule[], options: MonitorOptions = {}): Live {
  const clock = createManualClock(start);
  const monitor = openMonitor({ ...options, clock, rules });
  let hours = 0;
  return {
    monitor,
    clock,
    async hour(
      rows,
      probabilities = toArray(batchOf({ p: new Float64Array(rows.length) }).columns["p"]!) as number[],
      labels = [],
    ) {
      const each = 20;
      const requests = Math.ceil(rows.length / each);
      const fromMs = start + hours * hourMs;
      for (let at = 0; at < requests; at += 1) {
        const timeMs = Math.floor(fromMs + (at * hourMs) / requests);
        await clock.advance(Math.max(0, timeMs - clock.nowMs()));
        const part = sliceBatch(rows, at * each, Math.min(rows.length, (at + 1) * each));
        const answers = Float64Array.from(probabilities.slice(at * each, at * each + part.length));
        const requestId = `h${hours} r${at}`;
        const rest = {
          requestId,
          endpoint: "late",
          variant: "main",
          model,
          timeMs,
          latencyMs: 4,
          outputs: { probability: { dtype: "float64", shape: [part.length, 1], data: answers } },
        } as const satisfies Omit<CapturedPrediction, "features">;
        const isNumeric = Object.values(part.columns).every(({ type }) => type === "float64");
        if (hours % 2 === 1 || !isNumeric) monitor.capture({ ...rest, features: part });
        else {
          const inputs = Object.entries(part.columns).map(([name, column]) => {
            const data = Float64Array.from(toArray(column) as number[]);
            return [name, { dtype: "float64", shape: [part.length], data }] as const;
          });
          monitor.captureTensors({ ...rest, inputs: Object.fromEntries(inputs) });
        }
        for (const row of answers.keys()) {
          const value = labels[at * each + row];
          if (value !== undefined) monitor.label({ requestId, row, value, timeMs: timeMs + 1000 });
        }
        await monitor.flush();
      }
      hours += 1;
      await clock.advance(start + hours * hourMs - clock.nowMs());
      const firing = await monitor.evaluate();
      return firing.map(({ name }) => name);
    },
    [Symbol.asyncDispose]: () => monitor[Symbol.asyncDispose](),
  };
}

/** What a rule is shown of rows, without a monitor: for simulations. */
export function viewOf(
  read: (windowMs: number, untilMs: number) => Partial<SampledRows> | undefined,
  nowMs: number,
): MonitorView {
  return {
    nowMs,
    endpoints: () => ["late"],
    variants: () => ["main"],
    model: () => model,
    read(_endpoint, _variant, windowMs, untilMs = nowMs + 1): VariantReading {
      const { quality: _, ...empty } = openWindow().summary();
      const reading = readingOf({ ...empty, quality: emptyQuality() });
      const rows = read(windowMs, untilMs);
      if (rows === undefined) return reading;
      const length = rows.features?.length ?? rows.outputs?.length ?? 0;
      const none: Batch = { length, columns: {} };
      const full: SampledRows = {
        length,
        features: none,
        outputs: none,
        labels: Array.from({ length }, () => undefined),
        requestIds: Array.from({ length }, (_each, at) => `r${at}`),
        requestRows: Array.from({ length }, () => 0),
        share: 1,
        ...rows,
      };
      return { ...reading, requests: length, features: { rows: length, columns: {} }, rows: full };
    },
  };
}
