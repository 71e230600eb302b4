// A small action on every supported Node: failing answers break an objective, and its alert is given.
import assert from "node:assert/strict";
import { createManualClock, digestOf } from "@millwright/contracts";
import { errorRateAlert, openMonitor } from "@millwright/monitor";

const clock = createManualClock(Date.UTC(2026, 0, 1));
const monitor = openMonitor({ clock, rules: [errorRateAlert({ endpoint: "late" })] });
const answer = { endpoint: "late", variant: "main", model: { name: "late", digest: digestOf("v1") }, latencyMs: 4 };
for (let index = 0; index < 50; index += 1) {
  monitor.capture({ ...answer, timeMs: clock.nowMs(), requestId: `r${index}`, errorCode: "SERVING_MODEL_FAILED" });
}
const alerts = await monitor.evaluate();
assert.equal(alerts.length > 0, true);
await monitor[Symbol.asyncDispose]();
