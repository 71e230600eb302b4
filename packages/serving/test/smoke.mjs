// A small action on every supported Node: one model, asked in process, by a web Request, and over HTTP.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { listen, openModelServer } from "@millwright/serving";
import fastify from "fastify";

const root = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const network = writeDenseModel([{ kernel: [0.5, -0.25], bias: [0.1], activation: "sigmoid" }]);
await packModel(join(root, "late", "1"), { name: "late", format: "dense", ...network });
const server = await openModelServer({
  source: openDirectoryModelSource(root),
  runtimes: [denseRuntime()],
  endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
});
const { outputs } = await server.predict("late", { instances: [[1, 2]] });
assert.ok(Math.abs(outputs.prediction.data[0] - 1 / (1 + Math.exp(-0.1))) < 1e-6);

const ask = { method: "POST", headers: { "content-type": "application/json" }, body: '{"instances":[[1,2]]}' };
const answered = await server.handle(new Request("http://localhost/endpoints/late/predict", ask));
assert.equal(answered.status, 200);
assert.equal(typeof (await answered.json()), "object");

const app = fastify();
await app.register(server.fastify);
const url = await listen(app, { port: 0 });
assert.equal((await fetch(`${url}/ping`)).status, 200);
assert.equal((await fetch(`${url}/endpoints/late/predict`, ask)).status, 200);
await app.close();
await server[Symbol.asyncDispose]();
await rm(root, { recursive: true });
