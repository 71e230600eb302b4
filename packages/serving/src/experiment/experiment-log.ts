import type { CallOptions } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";

/** A unit that met its arm for the first time, or a figure that followed. */
export type ExperimentRecord = ExperimentEntry & {
  /** The process that counts it already; absent where none does. */
  readonly by?: string | undefined;
};

type ExperimentEntry =
  | {
      readonly kind: "exposure";
      readonly unit: string;
      readonly arm: string;
      readonly requestId: string;
      readonly timeMs: number;
      /** What was known of the unit before. */
      readonly covariate?: number | undefined;
    }
  | {
      readonly kind: "outcome";
      readonly unit: string;
      readonly metric: string;
      readonly value: number;
      /** When it was told, where the process that was told knows nothing of the unit. */
      readonly timeMs?: number | undefined;
    };

/** Keeps the exposures and outcomes of experiments, in the order in which they came. */
export interface ExperimentLog {
  append(experiment: string, records: readonly ExperimentRecord[], options?: CallOptions): Promise<void>;
  /** All of them, the oldest first, in batches. */
  read(experiment: string, options?: CallOptions): AsyncIterable<readonly ExperimentRecord[]>;
  /**
   * Those after a place of the log, and the place of the last: by it the processes that share a log learn of each other's units while they serve.
   * A log without it is read when a server opens, and no more.
   * @param at 0 for the beginning.
   */
  since?(experiment: string, at: number, options?: CallOptions): Promise<ExperimentRecords>;
}

/** Records, and how far the log was read with them. */
export interface ExperimentRecords {
  readonly records: readonly ExperimentRecord[];
  readonly at: number;
}

const table = "millwright_serving_experiments";

const migrations: readonly Migration[] = [
  {
    name: "001-experiments",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("experiment", "text", (column) => column.notNull())
        .addColumn("at", "integer", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("millwright_serving_experiments_key", ["experiment", "at"])
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(table).execute();
    },
  },
];

interface Tables {
  readonly millwright_serving_experiments: { experiment: string; at: number; body: string };
}

/** Keeps them in a database, which several processes may share. */
export async function openDatabaseExperimentLog(database: Database, options: CallOptions = {}): Promise<ExperimentLog> {
  await database.migrate("serving-experiments", migrations, options);
  const typed = database.typed<Tables>();
  const since = async (experiment: string, after: number, { signal }: CallOptions = {}): Promise<ExperimentRecords> => {
    signal?.throwIfAborted();
    const rows = await typed.read
      .selectFrom(table)
      .select(["at", "body"])
      .where("experiment", "=", experiment)
      .where("at", ">", after)
      .orderBy("at")
      .limit(100)
      .execute();
    const records = rows.flatMap(({ body }) => JSON.parse(body) as readonly ExperimentRecord[]);
    return { records, at: rows.at(-1)?.at ?? after };
  };
  return {
    since,
    async append(experiment, records, { signal } = {}) {
      signal?.throwIfAborted();
      await typed.write(async ({ sql }) => {
        if (records.length === 0) return;
        const last = await sql
          .selectFrom(table)
          .select("at")
          .where("experiment", "=", experiment)
          .orderBy("at", "desc")
          .limit(1)
          .executeTakeFirst();
        await sql
          .insertInto(table)
          .values({ experiment, at: (last?.at ?? 0) + 1, body: JSON.stringify(records) })
          .execute();
      });
    },
    async *read(experiment, options) {
      for (let after = 0; ;) {
        const { records, at } = await since(experiment, after, options);
        if (at === after) return;
        after = at;
        yield records;
      }
    },
  };
}
