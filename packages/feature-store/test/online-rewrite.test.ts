import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import {
  count,
  days,
  defineFeatureService,
  defineFeatureView,
  distinct,
  hours,
  last,
  max,
  openFeatureStore,
  quantile,
  sliding,
  standardDeviation,
  sum,
} from "../src/index.ts";
import { clicks, user, users } from "./score-service.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const MINUTE = 60_000;

test("the log is rewritten with what still counts, while rows are being pushed, and none is lost", async () => {
  await using directory = await temporaryDirectory();
  const only = defineFeatureService({ name: "only", views: [clicks] });
  const open = async () => {
    const online = await openLogOnlineStore(join(directory.path, "online"), { flush: "system" });
    const store = await openFeatureStore({ history: join(directory.path, "history"), services: [only], online });
    const countAt = async (minute: number): Promise<unknown> => {
      const { features } = await store.read("only", { entities: users("ann"), timeMs: minute * MINUTE });
      return columnsOf(features)["clicks__clicks_3h"]![0];
    };
    const close = async (): Promise<void> => {
      await store[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
    };
    return { store, countAt, close };
  };
  const first = await open();
  const total = 130_000;
  for (let start = 0; start < total; start += 5000) {
    // Five pushes at once: some are on their way when the log is rewritten.
    await Promise.all(
      Array.from({ length: 5 }, (_, part) => {
        const minutes = Array.from({ length: 1000 }, (_unused, index) => start + part * 1000 + index);
        const at = column(
          "timestamp",
          minutes.map((minute) => new Date(minute * MINUTE)),
        );
        return first.store.push(
          clicks,
          batchOf({ user: minutes.map(() => "ann"), at, ms: column("float64", minutes) }),
        );
      }),
    );
    expect(await first.countAt(start + 5000)).toBe(180);
  }
  await first.close();
  const [file, ...others] = (await readdir(join(directory.path, "online"))).filter((name) => name.endsWith(".log"));
  expect(others).toEqual([]);
  expect(file).not.toBe("clicks.1.log");
  // A day of minutes and what came after the rewriting, not all 130,000 rows of some 30 bytes.
  expect((await stat(join(directory.path, "online", file!))).size).toBeLessThan(2_000_000);
  const again = await open();
  expect(await again.countAt(total)).toBe(180);
  expect(await again.countAt(total - 60)).toBe(180);
  await expect(again.countAt(1000)).rejects.toMatchObject({ code: "FEATURE_STORE_TIME_TOO_OLD" });
  await again.close();
}, 600_000);

test("a log of windows in tiles is rewritten with tiles, and read again it gives the same answers, late rows too", async () => {
  await using directory = await temporaryDirectory();
  const window = sliding(days(60), { slideMs: hours(6) });
  const view = defineFeatureView({
    name: "visits",
    entity: user,
    eventTime: "at",
    inputs: { ms: "float64", page: "utf8" },
    aggregates: {
      visits: count(window),
      total: sum("ms", window),
      spread: standardDeviation("ms", window),
      most: max("ms", window),
      pages: distinct("page", window),
      median: quantile("ms", 0.5, window),
      newest: last("ms", 3, window),
    },
  });
  const only = defineFeatureService({ name: "only", views: [view] });
  const open = async () => {
    const online = await openLogOnlineStore(join(directory.path, "online"), { flush: "system" });
    const store = await openFeatureStore({ history: join(directory.path, "history"), services: [only], online });
    const read = async (minute: number): Promise<Record<string, unknown[]>> =>
      columnsOf((await store.read("only", { entities: users("ann"), timeMs: minute * MINUTE })).features);
    const close = async (): Promise<void> => {
      await store[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
    };
    return { store, read, close };
  };
  const rowsOf = (minutes: readonly number[]) =>
    batchOf({
      user: minutes.map(() => "ann"),
      at: column(
        "timestamp",
        minutes.map((minute) => new Date(minute * MINUTE)),
      ),
      ms: column(
        "float64",
        minutes.map((minute) => ((minute * 7919) % 4001) / 8),
      ),
      page: minutes.map((minute) => `page ${minute % 61}`),
    });
  const total = 110_000;
  const first = await open();
  // The late row belongs into a tile that is there already: its minute is left out before.
  const late = 60_000;
  for (let start = 0; start < total; start += 10_000) {
    const minutes = Array.from({ length: 10_000 }, (_, index) => start + index).filter((minute) => minute !== late);
    await first.store.push(view, rowsOf(minutes));
  }
  const before = await first.read(total);
  expect(before["visits__visits"]).toEqual([days(60) / MINUTE - 1]);
  await first.close();
  const [file] = (await readdir(join(directory.path, "online"))).filter((name) => name.endsWith(".log"));
  expect(file).not.toBe("visits.1.log");
  const again = await open();
  expect(await again.read(total)).toEqual(before);
  expect(await again.store.push(view, rowsOf([late]))).toMatchObject({ rows: 1, lateRows: 1 });
  const after = await again.read(total);
  expect(after["visits__visits"]).toEqual([days(60) / MINUTE]);
  const labels = batchOf({ user: ["ann"], time: column("timestamp", [new Date(total * MINUTE)]) });
  const minutes = Array.from({ length: total }, (_, index) => index);
  await again.store.ingest(view, batches(rowsOf(minutes)));
  const offline = await columnsOfDataset(await again.store.history("only", { labels, labelTime: "time" }));
  for (const { name } of only.features) expect(after[name], name).toEqual(offline[name]);
  await again.close();
}, 600_000);
