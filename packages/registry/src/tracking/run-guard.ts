import { hasCode } from "@millwright/contracts";
import type { BatchOptions, BatchResult, Database, Statement } from "@millwright/storage";
import { runDeleted, runUnknown } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";

type Read = Database<RegistryTables>["read"];

/** A tag without a value, which no table takes: the transaction fails where the run is deleted or gone, and nothing happens where it is there. */
const refuseUnlessActive =
  "insert into registry_run_tags (run, name, value) " +
  "select '', '', null where not exists (select 1 from registry_runs where id = ? and deleted_ms is null)";

/** Writes what belongs to a run, unless the run is deleted by then: that is looked at in the transaction. Throws `REGISTRY_RUN_DELETED`, `REGISTRY_RUN_UNKNOWN`. */
export async function writeToRun(
  database: Database<RegistryTables>,
  run: string,
  statements: readonly Statement[],
  options: BatchOptions,
): Promise<BatchResult> {
  try {
    return await database.writeBatch([...statements, { sql: refuseUnlessActive, rows: [[run]] }], options);
  } catch (error) {
    if (hasCode(error, "STORAGE_CONSTRAINT_VIOLATED")) await assertRunActive(database.read, run);
    throw error;
  }
}

/** Throws `REGISTRY_RUN_DELETED`, `REGISTRY_RUN_UNKNOWN`. */
export async function assertRunActive(read: Read, run: string): Promise<void> {
  const row = await read.selectFrom("registry_runs").select("deleted_ms").where("id", "=", run).executeTakeFirst();
  if (row === undefined) throw runUnknown(run);
  if (row.deleted_ms !== null) throw runDeleted(run);
}
