import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openDirectoryArtifactStore, openEventLog, openSqlite, type VerifiableEventLog } from "@millwright/storage";
import type { GatePolicy } from "../models/gates.ts";
import { knownGates, withMissing } from "../models/known-gates.ts";
import { type Registry, assembleRegistry } from "../registry.ts";
import { type RegistryTables, migrations } from "../tables/tables.ts";
import { type CommandValues, UsageError } from "./command-options.ts";

/** A registry for one command. */
export interface OpenedRegistry extends AsyncDisposable {
  readonly registry: Registry;
  readonly log: VerifiableEventLog;
}

/** Opens what is there and makes nothing. Throws `UsageError` where there is no database or no store, and what `openSqlite` throws. */
export async function openNamed(values: CommandValues, signal: AbortSignal): Promise<OpenedRegistry> {
  const path = resolve(values.database ?? "mill.db");
  const store = resolve(values.artifacts ?? join(dirname(path), "artifacts"));
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) throw new UsageError(`There is no database "${path}": name it with --database.`);
  const isFolder = await stat(store).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new UsageError(`There is no store of artifacts "${store}": name it with --artifacts.`);
  const loaded = values.gates === undefined ? {} : await readGates(values.gates);
  // Its own: whoever serves from another must not meet a command there.
  const directory = await mkdtemp(join(tmpdir(), "millwright-registry-"));
  const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 3 });
  try {
    const database = await openSqlite(path);
    const artifacts = await openDirectoryArtifactStore(store);
    await database.migrate("registry", migrations, { signal });
    const known = await knownGates(database.typed<RegistryTables>().read);
    const gates = withMissing(loaded, known, "name the module of the service's gates with --gates");
    const registry = await assembleRegistry({ database, artifacts, directory, gates, signal });
    return {
      registry,
      log: openEventLog(database),
      [Symbol.asyncDispose]: async () => {
        await registry[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function readGates(path: string): Promise<GatePolicy> {
  const module = await import(pathToFileURL(resolve(path)).href).then(
    (loaded) => loaded as { readonly default?: unknown },
    (error: unknown) => {
      throw new UsageError(`The gates "${path}" cannot be loaded: ${(error as Error).message}`);
    },
  );
  if (typeof module.default !== "object" || module.default === null)
    throw new UsageError(`The gates "${path}" have no policy as their default export.`);
  return module.default as GatePolicy;
}
