import { type CallOptions, type Clock, type Deployer, modelUnknown } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { rollbackImpossible } from "../errors.ts";
import { checkAlias, checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { moveAlias } from "./version-writes.ts";

export interface RollbackOptions extends CallOptions {
  /** The alias that is deployed. Default: `champion`. */
  readonly alias?: string | undefined;
  /** The version to go back to. Default: the newest approved one below what the alias means. */
  readonly to?: number | undefined;
  readonly by: string;
  /** Why; kept in the event. */
  readonly reason: string;
  /** Brought back too: every `endpoint` is told to roll back, at the same time. Default: the alias alone, which servers watch. */
  readonly deployer?: Deployer | undefined;
  readonly endpoints?: readonly string[] | undefined;
}

export interface RollbackRecord {
  readonly name: string;
  readonly alias: string;
  readonly from: number;
  readonly to: number;
  readonly by: string;
  readonly reason: string;
  /** When it was asked for; UTC, milliseconds. */
  readonly timeMs: number;
  /** From the call until the alias had moved and every endpoint had answered. */
  readonly durationMs: number;
}

/** Goes back to what was good. */
export interface Rollbacks {
  /**
   * Moves an alias back to an approved version, in one call. Throws `REGISTRY_ROLLBACK_IMPOSSIBLE` where there is none, `PORT_MODEL_UNKNOWN`. An endpoint that could not be
   * rolled back rejects; the alias has moved then.
   */
  rollback(name: string, options: RollbackOptions): Promise<RollbackRecord>;
}

export function createRollbacks(database: Database<RegistryTables>, clock: Clock): Rollbacks {
  return {
    async rollback(name, options) {
      const { alias = "champion", by, reason, deployer, endpoints = [], signal } = options;
      signal?.throwIfAborted();
      checkAlias(alias);
      checkLabel("a person", by);
      checkLabel("a reason", reason);
      const startMs = clock.monotonicMs();
      const timeMs = clock.nowMs();
      const moved = await database.write((scope) => goBack(scope, clock, name, { ...options, alias }), { signal });
      if (deployer !== undefined)
        await Promise.all(endpoints.map((endpoint) => deployer.rollback(endpoint, reason, { signal })));
      const durationMs = clock.monotonicMs() - startMs;
      const record = { name, alias, ...moved, by, reason, timeMs, durationMs };
      await database.write(
        async (scope) => {
          const subject = `${name}@${alias}`;
          const { from: fromVersion, to: toVersion, ...told } = record;
          const data = { ...told, fromVersion, toVersion, endpoints: [...endpoints] };
          await emitAbout(scope, subject, {
            type: "model.rolled-back",
            causationid: await newestEvent(scope, subject),
            data,
          });
        },
        { signal },
      );
      return record;
    },
  };
}

async function goBack(
  scope: WriteScope<RegistryTables>,
  clock: Clock,
  name: string,
  { alias, to, by }: RollbackOptions & { readonly alias: string },
): Promise<{ readonly from: number; readonly to: number }> {
  const { sql } = scope;
  const current = await sql
    .selectFrom("registry_aliases")
    .select("version")
    .where("model", "=", name)
    .where("alias", "=", alias)
    .orderBy("move", "desc")
    .limit(1)
    .executeTakeFirst();
  if (current === undefined || current.version === 0) throw modelUnknown(`${name}@${alias}`, []);
  const from = current.version;
  let approved = sql
    .selectFrom("registry_versions")
    .select("version")
    .where("model", "=", name)
    .where("approval", "=", "approved")
    .where("deleted_ms", "is", null);
  approved = to === undefined ? approved.where("version", "<", from) : approved.where("version", "=", to);
  const target = await approved.orderBy("version", "desc").limit(1).executeTakeFirst();
  if (target === undefined || target.version === from) throw rollbackImpossible(name, from, to);
  await moveAlias(scope, clock, { name, alias, version: target.version, ifVersion: from, by });
  return { from, to: target.version };
}
