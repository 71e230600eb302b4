import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import type { OnlineRecord, OnlineStore } from "../src/online/online-store.ts";
import { mountSmallDisk } from "./small-disk.ts";

const row = (key: string, values: readonly string[] = []): OnlineRecord => ({
  key,
  timeUs: 1,
  createdUs: null,
  inputs: [],
  values,
});
const long = (length: number): readonly string[] => ["x".repeat(length)];
const keysOf = async (store: OnlineStore): Promise<readonly string[]> => {
  const keys: string[] = [];
  for await (const record of store.read("flights")) keys.push("key" in record ? record.key : "floor");
  return keys;
};
const full = { code: "FEATURE_STORE_WRITE_FAILED", category: "capacity", retryable: true, cause: { code: "ENOSPC" } };

test("rows that a full disk has no room for are refused; those kept stay, and with room the same store goes on", async ({
  skip,
}) => {
  await using disk = await mountSmallDisk(256);
  if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
  const directory = join(disk.directory, "online");
  {
    await using store = await openLogOnlineStore(directory);
    await store.append("flights", [row("first")]);
    await disk.fill(8_192);
    await expect(store.append("flights", [row("large", long(60_000))])).rejects.toMatchObject(full);
    await store.append("flights", [row("second")]); // what the large one had taken was given back
    await expect(store.replace("flights", [row("anew", long(60_000))])).rejects.toMatchObject(full);
    expect(await readdir(directory)).toEqual(["flights.1.log", "lock"]);
    await disk.free();
    await store.append("flights", [row("third", long(60_000))]);
    expect(await keysOf(store)).toEqual(["first", "second", "third"]);
  }
  await using again = await openLogOnlineStore(directory);
  expect(await keysOf(again)).toEqual(["first", "second", "third"]);
});

test("a store that has no room to be opened leaves no claim behind, and opens once there is some", async ({ skip }) => {
  await using disk = await mountSmallDisk(128);
  if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
  await disk.fill();
  const directory = join(disk.directory, "online");
  await expect(openLogOnlineStore(directory)).rejects.toMatchObject(full);
  await disk.free();
  await (await openLogOnlineStore(directory))[Symbol.asyncDispose]();
  await disk.fill();
  await expect(openLogOnlineStore(directory)).rejects.toMatchObject(full);
  expect(await readdir(directory)).toEqual([]);
  await disk.free();
  await using store = await openLogOnlineStore(directory);
  await store.append("flights", [row("first")]);
  expect(await keysOf(store)).toEqual(["first"]);
});
