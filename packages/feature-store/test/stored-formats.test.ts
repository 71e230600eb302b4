import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openHistoryLog } from "../src/history/history-log.ts";
import type { OnlineRecord } from "../src/online/online-store.ts";

const golden = new URL("./golden/", import.meta.url);
/** What every golden log holds. */
const kept: readonly OnlineRecord[] = [
  { floorUs: 500 },
  { key: "N101", timeUs: 1_000, createdUs: 1_500, inputs: [0.1, null], values: [true, "späť", 2n ** 60n, null] },
  { key: "N102", timeUs: 2_000, createdUs: null, inputs: [-3, 4], values: [Number.NaN, -0, 1.5, Infinity] },
];

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-formats-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const recordsIn = async (): Promise<readonly OnlineRecord[]> => {
  await using store = await openLogOnlineStore(directory);
  const records: OnlineRecord[] = [];
  for await (const record of store.read("flights")) records.push(record);
  return records;
};
const framed = (text: string): Buffer => {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(crc32(payload, crc32(header.subarray(0, 4))), 4);
  return Buffer.concat([header, payload]);
};

/** What a log of version 2 holds beside that. */
const keptSince: readonly OnlineRecord[] = [
  { floorUs: 700, tilesFromUs: null },
  { floorUs: 800, tilesFromUs: -86_400_000_000 },
  {
    key: "N101",
    tileUs: -3_600_000_000,
    widthUs: 3_600_000_000,
    firstUs: -3_500_000_000,
    lastUs: -1,
    rows: 3,
    partials: {
      "rows()/1": 3,
      "squares(delay)/1000000": [2, "9007199254740993", "-81129638414606681695789005144065"],
      "extremes(delay)/1": null,
      "values(carrier)/1": [
        ["späť", 2],
        [7, 1],
      ],
    },
  },
  { key: "N103", timeUs: 3_000, createdUs: null, inputs: ["späť", null, 5], values: [true] },
];

const logs = {
  "online-log-1.bin": kept,
  "online-log-2.bin": [...kept, ...keptSince],
  "online-log-unversioned.bin": kept,
};
for (const [name, inFile] of Object.entries(logs)) {
  test(`${name} is read, and written on`, async () => {
    await copyFile(new URL(name, golden), join(directory, "flights.1.log"));
    expect(await recordsIn()).toEqual(inFile);
    {
      await using store = await openLogOnlineStore(directory);
      await store.append("flights", [{ floorUs: 900 }]);
    }
    expect(await recordsIn()).toEqual([...inFile, { floorUs: 900 }]);
  });
}

test("what is written today is the golden file, to the byte", async () => {
  {
    await using store = await openLogOnlineStore(directory);
    await store.append("flights", kept.slice(0, 2));
    await store.append("flights", kept.slice(2));
    await store.append("flights", keptSince);
  }
  expect(await readFile(join(directory, "flights.1.log"))).toEqual(await readFile(new URL("online-log-2.bin", golden)));
});

test("a log of a newer format is refused by name, and not a byte of it changes", async () => {
  const path = join(directory, "flights.1.log");
  const bytes = Buffer.concat([framed('{"formatVersion":3}'), framed('{"rows":[]}'), Buffer.from("torn")]);
  await writeFile(path, bytes);
  const refusal = {
    code: "FEATURE_STORE_FORMAT_TOO_NEW",
    message: expect.stringContaining(`${path} is of format version 3`) as string,
  };
  await expect(recordsIn()).rejects.toMatchObject(refusal);
  {
    await using store = await openLogOnlineStore(directory);
    await expect(store.append("flights", kept)).rejects.toMatchObject(refusal);
    await expect(store.replace("flights", kept)).rejects.toMatchObject(refusal);
  }
  expect(await readFile(path)).toEqual(bytes);
});

test("an entry of the history is read; of a newer format it is called too new, of none corrupt", async () => {
  const log = await openHistoryLog(directory, "flights");
  const entry = join(log.directory, "_batches", "entry.json");
  await copyFile(new URL("history-entry-1.json", golden), entry);
  expect(await log.batches()).toMatchObject([{ id: "monday", number: 1, rows: 2, parts: [{ ds: "2024-01-31" }] }]);
  await copyFile(new URL("history-entry-2.json", golden), join(log.directory, "_batches", "second.json"));
  expect((await log.batches())[1]).toMatchObject({
    id: "tuesday",
    number: 2,
    origin: "put",
    availableMs: 1706745600123,
  });
  await copyFile(new URL("history-fold-3.json", golden), join(log.directory, "_batches", "fold.json"));
  expect(await log.batches()).toMatchObject([
    { id: "monday", number: 1 },
    { id: "tuesday", number: 2 },
    { id: "wednesday", number: 3, formatVersion: 2, schema: [{ name: "tail", type: "utf8" }] },
    { id: "compaction/1", number: 4, origin: "compaction", replaces: ["ds=2024-01-31/part-3-data_0.parquet"] },
  ]);
  const fresh = await openHistoryLog(directory, "flights");
  await writeFile(entry, '{"formatVersion":4,"batches":{}}');
  await expect(fresh.batches()).rejects.toMatchObject({
    code: "FEATURE_STORE_FORMAT_TOO_NEW",
    remedy: expect.stringContaining("Install") as string,
  });
  for (const text of ['{"number":1,"parts":[]}', "null", "7", "{", '{"formatVersion":3,"batches":{}}']) {
    await writeFile(entry, text);
    await expect(fresh.batches()).rejects.toMatchObject({ code: "FEATURE_STORE_HISTORY_CORRUPT" });
  }
});

test("what ingests that died long ago were writing is deleted on open; what may still be written stays", async () => {
  const { directory: folder } = await openHistoryLog(directory, "flights");
  const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000);
  const dead = 2 ** 22 + 1; // more than any process number there is
  const make = async (name: string, old: boolean): Promise<void> => {
    await mkdir(join(folder, name, "ds=2024-01-31"), { recursive: true });
    await writeFile(join(folder, name, "ds=2024-01-31", "data_0.parquet"), "half");
    if (old) await utimes(join(folder, name), twoDaysAgo, twoDaysAgo);
  };
  await make(`_incoming-${dead}-3`, true);
  await make(`_incoming-${process.pid}-4`, true);
  await make(`_incoming-${dead}-5`, false);
  await make(`_incoming-${process.ppid}-6`, true);
  await openHistoryLog(directory, "flights");
  expect((await readdir(folder)).filter((name) => name.startsWith("_incoming")).toSorted()).toEqual(
    [`_incoming-${dead}-5`, `_incoming-${process.ppid}-6`].toSorted(),
  );
});
