import { openSqlite } from "@millwright/storage";
import type { Logger } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openRegistry } from "@millwright/registry";
import { openWorkshop, refuseInserts } from "./workshop.ts";

test("what could not be written is kept, and written by the next flush", async () => {
  await using workshop = await openWorkshop({ flushMs: 60_000 });
  const { registry, database } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  run.logParams({ rate: 1 });
  run.logMetrics([{ name: "loss", value: 1, step: 0 }]);
  const allow = await refuseInserts(database, "registry_chunks", "no more");
  const failed = { code: "REGISTRY_WRITE_FAILED", retryable: true, cause: { code: "STORAGE_CONSTRAINT_VIOLATED" } };
  await expect(run.flush()).rejects.toMatchObject(failed);
  run.logParams({ rate: 2 });
  run.logMetrics([{ name: "loss", value: 2, step: 1 }]);
  await expect(run.end("finished")).rejects.toMatchObject(failed);
  expect(await registry.run(run.id)).toMatchObject({ status: "running", params: {}, metrics: {} });
  await allow();
  // The run has not ended: it goes on, and ends when it is told again.
  run.logMetrics([{ name: "loss", value: 3, step: 2 }]);
  await run.end("finished");
  expect(await registry.run(run.id)).toMatchObject({ status: "finished", params: { rate: 2 }, metrics: { loss: 3 } });
  expect((await registry.series(run.id, "loss")).map(({ value }) => value)).toEqual([1, 2, 3]);
});

test("while another process holds the database, what was logged waits, and is written by itself afterwards", async ({
  skip,
}) => {
  await using workshop = await openWorkshop();
  skip(workshop.database.dialect === "postgres", "PostgreSQL makes no batch wait for another write");
  const warned: { again: boolean; error: { cause: { code: string } } }[] = [];
  const silent = (): void => undefined;
  const warn = (fields: unknown): void => void warned.push(fields as (typeof warned)[number]);
  const logger: Logger = { debug: silent, info: silent, error: silent, warn };
  const { artifacts, path, folder, database: other } = workshop;
  await using database = await openSqlite(path, { busyTimeoutMs: 20 });
  await using registry = await openRegistry({ database, artifacts, directory: folder, flushMs: 5, logger });
  const run = await registry.startRun({ experiment: "late" });
  await other.write(async ({ sql }) => {
    // The write is open, and so the file is locked, until this callback is done.
    await sql.deleteFrom("registry_params").execute();
    run.logMetrics([{ name: "loss", value: 1, step: 0 }]);
    await expect.poll(() => warned.length, { timeout: 100_000 }).toBeGreaterThan(0);
  });
  await expect.poll(() => registry.series(run.id, "loss"), { timeout: 100_000 }).toHaveLength(1);
  for (const { again, error } of warned) expect([again, error.cause.code]).toEqual([true, "STORAGE_DATABASE_BUSY"]);
});
