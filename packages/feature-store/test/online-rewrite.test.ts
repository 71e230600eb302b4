import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { defineFeatureService, openFeatureStore } from "../src/index.ts";
import { clicks, users } from "./score-service.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

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
