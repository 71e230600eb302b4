import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openSqlite } from "@millwright/storage";
import { float, openStudy, randomSampler } from "@millwright/tuner";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqlStudyJournal } from "../src/drivers/sql.ts";

const options = { name: "faults", space: { x: float(0, 1) }, direction: "minimize", sampler: randomSampler() } as const;
let directory: string;
let database: Database;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-tuner-"));
  database = await openSqlite(join(directory, "mill.db"));
});
afterEach(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const statement = (sql: string) => database.writeBatch([{ sql }]);

test("HT-13: an entry that was changed, removed or exchanged is named when the study is opened", async () => {
  {
    await using study = await openStudy({ ...options, database });
    await study.optimize(({ params }) => params.x, { trials: 3 });
  }
  const kept = await database.read.selectFrom("tuner_journal").selectAll().orderBy("position").execute();
  expect(kept).toHaveLength(10);
  const restore = async (): Promise<void> => {
    await statement("delete from tuner_journal");
    await database.write(async ({ sql }) => {
      await sql.insertInto("tuner_journal").values(kept).execute();
    });
  };
  const opened = async () => openStudy({ ...options, database });
  for (const [damage, position] of [
    ["update tuner_journal set entry = replace(entry, '\"value\":0.', '\"value\":0.1') where position = 6", 6],
    ["update tuner_journal set entry = substr(entry, 1, 20) where position = 4", 4],
    ["delete from tuner_journal where position = 5", 5],
    ["update tuner_journal set entry = (select entry from tuner_journal where position = 1) where position = 7", 7],
    ["update tuner_journal set checksum = 'x' where position = 9", 9],
  ] as const) {
    await statement(damage);
    await expect(opened(), damage).rejects.toMatchObject({
      code: "TUNER_JOURNAL_CORRUPT",
      message: expect.stringContaining(`Entry ${position} of the journal of study "faults"`) as string,
    });
    await restore();
  }
  await using study = await opened();
  expect(await study.trials()).toHaveLength(3);
});

test("journals that were written without checksums get them when they are opened", async () => {
  {
    await using study = await openStudy({ ...options, database });
    await study.optimize(({ params }) => params.x, { trials: 2 });
  }
  const before = await database.read.selectFrom("tuner_journal").select("checksum").orderBy("position").execute();
  await statement("alter table tuner_journal drop column checksum");
  await statement("delete from millwright_migrations where namespace = 'tuner' and name = '002-checksum'");
  await openSqlStudyJournal(database);
  const after = await database.read.selectFrom("tuner_journal").select("checksum").orderBy("position").execute();
  expect(after).toEqual(before);
});

test("HT-13: a full disk is a typed error, after which everything is there and the search goes on", async () => {
  await using study = await openStudy({ ...options, database, events: undefined });
  await study.optimize(({ params }) => params.x, { trials: 5 });
  const [pages] = (await database.writeBatch([{ sql: "pragma page_count" }])).results[0]?.rows ?? [];
  const count = Number(Object.values(pages ?? {})[0]);
  await statement(`pragma max_page_count = ${count + 4}`);
  let runs = 0;
  const objective = async ({ params }: { readonly params: { readonly x: number } }): Promise<number> => {
    runs += 1;
    return params.x;
  };
  const search = study.optimize(
    async (trial) => {
      await trial.setAttributes({ notes: "n".repeat(6_000) });
      return objective(trial);
    },
    { trials: 200, failuresInARow: Infinity },
  );
  await expect(search).rejects.toMatchObject({ code: "STORAGE_DISK_FULL" });
  const full = await study.trials();
  expect(full.slice(0, 5).every(({ state }) => state === "completed")).toBe(true);
  await statement("pragma max_page_count = 1073741823");
  const summary = await study.optimize(objective, { trials: full.length + 3 });
  expect(summary).toMatchObject({ stopped: "trials" });
  const trials = await study.trials();
  expect(trials).toHaveLength(full.length + 3);
  expect(trials.every(({ state }) => state === "completed" || state === "failed")).toBe(true);
  // What another worker reads is what this one knows.
  await using other = await openStudy({ ...options, database });
  expect(await other.trials()).toEqual(trials);
});

test("HT-13: a result that could not be written for want of space is written by the next call, without another run", async () => {
  await using study = await openStudy({ ...options, database });
  let runs = 0;
  const objective = async ({ number }: { readonly number: number }) => {
    runs += 1;
    // No page can be added, and what the trial measured needs some.
    if (number === 3) await statement("pragma max_page_count = 1");
    return { value: number, attributes: { notes: number === 3 ? "n".repeat(50_000) : "" } };
  };
  await expect(study.optimize(objective, { trials: 6 })).rejects.toMatchObject({ code: "STORAGE_DISK_FULL" });
  expect((await study.trials())[3]?.state).toBe("running");
  await statement("pragma max_page_count = 1073741823");
  expect(await study.optimize(objective, { trials: 6 })).toMatchObject({ completed: 6 });
  expect(runs).toBe(6);
  expect((await study.trials()).map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5]);
});

test("HT-13: a study that has ended goes on where its limits are raised", async () => {
  const open = () => openStudy({ ...options, database });
  {
    await using study = await open();
    await study.optimize(({ params }) => params.x, { trials: 3 });
    await expect(study.ask({ trials: 3 })).rejects.toMatchObject({ code: "TUNER_STUDY_EXHAUSTED" });
  }
  await using study = await open();
  expect(await study.optimize(({ params }) => params.x, { trials: 5 })).toMatchObject({ completed: 5 });
});
