// A small action on every supported Node: a module runs in a process of its own and gives its result.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openJobs } from "@millwright/jobs";

const folder = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const module = join(folder, "sum.mjs");
await writeFile(module, "export default ({ input }) => input.reduce((a, b) => a + b, 0);");
const jobs = await openJobs({ directory: join(folder, "jobs") });
const job = await jobs.launch({ id: "sum", run: { module: pathToFileURL(module).href, input: [1, 2, 3] } });
const { state, value } = await job.result();
assert.deepEqual({ state, value }, { state: "completed", value: 6 });
await jobs[Symbol.asyncDispose]();
await rm(folder, { recursive: true });
