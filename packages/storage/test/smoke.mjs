// A small action on every supported Node: write with an event, read, verify the chain, store bytes by digest.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryArtifactStore, openSqlite, openEventLog, openRecordStore } from "@millwright/storage";

const folder = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const path = join(folder, "mill.db");
const first = await openSqlite(path);
assert.equal(await openRecordStore(first).write("key", { value: 1 }, { ifVersion: 0 }), 1);
await first.write(({ emit }) => emit({ source: "smoke", type: "smoke.done", subject: "s", data: {} }));
await first[Symbol.asyncDispose]();

const again = await openSqlite(path);
assert.deepEqual((await openRecordStore(again).read("key"))?.value, { value: 1 });
const { records, broken } = await openEventLog(again).verify();
assert.deepEqual({ records, broken }, { records: 1, broken: undefined });
await again[Symbol.asyncDispose]();

const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
const { digest } = await artifacts.put(Buffer.from("weights"));
const chunks = [];
for await (const chunk of artifacts.open(digest)) chunks.push(chunk);
assert.equal(Buffer.concat(chunks).toString(), "weights");
await rm(folder, { recursive: true });
