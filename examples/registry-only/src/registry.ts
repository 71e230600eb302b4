import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Registry, approvalsGate, metricGate, openRegistry } from "@millwright/registry";
import { type Database, openDirectoryArtifactStore, openSqlite } from "@millwright/storage";

export interface OpenedRegistry extends AsyncDisposable {
  readonly registry: Registry;
  readonly database: Database;
}

/** Everything in one folder. The champion must beat the one before it, and two people must have said yes. */
export async function openDeliveryRegistry(folder: string): Promise<OpenedRegistry> {
  await mkdir(folder, { recursive: true });
  const database = await openSqlite(join(folder, "registry.db"));
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  const champion = [metricGate({ metric: "error", direction: "minimize" }), approvalsGate({ count: 2 })];
  const directory = join(folder, "staged");
  const registry = await openRegistry({ database, artifacts, directory, gates: { alias: { champion } }, pollMs: 20 });
  return {
    registry,
    database,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
