import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ArtifactStore,
  type Clock,
  type ModelProvenance,
  createManualClock,
  type MillwrightEvent,
} from "@millwright/contracts";
import { packModel, writeDenseModel } from "@millwright/model";
import { type Registry, type RegistryOptions, openRegistry } from "@millwright/registry";
import { type Database, openDirectoryArtifactStore, openSqlite, openEventLog } from "@millwright/storage";

/** A registry in a folder of a test's own, deleted with everything in it at the end. */
export interface Workshop extends AsyncDisposable {
  readonly folder: string;
  /** Where the database lies: a file, or an address of PostgreSQL with a schema. */
  readonly path: string;
  readonly database: Database;
  readonly artifacts: ArtifactStore;
  readonly registry: Registry;
  /** Packs a dense model; packages of equal content and provenance are equal. @returns its directory. */
  pack(content: string, provenance?: Partial<ModelProvenance>): Promise<string>;
  /** Every event so far, in order. */
  events(): Promise<MillwrightEvent[]>;
}

export const startMs = 1_700_000_000_000;

/** Where a workshop keeps its database: see `packages/storage/test/engines.ts`. */
export interface DatabasePlace {
  /** What a program of `fixtures/` opens it by. */
  readonly name: string;
  open(options?: { readonly clock?: Clock }): Promise<Database>;
}

let makePlace = async (folder: string): Promise<DatabasePlace> => {
  const name = join(folder, "mill.db");
  return { name, open: (options) => openSqlite(name, options) };
};

/** The workshops of this file keep their databases elsewhere: the same tests, on another engine. */
export function useDatabases(make: () => Promise<DatabasePlace>): void {
  makePlace = make;
}

/** Lets nothing be inserted into a table. @returns what lets it again. */
export async function refuseInserts(
  database: Database,
  table: string,
  message: string,
): Promise<() => Promise<unknown>> {
  if (database.dialect === "sqlite") {
    const sql = `create trigger refuse before insert on ${table} begin select raise(abort, '${message}'); end`;
    await database.writeBatch([{ sql }]);
    return () => database.writeBatch([{ sql: "drop trigger refuse" }]);
  }
  const body = `begin raise exception '${message}' using errcode = 'check_violation'; end`;
  await database.writeBatch([
    { sql: `create function refuse() returns trigger language plpgsql as $$ ${body} $$` },
    { sql: `create trigger refuse before insert on ${table} for each row execute function refuse()` },
  ]);
  return () => database.writeBatch([{ sql: "drop function refuse cascade" }]);
}

export async function openWorkshop(options: Partial<RegistryOptions> = {}): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-registry-"));
  const place = await makePlace(folder);
  // Programs of `fixtures/` are told the folder alone.
  await writeFile(join(folder, "place"), place.name);
  const database = await place.open(options.clock === undefined ? {} : { clock: options.clock });
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  const registry = await openRegistry({
    database,
    artifacts,
    directory: join(folder, "staged"),
    flushMs: 5,
    pollMs: 5,
    ...options,
  });
  let packed = 0;
  return {
    folder,
    path: place.name,
    database,
    artifacts,
    registry,
    pack: (content, provenance) => packDense(join(folder, "packages", `${(packed += 1)}`), content, provenance),
    async events() {
      const events: MillwrightEvent[] = [];
      for await (const { event } of openEventLog(database).read()) events.push(event);
      return events;
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Packs a dense model. @returns its directory. */
export async function packDense(
  directory: string,
  content: string,
  provenance: Partial<ModelProvenance> = {},
): Promise<string> {
  const weights = Float32Array.from([content.length, 2, 3, 4]);
  const { files, signature } = writeDenseModel([{ kernel: weights, bias: new Float32Array(2), activation: "linear" }]);
  await packModel(directory, {
    name: "late",
    format: "dense",
    files: { ...files, "notes.txt": content },
    signature,
    provenance,
    clock: createManualClock(startMs),
  });
  return directory;
}

/** Versions 1 to `count` of `late`. */
export async function registerVersions({ registry, pack }: Workshop, count: number): Promise<void> {
  for (let version = 1; version <= count; version += 1) await registry.register("late", await pack(`model ${version}`));
}
