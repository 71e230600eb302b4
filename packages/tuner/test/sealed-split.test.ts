import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Dataset,
  type Digest,
  type EventLog,
  type MillwrightEvent,
  digestOf,
  hasCode,
} from "@millwright/contracts";
import { openSqlite, openEventLog } from "@millwright/storage";
import { float, openStudy, sealTestSplit } from "@millwright/tuner";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-sealed-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const datasetOf = (content: string): Dataset => ({
  schema: [],
  async *batches() {},
  digest: async (): Promise<Digest> => digestOf(content),
  ref: () => Promise.reject(new RangeError("There are no files.")),
});

async function audits(log: EventLog): Promise<readonly MillwrightEvent[]> {
  const found: MillwrightEvent[] = [];
  for await (const { event } of log.read({ types: ["audit.*"] })) found.push(event);
  return found;
}

test("HT-19: a test split is evaluated once; a second access, also of another process, is an audit event and refused", async () => {
  const path = join(folder, "audit.db");
  const test1 = datasetOf("test");
  {
    await using database = await openSqlite(path);
    const split = await sealTestSplit(test1, { name: "june", events: openEventLog(database) });
    expect(split.digest).toBe(await test1.digest());
    expect(await split.evaluate("model a", async (rows) => rows.digest())).toBe(split.digest);
  }
  await using database = await openSqlite(path);
  const events = openEventLog(database);
  const split = await sealTestSplit(datasetOf("test"), { name: "june, opened again", events });
  const seen: string[] = [];
  await expect(split.evaluate("model b", () => seen.push("refused"))).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_TEST_SPLIT_SEALED"),
  );
  await split.evaluate("model b", () => seen.push("allowed"), { again: "the first was trained on wrong labels" });
  expect(seen).toEqual(["allowed"]);
  const told = await audits(events);
  expect(told.map(({ type }) => type.replace("audit.test-split-", ""))).toEqual([
    "sealed",
    "read",
    "sealed",
    "read",
    "read-again",
    "read",
    "read-again",
  ]);
  expect(
    told.every(({ subject, data }) => subject === `test-split/${split.digest}` && data["digest"] === split.digest),
  ).toBe(true);
  expect(told[4]).toMatchObject({ causationid: told[3]?.id, data: { purpose: "model b", access: 2, allowed: false } });
  expect(told[6]).toMatchObject({ data: { access: 3, allowed: true, again: "the first was trained on wrong labels" } });
  expect((await split.accesses()).map(({ purpose, access }) => `${access} ${purpose}`)).toEqual([
    "1 model a",
    "2 model b",
    "3 model b",
  ]);
});

test("HT-19: of many who ask at once one reads; tuning data that is the test split is found out, and a study must have ended", async () => {
  await using database = await openSqlite(join(folder, "race.db"));
  const events = openEventLog(database);
  await using study = await openStudy({ name: "search", space: { x: float(0, 1) }, direction: "minimize" });
  const split = await sealTestSplit(datasetOf("other"), { name: "july", events, studies: [study] });
  const trial = await study.ask();
  await expect(split.evaluate("too early", () => 1)).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_TEST_SPLIT_TOO_EARLY"),
  );
  await study.tell(trial.number, { state: "completed", value: 1 });
  const settled = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) => split.evaluate(`model ${index}`, () => index)),
  );
  expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  await split.assertUnseen({ train: datasetOf("train"), validation: datasetOf("validation") });
  await expect(split.assertUnseen({ train: datasetOf("train"), validation: datasetOf("other") })).rejects.toSatisfy(
    (error) => hasCode(error, "TUNER_TEST_SPLIT_LEAKED") && error.message.includes("validation"),
  );
  expect((await audits(events)).at(-1)).toMatchObject({
    type: "audit.test-split-leaked",
    data: { role: "validation" },
  });
});
