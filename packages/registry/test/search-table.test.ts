import { createManualClock } from "@millwright/contracts";
import type { Registry } from "@millwright/registry";
import { test } from "vitest";
import type { RegistryTables } from "../src/tables/tables.ts";
import { findRuns } from "../src/tracking/run-search.ts";
import { checkSearchTable } from "./search-table-suite.ts";
import { openWorkshop, startMs } from "./workshop.ts";

test("MR-4: 200 queries find, order and page what a naive filter finds, whatever stands in the records and in the query", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock, flushMs: 60_000 });
  await checkSearchTable(workshop.registry, clock);
});

test("the same are found where nothing is few: a part of the order is walked, and then the rest", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock, flushMs: 60_000 });
  const database = workshop.database.typed<RegistryTables>();
  const effort = { few: 3, walked: 6, many: 15 };
  const searchRuns: Registry["searchRuns"] = (options) =>
    findRuns(database, { ...options, experiments: undefined, view: "active", language: "millwright", effort });
  await checkSearchTable({ startRun: workshop.registry.startRun, searchRuns }, clock, [2, 7, 1000]);
});
