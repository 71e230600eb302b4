import { type CallOptions, type Clock, type Logger, silentLogger, systemClock } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import { replicaFailed } from "../errors.ts";
import type { ModelServer } from "../model-server.ts";
import type { Fleet } from "./rolling-update.ts";

const table = "millwright_serving_fleet";

const migrations: readonly Migration[] = [
  {
    name: "001-fleet",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("endpoint", "text", (column) => column.notNull())
        .addColumn("replica", "text", (column) => column.notNull())
        .addColumn("model", "text", (column) => column.notNull())
        .addColumn("target", "text", (column) => column.notNull())
        .addColumn("problem", "text")
        .addColumn("seen", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("millwright_serving_fleet_key", ["endpoint", "replica"])
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(table).execute();
    },
  },
];

interface Tables {
  readonly millwright_serving_fleet: {
    endpoint: string;
    replica: string;
    model: string;
    target: string;
    problem: string | null;
    seen: number;
  };
}

const typedOf = (database: Database) => database.typed<Tables>();

export interface DatabaseFleetOptions extends CallOptions {
  readonly database: Database;
  readonly endpoint: string;
  /** How long a replica may be silent before it counts as gone, milliseconds. Default: 10,000. */
  readonly ttlMs?: number | undefined;
  /** How often the database is looked at, milliseconds. Default: 200. */
  readonly pollMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** The servers that joined in a database, as a fleet: each is told its model through the database, and tells back. */
export async function openDatabaseFleet(options: DatabaseFleetOptions): Promise<Fleet> {
  const { database, endpoint, ttlMs = 10_000, pollMs = 200, clock = systemClock, signal } = options;
  await database.migrate("serving-fleet", migrations, { signal });
  const typed = typedOf(database);
  return {
    async replicas(call = {}) {
      call.signal?.throwIfAborted();
      const rows = await typed.read
        .selectFrom(table)
        .selectAll()
        .where("endpoint", "=", endpoint)
        .orderBy("replica")
        .execute();
      return rows
        .filter(({ seen }) => clock.nowMs() - Number(seen) <= ttlMs)
        .map(({ replica, model }) => ({ id: replica, model }));
    },
    async settle(model, call = {}) {
      call.signal?.throwIfAborted();
      await typed.write(async ({ sql }) => {
        await sql.updateTable(table).set({ target: model, problem: null }).where("endpoint", "=", endpoint).execute();
      });
    },
    async update(id, model, call = {}) {
      call.signal?.throwIfAborted();
      await typed.write(async ({ sql }) => {
        await sql
          .updateTable(table)
          .set({ target: model, problem: null })
          .where("endpoint", "=", endpoint)
          .where("replica", "=", id)
          .execute();
      });
      for (;;) {
        const row = await typed.read
          .selectFrom(table)
          .selectAll()
          .where("endpoint", "=", endpoint)
          .where("replica", "=", id)
          .executeTakeFirst();
        if (row?.model === model) return;
        if (row === undefined || clock.nowMs() - Number(row.seen) > ttlMs) throw replicaFailed(id, "it is gone");
        if (row.problem !== null && row.target === model) throw replicaFailed(id, row.problem);
        await clock.sleep(pollMs, call);
      }
    },
  };
}

export interface JoinFleetOptions extends DatabaseFleetOptions {
  /** The same over restarts: the replica comes back with the model it had been told. */
  readonly replica: string;
  /** Opened without `database` of its own: deployments are this replica's alone. */
  readonly server: ModelServer;
  /** The model that it serves now. */
  readonly model: string;
}

/** A server's part in a fleet; disposed, it leaves. */
export type FleetMembership = AsyncDisposable;

/**
 * Lets a server take its model from the fleet's database: it loads a new one beside the old and swaps, so that it goes on answering. What cannot be loaded is told, and the old one goes on.
 */
export async function joinFleet(options: JoinFleetOptions): Promise<FleetMembership> {
  const { database, endpoint, replica, pollMs = 200, clock = systemClock, logger = silentLogger, signal } = options;
  await database.migrate("serving-fleet", migrations, { signal });
  const member = new FleetMember(options);
  await member.look();
  const stop = new AbortController();
  const looking = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(pollMs, { signal: stop.signal }).catch(() => {});
      if (stop.signal.aborted) return;
      await member
        .look(stop.signal)
        .catch((error: unknown) => logger.warn({ endpoint, replica, error }, "the fleet cannot be read"));
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await looking;
      await member.leave();
    },
  };
}

class FleetMember {
  readonly #options: JoinFleetOptions;
  readonly #typed: ReturnType<typeof typedOf>;
  #serving: string;

  constructor(options: JoinFleetOptions) {
    this.#options = options;
    this.#typed = typedOf(options.database);
    this.#serving = options.model;
  }

  /** Tells that it lives, and takes the model that it is told. */
  async look(signal?: AbortSignal): Promise<void> {
    const { server, endpoint, replica, logger = silentLogger } = this.#options;
    const row = await this.#typed.read
      .selectFrom(table)
      .selectAll()
      .where("endpoint", "=", endpoint)
      .where("replica", "=", replica)
      .executeTakeFirst();
    const target = row?.target ?? this.#serving;
    if (target === this.#serving || row?.problem != null) return this.#tell({ model: this.#serving });
    try {
      await server.deploy(endpoint, { model: target, traffic: { type: "all-at-once" } }, { signal });
      this.#serving = target;
      await this.#tell({ model: target, problem: null });
    } catch (error) {
      if (signal?.aborted === true) return;
      logger.warn({ endpoint, replica, model: target, error }, "a replica could not take its model");
      await this.#tell({ model: this.#serving, problem: error instanceof Error ? error.message : String(error) });
    }
  }

  async leave(): Promise<void> {
    const { endpoint, replica } = this.#options;
    await this.#typed.write(async ({ sql }) => {
      await sql
        .updateTable(table)
        .set({ seen: 0 })
        .where("endpoint", "=", endpoint)
        .where("replica", "=", replica)
        .execute();
    });
  }

  #tell(change: { readonly model: string; readonly problem?: string | null }): Promise<void> {
    const { endpoint, replica, clock = systemClock } = this.#options;
    const seen = clock.nowMs();
    return this.#typed.write(async ({ sql }) => {
      await sql
        .insertInto(table)
        .values({ endpoint, replica, model: this.#serving, target: this.#serving, problem: null, seen })
        .onConflict((conflict) => conflict.columns(["endpoint", "replica"]).doUpdateSet({ ...change, seen }))
        .execute();
    });
  }
}
