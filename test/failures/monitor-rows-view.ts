import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf, profileOf } from "../../packages/data/dist/index.js";
import { type MonitorView, openMonitor, type SampledRows } from "../../packages/monitor/dist/index.js";

/** What rules see of a variant whose rows are kept. */
export function rowsView(length = 60): MonitorView {
  const random = createRandom(4);
  const draw = (): Float64Array => Float64Array.from({ length }, () => random.next());
  const features = batchOf({ a: draw(), b: draw() });
  const rows: SampledRows = {
    length,
    features,
    outputs: batchOf({ probability: draw() }),
    labels: Array.from({ length }, (_, at) => at % 2),
    requestIds: Array.from({ length }, (_, at) => `r${at}`),
    requestRows: Array.from({ length }, () => 0),
    share: 1,
  };
  const empty = openMonitor().read("late", "main");
  return {
    nowMs: 0,
    endpoints: () => ["late"],
    variants: () => ["main"],
    model: () => undefined,
    read: () => ({ ...empty, requests: length, features: profileOf(features), rows }),
  };
}
