import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Alert, type Batch, createManualClock, createRandom } from "@millwright/contracts";
import { asFloat64, profileOf } from "@millwright/data";
import {
  createMeter,
  defineSlo,
  driftAlert,
  errorIndicator,
  latencyIndicator,
  openMonitor,
  qualityAlert,
} from "@millwright/monitor";
import { jsonProbe, openProbes } from "@millwright/monitor/probes";
import { askKserve, askSageMaker } from "./ask.ts";
import { type Flight, features, readFlights } from "./flights.ts";
import { startRemote } from "./remote.ts";
import { createService } from "./service.ts";

const { kserve, sagemaker, model } = parseArgs({
  options: { kserve: { type: "string" }, sagemaker: { type: "string" }, model: { type: "string", default: "late" } },
}).values;
const { train, later } = await readFlights();

const folder = await mkdtemp(join(tmpdir(), "monitor-only-"));
const given = kserve ?? sagemaker;
const remote = given === undefined ? await startRemote(folder) : undefined;
const url = given ?? remote?.url ?? "";
const ask = sagemaker === undefined ? askKserve(url, model) : askSageMaker(url, model);

// A day passes in a second here. A service leaves the clock out.
const clock = createManualClock(Date.UTC(2001, 5, 1));
const meter = createMeter();
const endpoint = "late";
// The baseline: what the model was trained on, from wherever its makers keep it; a profile is enough.
const baseline = profileOf({
  length: train.length,
  columns: Object.fromEntries(features.map((name) => [name, train.columns[name]!])),
});
const [sample] = rowsOf(later, 0, 1);
const expected = { late: Array.from(await ask([sample!], { requestId: "golden" })) };
const probes = openProbes({
  probes: [
    jsonProbe({ name: "golden", endpoint, ask: async () => (await inject([sample!], "probe")).json(), expected }),
  ],
  scheduled: false,
  clock,
});
await using monitor = openMonitor({
  clock,
  meter,
  slos: [
    defineSlo({ name: "availability", objective: 0.99, sli: errorIndicator({ endpoint }) }),
    defineSlo({ name: "latency", objective: 0.95, sli: latencyIndicator({ endpoint, thresholdMs: 500 }) }),
  ],
  rules: [driftAlert({ endpoint, baseline }), qualityAlert({ endpoint, against: 0.6 }), probes.alert()],
  quality: { late: { output: "late", kind: "binary" } },
});
const service = createService({ ask, predictions: monitor, meter, clock });

function rowsOf({ columns }: Batch, from: number, count: number): readonly Flight[] {
  const [distance, time] = features.map((name) => asFloat64(columns[name]!)) as [Float64Array, Float64Array];
  return Array.from({ length: count }, (_, at) => ({ distance: distance[from + at]!, time: time[from + at]! }));
}

function inject(flights: readonly Flight[], requestId: string) {
  return service.inject({
    method: "POST",
    url: "/flights",
    headers: { "x-request-id": requestId },
    payload: { flights },
  });
}

const random = createRandom(7);
const truth = asFloat64(later.columns["late"]!);
let [row, asked] = [1, 0];

/** A day of requests, twenty flights each. Half of the labels come at its end: the flights have landed. */
async function day(name: string, change: (flight: Flight) => Flight = (flight) => flight): Promise<void> {
  let failed = 0;
  for (let hour = 0; hour < 24; hour += 1) {
    for (let each = 0; each < 3; each += 1) {
      const requestId = `r${(asked += 1)}`;
      const { statusCode } = await inject(rowsOf(later, row, 20).map(change), requestId);
      if (statusCode !== 200) failed += 1;
      for (let at = 0; at < 20; at += 1)
        if (random.next() < 0.5)
          monitor.label({ requestId, row: at, value: truth[row + at]!, timeMs: clock.nowMs() + 3_600_000 });
      row += 20;
      await clock.advance(20 * 60_000);
    }
    await probes.run();
    for (const alert of await monitor.evaluate()) told.set(`${alert.severity} ${alert.name}`, alert);
  }
  const { quality } = monitor.read(endpoint, "main", { windowMs: 86_400_000 });
  const { state, budgetLeft } = monitor.slo("availability");
  console.log(
    `${name}: ${72 - failed} of 72 requests answered; availability ${state}, ${Math.round(budgetLeft * 100)} % of its budget left`,
  );
  const coverage = `${Math.round(quality.coverage * 100)} % of the answers`;
  if (quality.labels > 0)
    console.log(`  log loss ${quality.logLoss.mean.toFixed(3)} on ${quality.labels} labels, ${coverage}`);
  for (const [key, { summary }] of told) console.log(`  ${key}: ${summary}`);
  told.clear();
}
const told = new Map<string, Alert>();

await day("a day like those before");
// Someone upstream sends kilometres.
await day("a day in kilometres", ({ distance, time }) => ({ distance: distance * 1.609, time }));
if (remote !== undefined) {
  await remote.kill();
  await day("a day without the model");
}
const metrics = await service.inject({ url: "/metrics" });
console.log(
  metrics.body
    .split("\n")
    .filter((line) => line.startsWith("millwright_monitor_budget_left{"))
    .join("\n"),
);
await probes[Symbol.asyncDispose]();
await service.close();
await rm(folder, { recursive: true, force: true });
