// What is tested of online features where their rows are resident holds where they stand in a keyed store: the same tests, with another
// driver in the place of the one they open.
import { expect, test, vi } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";

vi.mock("../src/drivers/memory.ts", async () => {
  const { openMemoryKeyedOnlineStore } = await import("../src/drivers/memory-keyed.ts");
  return { openMemoryOnlineStore: openMemoryKeyedOnlineStore };
});

for (const subject of [
  "access",
  "catalog",
  "events",
  "feature-source",
  "late-rows",
  "on-demand",
  "online",
  "parity",
  "push-rows",
  "record-reads",
  "records",
  "window-aggregates",
  "windows",
]) {
  await import(`./${subject}.test.ts`);
}

test("these tests open keyed stores", () => {
  expect(openMemoryOnlineStore()).toHaveProperty("update");
});
