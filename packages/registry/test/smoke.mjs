// A small action on every supported Node: a run, a version, an approval, an alias, and the model behind it.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packModel, writeDenseModel } from "@millwright/model";
import { openRegistry } from "@millwright/registry";
import { openDirectoryArtifactStore, openSqlite } from "@millwright/storage";

const folder = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const database = await openSqlite(join(folder, "mill.db"));
const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
const registry = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
const run = await registry.startRun({ experiment: "late" });
run.logMetrics([{ name: "loss", value: 0.25, step: 0 }]);
await run.end("finished");
const dense = writeDenseModel([{ kernel: Float32Array.of(2, 3), bias: Float32Array.of(1), activation: "sigmoid" }]);
await packModel(join(folder, "late"), { name: "late", format: "dense", ...dense, provenance: { runId: run.id } });
const { version } = await registry.register("late", join(folder, "late"));
await registry.approve("late", version, { status: "approved", by: "ann" });
await registry.setAlias("late", "champion", version, { ifVersion: 0 });
assert.equal((await registry.resolve("late@champion")).version, 1);
await registry[Symbol.asyncDispose]();
await database[Symbol.asyncDispose]();
await rm(folder, { recursive: true });
