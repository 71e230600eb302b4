import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Alert, createManualClock, createRandom, digestOf } from "@millwright/contracts";
import {
  compare,
  defineSlo,
  driftAlert,
  errorIndicator,
  errorRateAlert,
  latencyAlert,
  type Monitor,
  type MonitorOptions,
  openMonitor,
  predictionShiftAlert,
  qualityAlert,
  recommended,
} from "@millwright/monitor";
import { batchOf, profileOf } from "@millwright/data";
import { expect, test } from "vitest";

const start = Date.UTC(2026, 0, 1);
const quality = { late: { output: "probability", kind: "binary", segments: ["carrier"] } } as const;

const tools = { batchOf, digestOf };

/** A request as a line of text, so that processes can share the work. */
interface Line {
  readonly requestId: string;
  readonly variant: string;
  readonly timeMs: number;
  readonly latencyMs: number;
  readonly failed: boolean;
  readonly distance: number;
  readonly carrier: string;
  readonly probability: number;
  readonly label?: number;
}

function linesOf(count: number): readonly Line[] {
  const random = createRandom(28);
  return Array.from({ length: count }, (_, index): Line => {
    const variant = index % 3 === 0 ? "candidate" : "main";
    const distance = random.normal() + (variant === "candidate" ? 0.4 : 0);
    const truth = 1 / (1 + Math.exp(-distance));
    return {
      requestId: `r${index}`,
      variant,
      timeMs: start + index * 500,
      latencyMs: Math.exp(random.normal()) * (variant === "candidate" ? 40 : 10),
      failed: random.next() < (variant === "candidate" ? 0.12 : 0.01),
      distance,
      carrier: ["AA", "B6", "UA"][random.integer(3)]!,
      probability: variant === "candidate" ? 1 - truth : truth,
      ...(index % 4 === 0 ? { label: random.next() < truth ? 1 : 0 } : {}),
    };
  });
}

/** Its text goes to other processes: it uses nothing but what it is given. */
function feed(monitor: Monitor, lines: readonly Line[], { batchOf: columns, digestOf: digest }: typeof tools): void {
  for (const { requestId, variant, timeMs, latencyMs, failed, distance, carrier, probability, label } of lines) {
    const model = { name: "late", version: 1, digest: digest(variant) };
    const asked = {
      requestId,
      endpoint: "late",
      variant,
      model,
      timeMs,
      latencyMs,
      features: columns({ distance: [distance], carrier: [carrier] }),
    };
    const outputs = { probability: { dtype: "float64", shape: [1], data: Float64Array.of(probability) } } as const;
    monitor.capture(failed ? { ...asked, errorCode: "SERVING_MODEL_FAILED" } : { ...asked, outputs });
    if (label !== undefined) monitor.label({ requestId, value: label, timeMs: timeMs + 60_000 });
  }
}

/** What each of the processes does: the same with its own part, and then it tells its state and ends. */
const worker = `
import { readFile } from "node:fs/promises";
import { createManualClock, digestOf } from ${JSON.stringify(import.meta.resolve("@millwright/contracts"))};
import { batchOf } from ${JSON.stringify(import.meta.resolve("@millwright/data"))};
import { defineSlo, errorIndicator, openMonitor } from ${JSON.stringify(import.meta.resolve("../dist/index.js"))};
const [, path, nowMs] = process.argv;
const slo = defineSlo({ name: "availability", objective: 0.99, sli: errorIndicator({ endpoint: "late" }) });
const monitor = openMonitor({ clock: createManualClock(Number(nowMs)), slos: [slo], quality: ${JSON.stringify(quality)} });
const feed = ${feed.toString()};
feed(monitor, JSON.parse(await readFile(path, "utf8")), { batchOf, digestOf });
process.stdout.write(JSON.stringify(monitor.state()));
`;

const profile = profileOf(batchOf({ distance: Float64Array.from({ length: 4000 }, (_, at) => Math.sin(at)) }));

function optionsOf(nowMs: number): MonitorOptions {
  const slo = defineSlo({ name: "availability", objective: 0.99, sli: errorIndicator({ endpoint: "late" }) });
  const windowMs = 24 * 3_600_000;
  return {
    clock: createManualClock(nowMs),
    quality,
    slos: [slo],
    rules: [
      errorRateAlert({ endpoint: "late", windowMs }),
      latencyAlert({ endpoint: "late", thresholdMs: 60, windowMs }),
      predictionShiftAlert({ endpoint: "late", windowMs }),
      qualityAlert({ endpoint: "late", windowMs }),
      driftAlert({ endpoint: "late", baseline: profile, windowMs }),
    ],
  };
}

const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === "number" ? Number(each.toPrecision(9)) : each)),
  );

test("MO-28: the states of 16 processes that each saw a random part give the verdict of one that saw all", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millwright-merge-"));
  try {
    const lines = linesOf(6000);
    const nowMs = start + lines.length * 500 + 61_000;
    const random = createRandom(16);
    const parts = Array.from({ length: 16 }, (): Line[] => []);
    for (const line of lines) parts[random.integer(16)]!.push(line);
    const tell = async (part: readonly Line[], index: number): Promise<unknown> => {
      const path = join(directory, `${index}.json`);
      await writeFile(path, JSON.stringify(part));
      const args = ["--input-type=module", "--eval", worker, path, String(nowMs)];
      const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 28 });
      return JSON.parse(stdout) as unknown;
    };
    await using single = openMonitor(optionsOf(nowMs));
    feed(single, lines, tools);
    await using merged = openMonitor(optionsOf(nowMs));
    // Two at a time: there are sixteen processes all the same.
    for (let at = 0; at < 16; at += 2) {
      const states = await Promise.all([tell(parts[at]!, at), tell(parts[at + 1]!, at + 1)]);
      for (const [index, state] of states.entries()) {
        merged.merge(`process ${at + index}`, state);
        // Told again, it counts once.
        merged.merge(`process ${at + index}`, state);
      }
    }
    const byName = (a: Alert, b: Alert): number =>
      `${a.name} ${a.severity} ${a.subject}` < `${b.name} ${b.severity} ${b.subject}` ? -1 : 1;
    const wanted = (await single.evaluate()).toSorted(byName);
    const found = (await merged.evaluate()).toSorted(byName);
    expect(wanted.map(({ name }) => name).toSorted()).toEqual(
      expect.arrayContaining(["availability", "drift", "error-rate", "latency", "prediction-shift", "quality"]),
    );
    expect(rounded(found)).toEqual(rounded(wanted));
    expect(rounded(merged.slo("availability"))).toEqual(rounded(single.slo("availability")));
    for (const variant of ["main", "candidate"]) {
      const [a, b] = [single.read("late", variant), merged.read("late", variant)];
      expect([b.requests, b.errors]).toEqual([a.requests, a.errors]);
      expect(b.latency).toEqual(a.latency);
      expect(rounded(b.quality)).toEqual(rounded(a.quality));
      expect(b.features.columns["carrier"]!.frequent).toEqual(a.features.columns["carrier"]!.frequent);
      expect(rounded(compare(profile, b.features, recommended()))).toEqual(
        rounded(compare(profile, a.features, recommended())),
      );
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 600_000);

test("a state survives as text, wrong ones are refused whole, and old windows of others are forgotten", async () => {
  const lines = linesOf(600);
  const nowMs = start + 600 * 500 + 61_000;
  await using one = openMonitor(optionsOf(nowMs));
  feed(one, lines, tools);
  const state = JSON.parse(JSON.stringify(one.state())) as Record<string, unknown>;
  const options = optionsOf(nowMs);
  await using other = openMonitor({ ...options, retainMs: 3_600_000 });
  for (const wrong of [
    undefined,
    5,
    {},
    { formatVersion: 2 },
    { ...state, variants: [{}] },
    { ...state, objectives: 3 },
  ])
    expect(() => other.merge("one", wrong)).toThrow(expect.objectContaining({ code: "MONITOR_STATE_INVALID" }));
  expect(other.read("late", "main").requests).toBe(0);
  other.merge("one", state);
  expect(other.read("late", "main").requests).toBe(400);
  expect(Object.keys(one.state({ fromMs: nowMs + 1 }))).toEqual(Object.keys(state));
  expect(JSON.stringify(one.state({ fromMs: nowMs + 1 })).length).toBeLessThan(JSON.stringify(state).length / 2);
  await other.evaluate(nowMs + 2 * 3_600_000);
  expect(other.read("late", "main", { windowMs: 24 * 3_600_000 }).requests).toBe(0);
  // A variant that another process serves with a newer model is that model's.
  await using newer = openMonitor(optionsOf(nowMs));
  newer.capture({
    requestId: "n",
    endpoint: "late",
    variant: "main",
    model: { name: "late", digest: digestOf("newer") },
    timeMs: nowMs - 1,
    latencyMs: 1,
  });
  one.merge("newer", newer.state());
  expect(one.read("late", "main").requests).toBe(1);
});
