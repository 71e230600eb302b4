import { type Batch, createRandom, type Random } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { driftAlert } from "../src/index.ts";
import {
  densityDifferenceDrift,
  domainClassifierDrift,
  meanDiscrepancyDrift,
  reconstructionDrift,
} from "../src/multivariate.ts";
import { hourMs, openLive, start, viewOf, watched } from "./live-rows.ts";

/** Two columns that rise together, or with `sign` −1 against each other, and one of its own: each alone looks the same. */
function rowsOf(random: Random, rows: number, sign = 1): Batch {
  const a = Float64Array.from({ length: rows }, () => random.normal());
  const b = a.map((value) => sign * 0.9 * value + Math.sqrt(0.19) * random.normal());
  return batchOf({ a, b, c: a.map(() => random.normal()) });
}

test("live rows that break with how columns hang together are drift, which single columns do not show", async () => {
  const random = createRandom(11);
  const rule = watched(driftAlert({ name: "rows", endpoint: "late", monitor: reconstructionDrift({ alpha: 0.002 }) }));
  await using live = openLive([rule]);
  for (let hour = 0; hour < 12; hour += 1) expect(await live.hour(rowsOf(random, 400))).toEqual([]);
  expect(rule.last[0]).toMatchObject({ state: "ok", subject: "endpoint/late/variant/main" });
  expect(rule.last[0]!.evidence).toMatchObject({ samples: 400, window: { toMs: start + 12 * hourMs } });
  expect(await live.hour(rowsOf(random, 400, -1))).toEqual(["rows"]);
  const [found] = rule.last;
  expect(found).toMatchObject({
    state: "firing",
    severity: "ticket",
    report: { multivariate: { method: "reconstruction-error" } },
  });
  expect(found!.value).toBeGreaterThan(found!.threshold!);
  // What goes on is usual to nobody: the hours that are judged are no history yet.
  expect(await live.hour(rowsOf(random, 400))).toEqual([]);
});

test("too little history, no rows, and silence are unknown, and never an error or ok", async () => {
  const random = createRandom(12);
  const rule = watched(driftAlert({ endpoint: "late", monitor: reconstructionDrift() }));
  const warnings: string[] = [];
  const logger = {
    debug: () => {},
    info: () => {},
    warn: (_: unknown, text: string) => void warnings.push(text),
    error: (_: unknown, text: string) => void warnings.push(text),
  };
  await using live = openLive([rule], { logger: logger as never });
  for (let hour = 0; hour < 3; hour += 1) {
    await live.hour(rowsOf(random, 200));
    expect(rule.last[0]).toMatchObject({ state: "unknown" });
  }
  expect(rule.last[0]!.summary).toMatch(/two are the least|no window of the history/);
  await live.hour(rowsOf(random, 200));
  await live.hour(rowsOf(random, 200));
  expect(rule.last[0]).toMatchObject({ state: "ok" });
  await live.hour(batchOf({ a: [1], b: [1], c: [1] }));
  expect(rule.last[0]).toMatchObject({
    state: "unknown",
    summary: "The window has 1 rows of the 100 that are needed.",
  });
  await live.clock.advance(hourMs);
  await live.monitor.evaluate();
  expect(rule.last[0]).toMatchObject({ state: "unknown" });
  expect(warnings).toEqual([]);
});

const monitors = {
  reconstruction: reconstructionDrift({ rows: 300, alpha: 0.002 }),
  classifier: domainClassifierDrift({ rows: 300, lower: 0.3 }),
  discrepancy: meanDiscrepancyDrift({ rows: 300, alpha: 0.005, permutations: 299, maxRows: 300 }),
  density: densityDifferenceDrift({ rows: 300, alpha: 0.005, permutations: 299, maxRows: 300 }),
};

for (const [name, monitor] of Object.entries(monitors)) {
  test(`live rows are compared with a reference of rows, by ${name}`, async () => {
    const random = createRandom(13);
    const reference = rowsOf(random, 1500);
    const rule = watched(driftAlert({ endpoint: "late", monitor, reference }));
    await using live = openLive([rule]);
    expect(await live.hour(rowsOf(random, 600))).toEqual([]);
    expect(rule.last[0]).toMatchObject({ state: "ok", evidence: { samples: 300 } });
    expect(await live.hour(rowsOf(random, 600, -1))).toEqual(["drift"]);
    await live.hour(rowsOf(random, 15));
    expect(rule.last[0]).toMatchObject({ state: "unknown", evidence: { samples: 15 } });
  });
}

test("a column that not every window has is left out, and the finding says so", async () => {
  const random = createRandom(14);
  const rule = watched(driftAlert({ endpoint: "late", monitor: reconstructionDrift() }));
  await using live = openLive([rule]);
  for (let hour = 0; hour < 6; hour += 1) await live.hour(rowsOf(random, 200));
  const { length, columns } = rowsOf(random, 200);
  const wider = { ...columns, d: batchOf({ d: Float64Array.from({ length }, () => 1) }).columns["d"]! };
  await live.hour({ length, columns: wider });
  expect(rule.last[0]!.state).toBe("ok");
  expect(rule.last[0]!.summary).toContain("Left out, since not all windows have them: d.");
});

test("options that contradict each other are refused", () => {
  const reference = rowsOf(createRandom(1), 100);
  for (const options of [{ reference, rowsPerWindow: 0 }, { windowMs: 1.5 * hourMs }])
    expect(() => driftAlert({ endpoint: "late", monitor: reconstructionDrift(), ...options })).toThrow(
      expect.objectContaining({ code: "MONITOR_RULE_INVALID" }),
    );
});

test("of usual windows about alpha are called drift of a reference, also with few rows", () => {
  const random = createRandom(15);
  const [references, windows, alpha] = [60, 10, 0.05];
  for (const rows of [60, 250]) {
    let firing = 0;
    for (let run = 0; run < references; run += 1) {
      const reference = rowsOf(random, 4000);
      const monitor = reconstructionDrift({ rows: 250, alpha, minimumRows: 20 });
      const rule = driftAlert({ endpoint: "late", monitor, reference });
      for (let hour = 1; hour <= windows; hour += 1) {
        const view = viewOf(() => ({ features: rowsOf(random, rows) }), start + hour * hourMs);
        if (rule.evaluate(view)[0]!.state === "firing") firing += 1;
      }
    }
    const rate = firing / references / windows;
    // 600 windows, of which those of one reference are judged alike: 0.05 ± 0.02.
    expect(rate).toBeGreaterThan(0.03);
    expect(rate).toBeLessThan(0.07);
  }
});
