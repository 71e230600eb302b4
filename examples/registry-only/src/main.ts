import { setTimeout as sleep } from "node:timers/promises";
import { type Delivery, runNight } from "./nightly.ts";
import { openDeliveryRegistry } from "./registry.ts";
import { openDeliveryService } from "./service.ts";

/** Deliveries of one day: 12 minutes, 2.5 for each kilometre, and what the traffic adds. */
const dayOf = (traffic: (index: number) => number): Delivery[] =>
  Array.from({ length: 60 }, (_, index) => {
    const kilometres = 1 + (index % 20);
    return { kilometres, minutes: 12 + 2.5 * kilometres + traffic(index) };
  });

const folder = process.argv[2] ?? "registry";
await using opened = await openDeliveryRegistry(folder);
const { registry } = opened;

const good = await runNight({ registry, folder, night: "monday", deliveries: dayOf((index) => (index % 3) - 1) });
const request = await registry.requestApproval("delivery", good.version, { by: "nightly", quorum: 2 });
for (const by of ["ann", "bob"]) await registry.voteRequest(request.id, { by, decision: "approve" });
await registry.setAlias("delivery", "champion", good.version, { by: "ann" });

await using service = await openDeliveryService(registry);
console.log("10 km:", await service.answer(10));

const bad = await runNight({ registry, folder, night: "snow", deliveries: dayOf((index) => (index % 7) * 9) });
for (const { gate, passed, reason } of (await registry.checkGates("alias", "champion", "delivery", bad.version))
  .results)
  console.log(passed ? "open  " : "closed", gate, "-", reason);
await registry.setAlias("delivery", "champion", bad.version, { by: "ann", breakGlass: "the old one is unusable" });
while ((await service.answer(10)).version !== bad.version) await sleep(10);
console.log("10 km:", await service.answer(10));

const back = await registry.rollback("delivery", { by: "bob", reason: "twenty minutes too late" });
while ((await service.answer(10)).version !== good.version) await sleep(10);
console.log("10 km:", await service.answer(10), `after a rollback of ${back.durationMs.toFixed(1)} ms`);
for (const { version } of await registry.aliasHistory("delivery", "champion")) console.log("champion was", version);
