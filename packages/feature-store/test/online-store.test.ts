import { appendFile, readFile, readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import type { OnlineRecord, OnlineRow, OnlineStore } from "../src/index.ts";
import { onlineStoreContract } from "../src/testing/index.ts";
import { temporaryDirectory } from "./rows.ts";

const row = (key: string, timeUs: number): OnlineRow => ({ key, timeUs, createdUs: null, inputs: [], values: [] });

async function all(store: OnlineStore, view: string): Promise<OnlineRecord[]> {
  const records: OnlineRecord[] = [];
  for await (const record of store.read(view)) records.push(record);
  return records;
}

for (const { name, run } of onlineStoreContract) {
  test(`memory: ${name}`, async () => {
    await using store = openMemoryOnlineStore();
    await run(store);
  });
  test(`log: ${name}`, async () => {
    await using directory = await temporaryDirectory();
    await using store = await openLogOnlineStore(directory.path);
    await run(store);
  });
}

test("what the log kept is there after it is opened again, replaced views too", async () => {
  await using directory = await temporaryDirectory();
  {
    await using store = await openLogOnlineStore(directory.path);
    await store.append("a", [row("x", 1)]);
    await store.append("b", [row("y", 1)]);
    await store.replace("a", [row("x", 2)]);
    await store.append("a", [row("x", 3)]);
  }
  await using again = await openLogOnlineStore(directory.path);
  expect(await all(again, "a")).toEqual([row("x", 2), row("x", 3)]);
  expect(await all(again, "b")).toEqual([row("y", 1)]);
  expect((await readdir(directory.path)).sort()).toEqual(["a.2.log", "b.1.log", "lock"]);
});

test("a record cut anywhere at the end is dropped whole, and what came before stays", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.1.log");
  {
    await using store = await openLogOnlineStore(directory.path);
    await store.append("a", [row("x", 1)]);
  }
  const first = (await readFile(path)).length;
  {
    await using store = await openLogOnlineStore(directory.path);
    await store.append("a", [row("x", 2), row("x", 3)]);
  }
  const whole = await readFile(path);
  for (let size = whole.length - 1; size >= first; size--) {
    await writeFile(path, whole.subarray(0, size));
    await using store = await openLogOnlineStore(directory.path);
    expect(await all(store, "a")).toEqual([row("x", 1)]);
    await store.append("a", [row("x", 4)]);
    expect(await all(store, "a")).toEqual([row("x", 1), row("x", 4)]);
  }
  // As a power failure leaves it: longer, but never written.
  await writeFile(path, Buffer.concat([whole, Buffer.alloc(5000)]));
  await using store = await openLogOnlineStore(directory.path);
  expect(await all(store, "a")).toHaveLength(3);
});

test("damage that is not at the end is told, with the place, and nothing is cut off", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.1.log");
  {
    await using store = await openLogOnlineStore(directory.path);
    await store.append("a", [row("x", 1)]);
    await store.append("a", [row("x", 2)]);
  }
  const bytes = await readFile(path);
  bytes[12]! ^= 1;
  await writeFile(path, bytes);
  {
    await using store = await openLogOnlineStore(directory.path);
    await expect(all(store, "a")).rejects.toMatchObject({
      code: "FEATURE_STORE_LOG_CORRUPT",
      message: expect.stringContaining("byte 0"),
    });
  }
  expect((await readFile(path)).equals(bytes)).toBe(true);
});

test("files that a crash left during a replacement are not taken for the view", async () => {
  await using directory = await temporaryDirectory();
  {
    await using store = await openLogOnlineStore(directory.path);
    await store.append("a", [row("x", 1)]);
    await store.replace("a", [row("x", 2)]);
  }
  await writeFile(join(directory.path, "a.1.log"), "what was replaced");
  await writeFile(join(directory.path, "a.3.log.tmp"), "half of what should have come");
  await using store = await openLogOnlineStore(directory.path);
  expect(await all(store, "a")).toEqual([row("x", 2)]);
  expect((await readdir(directory.path)).sort()).toEqual(["a.2.log", "lock"]);
});

test("a directory has one owner; a claim whose process is gone is taken over", async () => {
  await using directory = await temporaryDirectory();
  {
    await using store = await openLogOnlineStore(directory.path);
    await store.append("a", [row("x", 1)]);
    await expect(openLogOnlineStore(directory.path)).rejects.toMatchObject({ code: "FEATURE_STORE_LOG_LOCKED" });
    await writeFile(join(directory.path, "lock"), String(process.ppid));
    await expect(openLogOnlineStore(directory.path)).rejects.toMatchObject({
      code: "FEATURE_STORE_LOG_LOCKED",
      retryable: true,
    });
  }
  await appendFile(join(directory.path, "lock"), "999999999");
  await using again = await openLogOnlineStore(directory.path);
  expect(await all(again, "a")).toEqual([row("x", 1)]);
  await truncate(join(directory.path, "a.1.log"), 3);
});
