import { type Clock, type JsonValue, type RunId, decodeNumbers, hasCode } from "@millwright/contracts";
import type { Database, Statement } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { runUnknown } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { endRun, reopenRun } from "./run-end.ts";
import type { ImportConflict, ImportOptions, ImportReport, PlacedEntry, RunImport, RunStart } from "./run-entries.ts";
import { type RunRow, selectRuns } from "./run-rows.ts";
import { ensureRun } from "./run-start.ts";
import { assertRunActive, writeToRun } from "./run-guard.ts";
import { type LoggedPoint, loggedPoint, paramJson, statementsOf } from "./run-statements.ts";

type Registry = Database<RegistryTables>;

export function createRunImport(database: Registry, clock: Clock, actors: Actors): RunImport {
  return {
    async importRun(source, began, entries, options = {}) {
      options.signal?.throwIfAborted();
      const start = { ...began, by: actors.acting(began.by) };
      checkLabel("a journal", source);
      checkLabel("an experiment", start.experiment);
      checkLabel("a run", start.name);
      await ensureRun(database, start, options.signal);
      await assertRunActive(database.read, start.id);
      const given = { database, clock, actors, source, start, entries, options };
      const conflicts = [...conflictsOfRun(await readRow(database, start.id), start)];
      let imported = 0;
      for (const stretch of stretchesOf(entries)) {
        const written = await importStretch(given, stretch);
        imported += written.imported;
        conflicts.push(...written.conflicts);
      }
      return { imported, known: entries.length - imported, conflicts };
    },
    async importedPosition(source, run, { signal } = {}) {
      signal?.throwIfAborted();
      const row = await database.read
        .selectFrom("registry_entries")
        .select(({ fn }) => fn.max("position").as("position"))
        .where("run", "=", run)
        .where("source", "=", source)
        .executeTakeFirst();
      return row?.position ?? 0;
    },
  };
}

interface Import {
  readonly database: Registry;
  readonly clock: Clock;
  readonly actors: Actors;
  readonly source: string;
  readonly start: RunStart;
  readonly entries: readonly PlacedEntry[];
  readonly options: ImportOptions;
}

type Written = Pick<ImportReport, "imported" | "conflicts">;

/** What can be written in one transaction: changes of the status stand alone. */
function* stretchesOf(entries: readonly PlacedEntry[]): Generator<readonly PlacedEntry[]> {
  let logged: PlacedEntry[] = [];
  for (const placed of entries) {
    if (placed.entry.kind === "log" || placed.entry.kind === "artifact") {
      logged.push(placed);
      continue;
    }
    if (logged.length > 0) yield logged;
    logged = [];
    yield [placed];
  }
  if (logged.length > 0) yield logged;
}

async function importStretch(given: Import, stretch: readonly PlacedEntry[]): Promise<Written> {
  const [first] = stretch;
  if (first?.entry.kind === "end" || first?.entry.kind === "resume") return importStatus(given, first);
  for (;;) {
    const known = new Set(await positionsOf(given, stretch));
    const missing = stretch.filter(({ position }) => !known.has(position));
    if (missing.length === 0) return { imported: 0, conflicts: [] };
    const conflicts = await conflictsOfParams(given, missing);
    try {
      await writeLogged(given, missing, conflicts);
      return { imported: missing.length, conflicts };
    } catch (error) {
      // Somebody else brought some of them at the same time: what is missing is looked at anew.
      if (!hasCode(error, "STORAGE_CONSTRAINT_VIOLATED")) throw error;
      if ((await positionsOf(given, stretch)).length === known.size) throw error;
    }
  }
}

function importStatus(
  { database, actors, source, start, options }: Import,
  { position, entry }: PlacedEntry,
): Promise<Written> {
  return database.write(
    async (scope) => {
      const { sql } = scope;
      const there = await sql
        .selectFrom("registry_entries")
        .select("position")
        .where("run", "=", start.id)
        .where("source", "=", source)
        .where("position", "=", position)
        .executeTakeFirst();
      if (there !== undefined) return { imported: 0, conflicts: [] };
      await assertRunActive(sql, start.id);
      await sql.insertInto("registry_entries").values({ run: start.id, source, position }).execute();
      const row = await selectRuns(sql).where("registry_runs.id", "=", start.id).executeTakeFirstOrThrow();
      const isRunning = row.status === "running";
      if (entry.kind === "resume" && !isRunning) await reopenRun(scope, row, actors);
      if (entry.kind !== "end" || row.status === entry.status) return { imported: 1, conflicts: [] };
      if (isRunning) {
        const { status, endedMs } = entry;
        await endRun(scope, { id: start.id, experiment: row.experiment, status, endedMs }, actors);
        return { imported: 1, conflicts: [] };
      }
      const conflict = { run: start.id, kind: "status", name: "", stored: row.status, given: entry.status } as const;
      return { imported: 1, conflicts: [conflict] };
    },
    { signal: options.signal },
  );
}

async function writeLogged(
  { database, clock, source, start, options }: Import,
  missing: readonly PlacedEntry[],
  conflicts: readonly ImportConflict[],
): Promise<void> {
  const kept = new Set(options.prefer === "given" ? [] : conflicts.map(({ name }) => name));
  const params = new Map<string, string>();
  const points: LoggedPoint[] = [];
  const artifacts: (readonly unknown[])[] = [];
  for (const { entry } of missing) {
    if (entry.kind === "artifact") artifacts.push([start.id, entry.path, entry.digest, entry.sizeBytes]);
    if (entry.kind !== "log") continue;
    for (const [name, value] of Object.entries(entry.params ?? {}))
      if (!kept.has(name)) params.set(name, paramJson(name, value));
    for (const point of entry.metrics ?? []) points.push(loggedPoint(point, clock.nowMs()));
  }
  const statements: Statement[] = [
    {
      sql: "insert into registry_entries (run, source, position) values (?, ?, ?)",
      rows: missing.map(({ position }) => [start.id, source, position]),
    },
    ...statementsOf(start.id, params, points),
  ];
  if (artifacts.length > 0) statements.push({ sql: insertArtifact, rows: artifacts });
  await writeToRun(database, start.id, statements, { signal: options.signal });
}

const insertArtifact =
  "insert into registry_artifacts (run, path, digest, size_bytes) values (?, ?, ?, ?) " +
  "on conflict (run, path) do update set digest = excluded.digest, size_bytes = excluded.size_bytes";

async function readRow({ read }: Registry, id: RunId): Promise<RunRow> {
  const row = await selectRuns(read).where("registry_runs.id", "=", id).executeTakeFirst();
  if (row === undefined) throw runUnknown(id);
  return row;
}

async function positionsOf(
  { database, source, start }: Import,
  stretch: readonly PlacedEntry[],
): Promise<readonly number[]> {
  const rows = await database.read
    .selectFrom("registry_entries")
    .select("position")
    .where("run", "=", start.id)
    .where("source", "=", source)
    .where("position", ">=", stretch[0]?.position ?? 0)
    .where("position", "<=", stretch.at(-1)?.position ?? 0)
    .execute();
  return rows.map(({ position }) => position);
}

function* conflictsOfRun(row: RunRow, { id, experiment }: RunStart): Generator<ImportConflict> {
  if (row.experiment !== experiment)
    yield { run: id, kind: "experiment", name: "", stored: row.experiment, given: experiment };
}

/** Params of what is missing that the run has with another value than the journal ever gave it. */
async function conflictsOfParams(
  { database, start, entries, options }: Import,
  missing: readonly PlacedEntry[],
): Promise<readonly ImportConflict[]> {
  const rows = await database.read
    .selectFrom("registry_params")
    .select(["name", "value"])
    .where("run", "=", start.id)
    .execute();
  const stored = new Map(rows.map(({ name, value }) => [name, value]));
  const own = new Map(Object.entries(options.before ?? {}).map(([name, value]) => [name, paramJson(name, value)]));
  const asked = new Set(missing.map(({ position }) => position));
  const conflicts: ImportConflict[] = [];
  for (const { position, entry } of entries) {
    if (entry.kind !== "log") continue;
    for (const [name, value] of Object.entries(entry.params ?? {})) {
      const json = stored.get(name);
      const before = own.get(name);
      own.set(name, paramJson(name, value));
      if (!asked.has(position) || json === undefined || json === paramJson(name, value) || json === before) continue;
      const was = decodeNumbers(JSON.parse(json)) as JsonValue;
      conflicts.push({ run: start.id, kind: "param", name, stored: was, given: value });
    }
  }
  return conflicts;
}
