import { expect } from "vitest";
import { postgresEngine } from "../../storage/test/engines.ts";
import { hasPostgres } from "../../storage/test/postgres-server.ts";
import { openWorkshop, useDatabases } from "./workshop.ts";

// What the registry's tests show on SQLite they show here once more on PostgreSQL.
const suites: readonly (() => Promise<unknown>)[] = [
  () => import("./actors.test.ts"),
  () => import("./audit.test.ts"),
  () => import("./audit-pack.test.ts"),
  () => import("./bounded-reads.test.ts"),
  () => import("./cards.test.ts"),
  () => import("./causes.test.ts"),
  () => import("./copies.test.ts"),
  () => import("./deleted-runs.test.ts"),
  () => import("./durability.test.ts"),
  () => import("./gate-races.test.ts"),
  () => import("./gates.test.ts"),
  () => import("./governance.test.ts"),
  () => import("./lineage.test.ts"),
  () => import("./openlineage.test.ts"),
  () => import("./openlineage-receive.test.ts"),
  () => import("./materials.test.ts"),
  () => import("./offline.test.ts"),
  () => import("./packages.test.ts"),
  () => import("./ports.test.ts"),
  () => import("./processes.test.ts"),
  () => import("./run-changes.test.ts"),
  () => import("./run-comparison.test.ts"),
  () => import("./runs.test.ts"),
  () => import("./scoreboard.test.ts"),
  () => import("./search.test.ts"),
  () => import("./search-table.test.ts"),
  () => import("./series-history.test.ts"),
  () => import("./service.test.ts"),
  () => import("./versions.test.ts"),
  () => import("./watch.test.ts"),
  () => import("./webhooks.test.ts"),
  () => import("./write-failures.test.ts"),
];

const postgres = postgresEngine("fsync = off");
useDatabases(() => postgres.makePlace());

postgres.test("a workshop of this file keeps its records in PostgreSQL", async () => {
  await using workshop = await openWorkshop();
  expect(workshop.database.dialect).toBe("postgres");
  const { id } = await workshop.registry.startRun({ experiment: "late" });
  const rows = await workshop.database.read.selectFrom("registry_runs").select("id").execute();
  expect(rows).toEqual([{ id }]);
});

for (const suite of hasPostgres ? suites : []) await suite();
