import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Registry, openRegistry } from "@millwright/registry";
import { createMlflowServer } from "@millwright/registry/mlflow";
import { openDirectoryArtifactStore, openSqlite } from "@millwright/storage";
import fastify from "fastify";

/** A registry that MLflow's clients reach at `url`. */
export interface RegistryServer extends AsyncDisposable {
  readonly registry: Registry;
  readonly url: string;
}

/** Opens the registry in a folder and answers MLflow's clients from it. @param port 0: any that is free. */
export async function openRegistryServer(folder: string, port = 0): Promise<RegistryServer> {
  await mkdir(folder, { recursive: true });
  const database = await openSqlite(join(folder, "mill.db"));
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  const registry = await openRegistry({ database, artifacts, directory: join(folder, "staged"), pollMs: 20 });
  const app = fastify({ forceCloseConnections: true });
  await app.register(createMlflowServer({ registry, database, artifacts }).fastify);
  const url = await app.listen({ port, host: "127.0.0.1" });
  return {
    registry,
    url,
    async [Symbol.asyncDispose]() {
      await app.close();
      await registry[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
