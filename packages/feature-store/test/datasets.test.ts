import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, type Batch } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { defineFeatureService, openFeatureStore } from "../src/index.ts";
import { at, define, record, scanned, setUp } from "./profile-store.ts";
import { batches, temporaryDirectory } from "./rows.ts";

interface Entry {
  readonly user: string;
  readonly at: number;
  readonly plan: string | null;
  readonly isDeleted: boolean;
  /** When it was put, and thereby could be read. */
  readonly written: number;
}

/** The options of a scan, read out loud over the log of what was done. */
function replayed(log: readonly Entry[], options: Parameters<typeof scanned>[1] & object): string[] {
  const {
    fromMs = -Infinity,
    toMs = Infinity,
    duplicates = "drop",
    deleted = "drop",
    asOfMs = Infinity,
    latest,
  } = options;
  let rows = log.map((entry, index) => ({ ...entry, index })).filter(({ written }) => written <= asOfMs);
  if (deleted === "drop") {
    rows = rows.filter(
      (row) =>
        !rows.some(
          (other) =>
            other.isDeleted &&
            other.user === row.user &&
            (other.at > row.at || (other.at === row.at && other.index >= row.index)),
        ),
    );
  }
  const isLast = (row: (typeof rows)[number], among: typeof rows): boolean =>
    !among.some((other) => other.user === row.user && other.at === row.at && other.index > row.index);
  if (duplicates === "drop") rows = rows.filter((row) => isLast(row, rows));
  rows = rows.filter((row) => row.at >= fromMs && row.at < toMs);
  if (latest === true) {
    rows = rows.filter(
      (row) =>
        !rows.some(
          (other) => other.user === row.user && (other.at > row.at || (other.at === row.at && other.index > row.index)),
        ),
    );
  }
  return rows
    .toSorted((a, b) => a.at - b.at || (a.user < b.user ? -1 : a.user > b.user ? 1 : a.index - b.index))
    .map(({ user, at: ms, plan, isDeleted }) => `${ms} ${user} ${plan} ${isDeleted}`);
}

test("FS-16: ranges, duplicates, deletes, time travel and the latest snapshot, against the log replayed in memory", async () => {
  await using setting = await setUp(define());
  const { store, view, clock } = setting;
  const random = createRandom(16);
  const log: Entry[] = [];
  for (let step = 0; step < 120; step++) {
    const user = `user ${random.integer(5)}`;
    const ms = 100 + random.integer(30);
    if (random.integer(6) === 0) {
      await store.delete(view, { user }, { eventTimeMs: ms });
      log.push({ user, at: ms, plan: null, isDeleted: true, written: clock.nowMs() });
    } else {
      await store.put(view, [record(user, ms, `plan ${step}`)]);
      log.push({ user, at: ms, plan: `plan ${step}`, isDeleted: false, written: clock.nowMs() });
    }
    // A batch can be read from when it is written out.
    await store.flush(view);
    await clock.advance(10);
  }
  const moments = [undefined, 1_000, 1_400, 1_805];
  for (const duplicates of ["drop", "keep"] as const)
    for (const deleted of ["drop", "keep"] as const)
      for (const latest of [false, true])
        for (const asOfMs of moments)
          for (const [fromMs, toMs] of [
            [undefined, undefined],
            [110, 120],
          ] as const) {
            const options = { duplicates, deleted, latest, asOfMs, fromMs, toMs };
            const rows = await scanned(store, options);
            const found = rows["at"]!.map(
              (us, index) =>
                `${Number(us as bigint) / 1000} ${String(rows["user"]![index])} ${String(rows["plan"]![index])} ${String(rows["is_deleted"]![index])}`,
            );
            expect(found, JSON.stringify(options)).toEqual(replayed(log, options));
          }
}, 600_000);

const sha256 = async (path: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

test("FS-17: a pinned training set is made again to the byte, whatever was ingested since", async () => {
  await using directory = await temporaryDirectory();
  const view = define({ ttlMs: 500 });
  const service = defineFeatureService({ name: "all", views: [view] });
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  const rows = (from: number): Batch => {
    const numbers = Array.from({ length: 3000 }, (_, index) => from + index);
    return batchOf({
      user: numbers.map((number) => `user ${number % 700}`),
      at: numbers.map((number) => at(number % 900)),
      plan: numbers.map((number) => `plan ${number}`),
      credit: column("int64", numbers.map(BigInt)),
      score: numbers.map((number) => number / 7),
    });
  };
  await store.ingest(view, batches(rows(0)));
  const labels = batchOf({
    user: Array.from({ length: 2000 }, (_, index) => `user ${index % 800}`),
    when: Array.from({ length: 2000 }, (_, index) => at(index)),
  });
  const path = join(directory.path, "first.parquet");
  const first = await store.history("all", { labels, labelTime: "when", path });
  const pin = await first.pin();
  expect(pin).toMatchObject({
    formatVersion: 1,
    service: "all",
    serviceDigest: service.digest,
    labelTime: "when",
    history: { profile: [[1, 1]] },
    rows: 2000,
    digest: await first.digest(),
  });
  await store.ingest(view, batches(rows(5000)));
  await store.put(view, [record("user 1", 3)]);
  const now = await store.history("all", { labels, labelTime: "when" });
  expect(await now.digest()).not.toBe(pin.digest);
  // From JSON, by another store: all that it needs is in the pin and in the folder.
  const read = JSON.parse(JSON.stringify(pin)) as typeof pin;
  await using other = await openFeatureStore({ history: directory.path, services: [service] });
  const again = join(directory.path, "again.parquet");
  expect(await (await other.replay(read, { path: again })).digest()).toBe(pin.digest);
  expect(await sha256(again)).toBe(await sha256(path));
  const changed = defineFeatureService({ name: "all", views: [define({ ttlMs: 400 })] });
  await using third = await openFeatureStore({ history: directory.path, services: [changed] });
  await expect(third.replay(read)).rejects.toMatchObject({ code: "FEATURE_STORE_PIN_DIFFERS" });
});
