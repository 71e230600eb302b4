// Our face for MLflow's clients on a free port, in a process of its own; every answer is on the disk. Says its address. node serve.mjs <folder>
import { join } from "node:path";
import fastify from "../../packages/registry/node_modules/fastify/fastify.js";
import { openRegistry } from "../../packages/registry/dist/index.js";
import { createMlflowServer } from "../../packages/registry/dist/mlflow.js";
import { openDirectoryArtifactStore, openSqlite } from "../../packages/storage/dist/index.js";

const folder = process.argv[2];
const database = await openSqlite(join(folder, "mill.db"), { durability: "full" });
const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
const registry = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
const app = fastify();
await app.register(createMlflowServer({ registry, database, artifacts }).fastify);
process.stdout.write(`${await app.listen({ port: 0, host: "127.0.0.1" })}\n`);
