import { openSqlite, openEventLog, openRecordStore } from "@millwright/storage";
import { expect, test } from "vitest";
import { startChild } from "./child.ts";
import { temporaryFolder } from "./folder.ts";

test(
  "CT-6: two processes increment one key 1,000 times each with compare-and-swap, and the total is 2,000",
  { timeout: 600_000 },
  async () => {
    await using folder = await temporaryFolder();
    const path = folder.file("a.db");
    const children = [startChild("incrementer.mjs", [path, "1000"]), startChild("incrementer.mjs", [path, "1000"])];
    for (const child of children) expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
    await using database = await openSqlite(path);
    const total = await openRecordStore(database).read("total");
    expect(total).toEqual({ key: "total", value: 2000, version: 2000 });
  },
);

test(
  "a follower sees what other processes append, once each and in the order of each",
  { timeout: 600_000 },
  async () => {
    await using folder = await temporaryFolder();
    const path = folder.file("a.db");
    await using database = await openSqlite(path);
    const log = openEventLog(database, { pollMs: 10 });
    const seen: string[] = [];
    const following = (async () => {
      for await (const { event } of log.read({ follow: true })) {
        seen.push(event.subject ?? "");
        if (seen.length === 100) break;
      }
    })();
    const children = ["a", "b"].map((name) => startChild("appender.mjs", [path, "50", name]));
    for (const child of children) expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
    await following;
    for (const name of ["a", "b"]) {
      const expected = Array.from({ length: 50 }, (_, index) => `${name}/${index + 1}`);
      expect(seen.filter((subject) => subject.startsWith(`${name}/`))).toEqual(expected);
    }
    expect(await log.verify()).toMatchObject({ records: 100, broken: undefined });
  },
);

test("two processes that make the same file at the same time both get it", { timeout: 600_000 }, async () => {
  await using folder = await temporaryFolder();
  for (let round = 0; round < 5; round += 1) {
    const path = folder.file(`${round}.db`);
    const children = ["a", "b", "c"].map((name) => startChild("appender.mjs", [path, "1", name]));
    for (const child of children) expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
  }
});

test("a process that exits in the middle of its writes keeps its exit code", { timeout: 600_000 }, async () => {
  await using folder = await temporaryFolder();
  const ends = await Promise.all(
    Array.from(
      { length: 8 },
      (_, round) => startChild("exiter.mjs", [folder.file(`${round}.db`), `${20 + round * 9}`]).ended,
    ),
  );
  for (const end of ends) expect(end).toEqual({ code: 3, signal: null, errors: "" });
});

test("a process that forgets to close ends by itself", { timeout: 600_000 }, async () => {
  await using folder = await temporaryFolder();
  expect(await startChild("forgetter.mjs", [folder.file("a.db")]).ended).toEqual({ code: 0, signal: null, errors: "" });
});
