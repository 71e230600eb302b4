import { type Batch, createManualClock } from "@millwright/contracts";
import { featureSourceContract } from "@millwright/contracts/testing";
import { batchOf, column } from "@millwright/data";
import { test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { openFeatureStore } from "../src/index.ts";
import { clicks, HOUR, profile, service, times } from "./score-service.ts";
import { temporaryDirectory } from "./rows.ts";

const nameOf = (number: number): string => (number < 0 ? "nobody" : `user ${number}`);
const entities = (numbers: readonly number[]): Batch => batchOf({ user: column("utf8", numbers.map(nameOf)) });
const request = (numbers: readonly number[]): Batch =>
  batchOf({ at: times(numbers), amount: column("float64", numbers) });

for (const kind of ["memory", "log"] as const) {
  for (const { name, appliesTo, run } of featureSourceContract) {
    test(`feature source over ${kind}: ${name}`, async ({ skip }) => {
      await using directory = await temporaryDirectory();
      const open = kind === "memory" ? openMemoryOnlineStore : () => openLogOnlineStore(`${directory.path}/online`);
      await using online = await open();
      const clock = createManualClock(6 * HOUR);
      await using store = await openFeatureStore({ history: directory.path, services: [service], online, clock });
      const numbers = [0, 1, 2];
      const users = column("utf8", numbers.map(nameOf));
      const plan = column("utf8", ["free", "paid", "trial"]);
      const credit = column("int64", [1n, 2n, 3n]);
      await store.push(profile, batchOf({ user: users, at: times([1, 2, 3]), seen: times([1, 2, 3]), plan, credit }));
      await store.push(clicks, batchOf({ user: users, at: times([3, 4, 5]), ms: column("float64", [0.5, null, 2]) }));
      const fixture = { source: store, service: "score", entities, request };
      if (appliesTo?.(fixture) === false) skip("the case asks for what this source does not have");
      await run(fixture);
    });
  }
}
