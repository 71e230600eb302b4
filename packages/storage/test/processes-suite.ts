import { openEventLog, openRecordStore } from "@millwright/storage";
import { expect } from "vitest";
import { startChild } from "./child.ts";
import type { Engine } from "./engines.ts";

/** What several processes do with one database. */
export function processesSuite(engine: Engine): void {
  const { test } = engine;

  test("CT-6: two processes increment one key 1,000 times each with compare-and-swap, and the total is 2,000", async () => {
    await using place = await engine.makePlace();
    const children = [
      startChild("incrementer.mjs", [place.name, "1000"]),
      startChild("incrementer.mjs", [place.name, "1000"]),
    ];
    for (const child of children) expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
    await using database = await place.open();
    const total = await openRecordStore(database).read("total");
    expect(total).toEqual({ key: "total", value: 2000, version: 2000 });
  });

  test("a follower sees what other processes append, once each and in the order of each", async () => {
    await using place = await engine.makePlace();
    await using database = await place.open();
    const log = openEventLog(database, { pollMs: 10 });
    const seen: string[] = [];
    const following = (async () => {
      for await (const { event } of log.read({ follow: true })) {
        seen.push(event.subject ?? "");
        if (seen.length === 100) break;
      }
    })();
    const children = ["a", "b"].map((name) => startChild("appender.mjs", [place.name, "50", name]));
    for (const child of children) expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
    await following;
    for (const name of ["a", "b"]) {
      const expected = Array.from({ length: 50 }, (_, index) => `${name}/${index + 1}`);
      expect(seen.filter((subject) => subject.startsWith(`${name}/`))).toEqual(expected);
    }
    expect(await log.verify()).toMatchObject({ records: 100, broken: undefined });
  });

  test("two processes that make the same file at the same time both get it", async () => {
    for (let round = 0; round < 5; round += 1) {
      await using place = await engine.makePlace();
      const children = ["a", "b", "c"].map((name) => startChild("appender.mjs", [place.name, "1", name]));
      for (const child of children) expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
    }
  });

  test("a process that exits in the middle of its writes keeps its exit code", async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, round) => {
        await using place = await engine.makePlace();
        expect(await startChild("exiter.mjs", [place.name, `${20 + round * 9}`]).ended).toEqual({
          code: 3,
          signal: null,
          errors: "",
        });
      }),
    );
  });

  test("processes that migrate at the same time apply each migration once between them", async () => {
    await using place = await engine.makePlace();
    const children = Array.from({ length: 3 }, () => startChild("migrator.mjs", [place.name, "12"]));
    const applied: string[] = [];
    for (const child of children) {
      expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
      applied.push(
        ...child
          .output()
          .trim()
          .split("\n")
          .filter((line) => line !== ""),
      );
    }
    const all = Array.from({ length: 12 }, (_, number) => `table_${number}`);
    expect(applied.toSorted()).toEqual(all.toSorted());
    await using database = await place.open();
    expect(await engine.tables(database)).toEqual(all.toSorted());
  });

  test("batches that need not be on the disk survive the end of their process by SIGKILL once they are acknowledged", async () => {
    await using place = await engine.makePlace();
    for (const after of [1, 40, 300]) {
      const child = startChild("relaxed-writer.mjs", [place.name]);
      await child.said(`done ${after}\n`);
      child.process.kill("SIGKILL");
      await child.ended;
      const acknowledged = child.output().match(/(?<=^done )\d+(?=\n)/gm)?.length ?? 0;
      await using database = await place.open();
      const rows = await database.read.selectFrom("relaxed").select("id").execute();
      expect(rows.length).toBeGreaterThanOrEqual(acknowledged);
      await database.write(({ sql }) => sql.deleteFrom("relaxed").execute());
    }
  });

  test("a process that forgets to close ends by itself", async () => {
    await using place = await engine.makePlace();
    expect(await startChild("forgetter.mjs", [place.name]).ended).toEqual({ code: 0, signal: null, errors: "" });
  });
}
