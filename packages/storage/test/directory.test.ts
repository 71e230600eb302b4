import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createManualClock, type Digest } from "@millwright/contracts";
import { openDirectoryArtifactStore } from "@millwright/storage";
import { expect, test } from "vitest";
import { startChild } from "./child.ts";
import { temporaryFolder } from "./folder.ts";

test("an artifact is one file, named by its digest without a colon", async () => {
  await using folder = await temporaryFolder();
  const store = await openDirectoryArtifactStore(folder.path);
  await store.put(Buffer.from("abc"));
  const names = (await readdir(folder.path, { recursive: true })).map((name) => name.replaceAll("\\", "/"));
  // FIPS 180-2, appendix B.1.
  const hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  expect(names.toSorted()).toEqual(["lock", "sha256", `sha256/ba`, `sha256/ba/${hex.slice(2)}`, "temporary"]);
});

test("a file cut short behind the store's back is put again whole", async () => {
  await using folder = await temporaryFolder();
  const store = await openDirectoryArtifactStore(folder.path);
  const { digest } = await store.put(Buffer.from("abcdef"));
  const file = join(folder.path, "sha256", digest.slice(7, 9), digest.slice(9));
  await writeFile(file, "abc");
  await store.put(Buffer.from("abcdef"));
  const chunks = [];
  for await (const chunk of store.open(digest)) chunks.push(Buffer.from(chunk));
  expect(Buffer.concat(chunks).toString()).toBe("abcdef");
});

test("opening deletes temporary files older than a day, and no others", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "temporary"));
  const nowMs = 1_700_000_000_000;
  for (const [name, ageHours] of [
    ["old", 25],
    ["young", 23],
  ] as const) {
    const file = join(folder.path, "temporary", name);
    await writeFile(file, "half");
    const seconds = nowMs / 1000 - ageHours * 3600;
    await utimes(file, seconds, seconds);
  }
  const store = await openDirectoryArtifactStore(folder.path, { clock: createManualClock(nowMs) });
  expect(await readdir(join(folder.path, "temporary"))).toEqual(["young"]);
  for await (const info of store.list()) expect(info).toBeUndefined();
});

test("a digest that is none, and a path dressed as one, are refused", async () => {
  await using folder = await temporaryFolder();
  const store = await openDirectoryArtifactStore(folder.path);
  for (const digest of ["", "sha256:", "md5:00", `sha256:${"A".repeat(64)}`, `sha256:${"../".repeat(22)}`]) {
    await expect(store.has(digest as Digest)).rejects.toBeInstanceOf(RangeError);
    await expect(store.delete(digest as Digest)).rejects.toBeInstanceOf(RangeError);
  }
});

test("an artifact of 300 MB is streamed in and out in little memory", async () => {
  await using folder = await temporaryFolder();
  const sizeBytes = 300_000_000;
  const child = startChild("big-artifact.mjs", ["directory", folder.path, "", String(sizeBytes)]);
  expect(await child.ended).toMatchObject({ code: 0 });
  const report = JSON.parse(child.output()) as Record<string, number>;
  expect(report).toMatchObject({ sizeBytes, readBytes: sizeBytes });
  expect(report["maxRssBytes"]! - report["startRss"]!).toBeLessThan(100 * 1024 * 1024);
});
