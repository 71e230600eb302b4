import { generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createManualClock, type EventDraft } from "@millwright/contracts";
import {
  type ChainReport,
  type Database,
  exportCheckpoint,
  type LogCheckpoint,
  openEventLog,
  openSqlite,
  verifyCheckpoint,
} from "@millwright/storage";
import { expect, test } from "vitest";
import { temporaryFolder } from "./folder.ts";

const ann = generateKeyPairSync("ed25519");
const eve = generateKeyPairSync("ed25519");
const key = ann.privateKey;
const keys = [ann.publicKey];
const clock = createManualClock(1_700_000_000_000);

const draft = (index: number): EventDraft => ({
  source: "test",
  type: "model.approved",
  subject: `late/${index}`,
  data: { by: `person-${index}`, status: "approved" },
});

/** A log of 300 decisions, with what was exported of it. */
async function withLog(
  work: (database: Database, path: string, checkpoint: LogCheckpoint) => Promise<void>,
  every = 10,
): Promise<void> {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await using database = await openSqlite(path, { clock });
  await openEventLog(database).append(Array.from({ length: 300 }, (_, index) => draft(index + 1)));
  await work(database, path, await exportCheckpoint(database, { key, log: "registry", every }));
}

/** Makes the chain anew from the log's own records, as who owns the database can: each hash fits the one before. */
async function rewriteChain(database: Database, from: number): Promise<void> {
  const { createHash } = await import("node:crypto");
  const rows = (await database.read.selectFrom("millwright_events").selectAll().orderBy("cursor").execute()) as {
    cursor: number;
    body: string;
    hash: string;
  }[];
  let previous = "0".repeat(64);
  for (const { cursor, body, hash } of rows) {
    const next = cursor < from ? hash : createHash("sha256").update(`${cursor}\n${previous}\n${body}`).digest("hex");
    if (next !== hash)
      await database.writeBatch([
        { sql: "update millwright_events set hash = ? where cursor = ?", parameters: [next, cursor] },
      ]);
    previous = next;
  }
}

const editBody = (cursor: number): { readonly sql: string } => ({
  sql: `update millwright_events set body = replace(body, 'person-${cursor}', 'another-${cursor}') where cursor = ${cursor}`,
});

test("MR-37: one byte of history is edited in the database's file: verify names the first bad record", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  let checkpoint: LogCheckpoint | undefined;
  {
    await using database = await openSqlite(path, { clock });
    await openEventLog(database).append(Array.from({ length: 300 }, (_, index) => draft(index + 1)));
    expect((await openEventLog(database).verify()).broken).toBeUndefined();
    checkpoint = await exportCheckpoint(database, { key });
  }
  const bytes = await readFile(path);
  const at = bytes.indexOf("person-207");
  expect(at).toBeGreaterThan(0);
  bytes[at] = "P".charCodeAt(0);
  await writeFile(path, bytes);
  await using database = await openSqlite(path, { clock });
  const report = await openEventLog(database).verify();
  expect(report.broken).toEqual({ cursor: 207, problem: "changed" });
  expect(report.head.cursor).toBe(206);
  expect((await verifyCheckpoint(database, checkpoint, { keys })).broken).toEqual({ cursor: 207, problem: "changed" });
  await expect(exportCheckpoint(database, { key })).rejects.toMatchObject({
    code: "STORAGE_CHAIN_BROKEN",
    message: expect.stringContaining("record 207") as string,
  });
});

test("a log that goes on after a checkpoint still holds against it, and against every older one", async () => {
  await withLog(async (database, _path, first) => {
    await openEventLog(database).append([draft(301), draft(302)]);
    const second = await exportCheckpoint(database, { key });
    for (const checkpoint of [first, second])
      expect(await verifyCheckpoint(database, checkpoint, { keys })).toMatchObject({
        records: 302,
        head: { cursor: 302 },
        broken: undefined,
      });
    expect(second).toMatchObject({
      formatVersion: 1,
      log: "millwright",
      cursor: 302,
      every: 100,
      timeMs: 1_700_000_000_000,
    });
    expect(second.anchors).toHaveLength(3);
    // It is JSON, and survives being written down.
    expect(
      await verifyCheckpoint(database, JSON.parse(JSON.stringify(first)) as LogCheckpoint, { keys, log: "registry" }),
    ).toMatchObject({ broken: undefined });
  });
});

test("MR-37: a tail that was cut off, with the counter set back, holds for verify and not against the checkpoint", async () => {
  await withLog(async (database, _path, checkpoint) => {
    await database.writeBatch([
      { sql: "delete from millwright_events where cursor > 250" },
      { sql: "update sqlite_sequence set seq = 250 where name = 'millwright_events'" },
    ]);
    expect((await openEventLog(database).verify()).broken).toBeUndefined();
    expect(await verifyCheckpoint(database, checkpoint, { keys })).toMatchObject({
      records: 250,
      broken: { cursor: 251, problem: "missing" },
    });
    // Written on, it has other records where the checkpoint knows some.
    await openEventLog(database).append(Array.from({ length: 80 }, (_, index) => draft(1000 + index)));
    expect((await openEventLog(database).verify()).broken).toBeUndefined();
    expect((await verifyCheckpoint(database, checkpoint, { keys })).broken).toEqual({
      cursor: 251,
      problem: "rewritten",
      upToCursor: 260,
    });
  });
});

test("MR-37: a chain that was made anew holds for verify, and the checkpoint names its first bad record", async () => {
  for (const [every, broken] of [
    [1, { cursor: 123, problem: "rewritten" }],
    [10, { cursor: 121, problem: "rewritten", upToCursor: 130 }],
    [1000, { cursor: 1, problem: "rewritten", upToCursor: 300 }],
  ] as const)
    await withLog(async (database, _path, checkpoint) => {
      await database.writeBatch([editBody(123)]);
      expect((await openEventLog(database).verify()).broken).toEqual({ cursor: 123, problem: "changed" });
      await rewriteChain(database, 123);
      expect((await openEventLog(database).verify()).broken).toBeUndefined();
      const report: ChainReport = await verifyCheckpoint(database, checkpoint, { keys });
      expect(report.broken).toEqual(broken);
      expect(report.head.cursor).toBe(broken.cursor - 1);
    }, every);
});

test("a checkpoint that was changed, is of another log, or is signed by somebody else proves nothing", async () => {
  await withLog(async (database, _path, checkpoint) => {
    const invalid = { code: "STORAGE_CHECKPOINT_INVALID" };
    const changed: readonly object[] = [
      { ...checkpoint, cursor: 299 },
      { ...checkpoint, hash: "0".repeat(64) },
      { ...checkpoint, timeMs: 0 },
      { ...checkpoint, anchors: checkpoint.anchors.slice(1) },
      { ...checkpoint, more: 1 },
      { ...checkpoint, signature: checkpoint.signature.replace(/^./, (first) => (first === "A" ? "B" : "A")) },
      { ...checkpoint, signature: "" },
      { ...checkpoint, formatVersion: 2 },
      { ...checkpoint, every: 0 },
      {},
    ];
    for (const each of changed)
      await expect(verifyCheckpoint(database, each as LogCheckpoint, { keys })).rejects.toMatchObject(invalid);
    await expect(verifyCheckpoint(database, checkpoint, { keys: [eve.publicKey] })).rejects.toMatchObject(invalid);
    await expect(verifyCheckpoint(database, checkpoint, { keys: [] })).rejects.toMatchObject(invalid);
    await expect(verifyCheckpoint(database, checkpoint, { keys, log: "feature store" })).rejects.toMatchObject(invalid);
    const forged = await exportCheckpoint(database, { key: eve.privateKey });
    await expect(verifyCheckpoint(database, { ...forged, keyId: checkpoint.keyId }, { keys })).rejects.toMatchObject(
      invalid,
    );
    await expect(exportCheckpoint(database, { key: ann.publicKey })).rejects.toMatchObject(invalid);
    await expect(exportCheckpoint(database, { key: "no key" })).rejects.toMatchObject(invalid);
    await expect(exportCheckpoint(database, { key, every: 0 })).rejects.toThrow(RangeError);
  });
});

test("keys come as PEM and JSON Web Keys too; an empty log has a checkpoint", async () => {
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"));
  const pem = ann.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const checkpoint = await exportCheckpoint(database, { key: pem });
  expect(checkpoint).toMatchObject({ cursor: 0, hash: "0".repeat(64), anchors: [] });
  await openEventLog(database).append([draft(1)]);
  const publicKeys = [
    ann.publicKey.export({ format: "jwk" }),
    ann.publicKey.export({ type: "spki", format: "pem" }) as string,
    pem,
  ];
  for (const each of publicKeys)
    expect((await verifyCheckpoint(database, checkpoint, { keys: [each] })).broken).toBeUndefined();
});
