import { randomBytes } from "node:crypto";
import { appendFile, open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createRandom, hasCode } from "@millwright/contracts";
import { type AppendLog, openAppendLog, readAppendLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { startChild } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import { mountSmallDisk } from "./small-disk.ts";

const textsOf = async (records: AsyncIterable<{ readonly bytes: Uint8Array }>): Promise<string[]> => {
  const texts: string[] = [];
  for await (const { bytes } of records) texts.push(Buffer.from(bytes).toString());
  return texts;
};

/** Texts of the log at a path, opened for writing. */
const reopened = async (path: string): Promise<string[]> => {
  await using log = await openAppendLog(path);
  return await textsOf(log.read());
};

test("records are read in the order they were appended, texts and bytes, the empty one too, from any of them on", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.log");
  await using log = await openAppendLog(path);
  await log.append(["one", Buffer.from("two"), ""]);
  await log.append([JSON.stringify({ step: 3 })], { durability: "buffered" });
  await log.append(["x".repeat(700_000)], { durability: "fire" });
  const records = [];
  for await (const record of log.read()) records.push(record);
  expect(records.map(({ bytes }) => bytes.length)).toEqual([3, 3, 0, 10, 700_000]);
  expect(await textsOf(log.read({ from: records[2]?.offset }))).toEqual(["", '{"step":3}', "x".repeat(700_000)]);
  expect(await textsOf(readAppendLog(path, { from: records[2]?.nextOffset }))).toHaveLength(2);
  expect(records.at(-1)?.nextOffset).toBe(log.sizeBytes);
  expect(await textsOf(log.read({ from: log.sizeBytes }))).toEqual([]);
});

test("the log keeps a copy of what is appended, and what is read is the reader's own", async () => {
  await using folder = await temporaryFolder();
  await using log = await openAppendLog(folder.file("a.log"));
  const bytes = Buffer.from("mine");
  const done = log.append([bytes]);
  bytes.fill(0);
  await done;
  for await (const record of log.read()) record.bytes.fill(1);
  expect(await textsOf(log.read())).toEqual(["mine"]);
});

test("appends of many callers at once are all there, each call's records next to each other", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.log");
  const log = await openAppendLog(path);
  const kinds = ["fire", "buffered", "fsync"] as const;
  await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      log.append([`${index} a`, `${index} b`], { durability: kinds[index % kinds.length] }),
    ),
  );
  await log.flush();
  await log[Symbol.asyncDispose]();
  const texts = await reopened(path);
  expect(texts).toEqual(Array.from({ length: 300 }, (_, index) => [`${index} a`, `${index} b`]).flat());
});

test("a log that was cleared goes on from the start", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.log");
  const log = await openAppendLog(path);
  const empty = log.sizeBytes;
  void log.append(["old"], { durability: "fire" });
  await log.clear();
  expect(log.sizeBytes).toBe(empty);
  await log.append(["new"]);
  await log[Symbol.asyncDispose]();
  await expect(log.append(["late"])).rejects.toMatchObject({ code: "PORT_CLOSED" });
  expect(await reopened(path)).toEqual(["new"]);
});

test("CT-7: a log whose writer stops at 500 random byte offsets reopens each time, with every record acknowledged before", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("whole.log");
  const random = createRandom(5);
  const acknowledged: { readonly text: string; readonly sizeBytes: number }[] = [];
  {
    await using log = await openAppendLog(path);
    for (let number = 0; number < 150; number += 1) {
      const text = `${number} ${"x".repeat(random.integer(3000))}`;
      await log.append([text], { durability: number % 10 === 0 ? "fsync" : "buffered" });
      acknowledged.push({ text, sizeBytes: (await stat(path)).size });
    }
  }
  const bytes = await readFile(path);
  let cut = 0;
  for (let round = 0; round < 500; round += 1) {
    const offset = random.integer(bytes.length + 1);
    // After a power failure the end may be zeros or anything.
    const torn = [Buffer.alloc(0), Buffer.alloc(random.integer(5000)), randomBytes(random.integer(5000))][round % 3]!;
    const copy = folder.file(`${round % 20}.log`);
    await writeFile(copy, Buffer.concat([bytes.subarray(0, offset), torn]));
    const expected = acknowledged.filter(({ sizeBytes }) => sizeBytes <= offset).map(({ text }) => text);
    {
      await using log = await openAppendLog(copy);
      expect(await textsOf(log.read())).toEqual(expected);
      await log.append(["after"], { durability: "buffered" });
      if (log.cutBytes > 0) cut += 1;
    }
    expect(await textsOf(readAppendLog(copy))).toEqual([...expected, "after"]);
  }
  expect(cut).toBeGreaterThan(450);
});

test("CT-7: writers killed with SIGKILL lose no acknowledged record of a log, and the next one opens it at once", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.log");
  const random = createRandom(13);
  let last = 0;
  for (let round = 0; round < 24; round += 1) {
    const child = startChild("log-writer.mjs", [path]);
    await child.said("open\n");
    await new Promise((resolve) => setTimeout(resolve, random.next() * 25));
    child.process.kill("SIGKILL");
    expect(await child.ended).toMatchObject({ signal: "SIGKILL", errors: "" });
    const lines = child.output().split("\n").slice(1, -1);
    last = Math.max(last, ...lines.map(Number));
  }
  const numbers = (await reopened(path)).map((text) => (JSON.parse(text) as { number: number }).number);
  expect(numbers.length).toBeGreaterThanOrEqual(last);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  expect(last).toBeGreaterThan(24);
});

test("one writer at a time, and any number of readers", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.log");
  const log = await openAppendLog(path);
  await log.append(["here"]);
  await expect(openAppendLog(path)).rejects.toMatchObject({ code: "STORAGE_LOG_LOCKED", retryable: true });
  const other = await startChild("log-writer.mjs", [path]).ended;
  expect(other.errors).toContain("STORAGE_LOG_LOCKED");
  expect(await textsOf(readAppendLog(path))).toEqual(["here"]);
  await log[Symbol.asyncDispose]();
  await (await openAppendLog(path))[Symbol.asyncDispose]();
});

async function flipByte(path: string, at: number): Promise<void> {
  await using file = await open(path, "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.of(buffer[0]! ^ 1), 0, 1, at);
}

test("a record that was changed is refused, or set aside with what follows, and never read as if it were whole", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.log");
  const offsets: number[] = [];
  {
    await using log = await openAppendLog(path);
    await log.append(["first", "second", "third"]);
    for await (const { offset } of log.read()) offsets.push(offset);
  }
  await flipByte(path, offsets[1]! + 10);
  await expect(openAppendLog(path)).rejects.toMatchObject({ code: "STORAGE_LOG_CORRUPT" });
  await expect(textsOf(readAppendLog(path))).rejects.toMatchObject({ code: "STORAGE_LOG_CORRUPT" });
  {
    await using log = await openAppendLog(path, { onDamage: "setAside" });
    expect(await textsOf(log.read())).toEqual(["first"]);
    expect(log.cutBytes).toBeGreaterThan(0);
  }
  expect(await readdir(folder.path)).toContain(`a.log.damaged-${offsets[1]}`);
  expect((await readFile(`${path}.damaged-${offsets[1]}`)).includes("third")).toBe(true);
  expect(await reopened(path)).toEqual(["first"]);
});

test("files that are no log or of a newer version are left as they are", async () => {
  await using folder = await temporaryFolder();
  const foreign = folder.file("notes.txt");
  await writeFile(foreign, "what I had to do");
  await expect(openAppendLog(foreign)).rejects.toMatchObject({ code: "STORAGE_LOG_CORRUPT" });
  expect(await readFile(foreign, "utf8")).toBe("what I had to do");
  const newer = folder.file("newer.log");
  await (await openAppendLog(newer))[Symbol.asyncDispose]();
  await using file = await open(newer, "r+");
  await file.write(Buffer.of(2), 0, 1, 7);
  await expect(openAppendLog(newer)).rejects.toMatchObject({ code: "STORAGE_FORMAT_NEWER" });
  await expect(openAppendLog(folder.file("no/folder.log"))).rejects.toMatchObject({ code: "STORAGE_FILE_UNREACHABLE" });
  await expect(textsOf(readAppendLog(folder.file("none.log")))).rejects.toMatchObject({
    code: "STORAGE_FILE_UNREACHABLE",
  });
});

test("a reader beside the writer sees what is whole, and goes on where it was", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.log");
  await using log = await openAppendLog(path);
  await log.append(["one"]);
  let from = 0;
  for await (const { nextOffset } of readAppendLog(path)) from = nextOffset;
  await log.append(["two"]);
  // Half of a record, as a reader may meet it.
  await appendFile(path, Buffer.of(200, 0, 0, 0, 1));
  expect(await textsOf(readAppendLog(path, { from }))).toEqual(["two"]);
});

const filled = async (log: AppendLog, durability: "fire" | "fsync"): Promise<number> => {
  let kept = 0;
  for (let number = 0; number < 200; number += 1) {
    await log.append(["x".repeat(20_000)], { durability });
    kept += 1;
  }
  return kept;
};

test("a full disk refuses whole records, keeps those before, and goes on when there is room again", async (context) => {
  await using disk = await mountSmallDisk(512);
  context.skip(disk === undefined, "mounting a small file system takes Linux and its administrator");
  const path = `${disk!.directory}/a.log`;
  const log = await openAppendLog(path);
  await expect(filled(log, "fsync")).rejects.toMatchObject({ code: "STORAGE_DISK_FULL", retryable: true });
  const kept = (await textsOf(log.read())).length;
  expect(kept).toBeGreaterThan(5);
  // What was fired says so at the next flush, once.
  await log.append(["y".repeat(400_000)], { durability: "fire" });
  const failed = await log.flush().catch((error: unknown) => error);
  expect(hasCode(failed, "STORAGE_DISK_FULL")).toBe(true);
  await log.clear();
  await log.append(["room again"]);
  await log.flush();
  await log[Symbol.asyncDispose]();
  expect(await reopened(path)).toEqual(["room again"]);
});
