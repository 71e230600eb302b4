import { type CallOptions, type Clock, type Deployer, type JsonObject, modelUnknown } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
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
   * Moves an alias back to an approved version, in one call. It is told by one event, `model.alias-set` with `rollback`: the reason, the endpoints, and how many milliseconds it
   * took until the alias had moved; what the endpoints do then is told by their deployments' own. Throws `REGISTRY_ROLLBACK_IMPOSSIBLE` where there is none, `PORT_MODEL_UNKNOWN`. An endpoint that could not be
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
      const elapsedMs = (): number => clock.monotonicMs() - startMs;
      const moved = await database.write((scope) => goBack(scope, clock, name, { ...options, alias, elapsedMs }), {
        signal,
      });
      if (deployer !== undefined)
        await Promise.all(endpoints.map((endpoint) => deployer.rollback(endpoint, reason, { signal })));
      return { name, alias, ...moved, by, reason, timeMs, durationMs: elapsedMs() };
    },
  };
}

interface GoingBack extends RollbackOptions {
  readonly alias: string;
  /** Since it was asked for. */
  readonly elapsedMs: () => number;
}

async function goBack(
  scope: WriteScope<RegistryTables>,
  clock: Clock,
  name: string,
  { alias, to, by, reason, endpoints = [], elapsedMs }: GoingBack,
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
  const rollback = (): JsonObject => ({ reason, endpoints: [...endpoints], durationMs: elapsedMs() });
  await moveAlias(scope, clock, { name, alias, version: target.version, ifVersion: from, by, rollback });
  return { from, to: target.version };
}
