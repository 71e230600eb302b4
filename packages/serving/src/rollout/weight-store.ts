import type { CallOptions, EventDraft, EventLog } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import { deploymentNewer } from "../errors.ts";

/** The weights that were set for the variants of an endpoint while it served. */
export interface WeightRecord {
  readonly formatVersion: 1;
  readonly endpoint: string;
  readonly weights: Readonly<Record<string, number>>;
  /** The variants of the configuration then: other ones make this record obsolete. */
  readonly configured: string;
}

export interface KeptWeights {
  readonly revision: number;
  readonly record: WeightRecord;
}

/** Keeps the weights of each endpoint, and tells of each change. */
export interface WeightStore {
  read(endpoint: string, options?: CallOptions): Promise<KeptWeights | undefined>;
  /** @param revision The revision it was decided on; 0 for none. @returns `undefined` where there is a newer one. */
  write(revision: number, record: WeightRecord, event: EventDraft): Promise<KeptWeights | undefined>;
}

export function memoryWeightStore(events: EventLog | undefined): WeightStore {
  const kept = new Map<string, KeptWeights>();
  return {
    async read(endpoint, { signal } = {}) {
      signal?.throwIfAborted();
      return kept.get(endpoint);
    },
    async write(revision, record, event) {
      if ((kept.get(record.endpoint)?.revision ?? 0) !== revision) return undefined;
      const next = { revision: revision + 1, record };
      kept.set(record.endpoint, next);
      await events?.append([event]);
      return next;
    },
  };
}

const table = "millwright_serving_weights";

const migrations: readonly Migration[] = [
  {
    name: "001-weights",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("endpoint", "text", (column) => column.primaryKey().notNull())
        .addColumn("revision", "integer", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(table).execute();
    },
  },
];

interface Tables {
  readonly millwright_serving_weights: { endpoint: string; revision: number; body: string };
}

/** Keeps them in a database, each change in one transaction with its event. */
export async function openDatabaseWeightStore(database: Database, options: CallOptions = {}): Promise<WeightStore> {
  await database.migrate("serving-weights", migrations, options);
  const typed = database.typed<Tables>();
  return {
    async read(endpoint, { signal } = {}) {
      signal?.throwIfAborted();
      const row = await typed.read.selectFrom(table).selectAll().where("endpoint", "=", endpoint).executeTakeFirst();
      return row === undefined ? undefined : { revision: row.revision, record: parse(endpoint, row.body) };
    },
    write: (revision, record, event) =>
      typed.write(async ({ sql, emit }) => {
        const { endpoint } = record;
        const row = await sql.selectFrom(table).select("revision").where("endpoint", "=", endpoint).executeTakeFirst();
        if ((row?.revision ?? 0) !== revision) return undefined;
        await emit(event);
        const body = JSON.stringify(record);
        await sql
          .insertInto(table)
          .values({ endpoint, revision: revision + 1, body })
          .onConflict((conflict) => conflict.column("endpoint").doUpdateSet({ revision: revision + 1, body }))
          .execute();
        return { revision: revision + 1, record };
      }),
  };
}

/** Throws `SERVING_DEPLOYMENT_NEWER`. */
function parse(endpoint: string, body: string): WeightRecord {
  const record = JSON.parse(body) as WeightRecord;
  const version: number = record.formatVersion;
  if (version !== 1) throw deploymentNewer(endpoint, version);
  return record;
}
