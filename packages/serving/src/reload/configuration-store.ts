import type { CallOptions, Digest, EventDraft, EventLog } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import type { ConfigurationVersion } from "./configuration.ts";
import { configurationNewer } from "./configuration-errors.ts";

/** A version as it is kept. */
export interface KeptConfiguration extends ConfigurationVersion {
  readonly formatVersion: 1;
  /** Digest of the configuration that the server was opened with: one with another takes no notice of this. */
  readonly base: Digest;
  /** The number of that one. */
  readonly opening: number;
  /** By endpoint, the number of the version that named its variants; 0 where the opening one did. */
  readonly since: Readonly<Record<string, number>>;
}

/** Keeps the configurations that were applied, and tells of each. */
export interface ConfigurationStore {
  /** The newest of servers that were opened with this configuration. */
  newest(base: Digest, options?: CallOptions): Promise<KeptConfiguration | undefined>;
  read(number: number, options?: CallOptions): Promise<KeptConfiguration | undefined>;
  list(limit: number, options?: CallOptions): Promise<readonly KeptConfiguration[]>;
  /** Writes all or none. @param after The newest number of the base then; 0 for none. @returns the newest, where it is another. */
  append(after: number, make: (next: number) => readonly KeptConfiguration[]): Promise<KeptConfiguration | "written">;
}

export function memoryConfigurationStore(events: EventLog | undefined): ConfigurationStore {
  const kept: KeptConfiguration[] = [];
  return {
    newest: async (base, { signal } = {}) => {
      signal?.throwIfAborted();
      return kept.findLast((each) => each.base === base);
    },
    read: async (number, { signal } = {}) => {
      signal?.throwIfAborted();
      return kept.find((each) => each.number === number);
    },
    list: async (limit, { signal } = {}) => {
      signal?.throwIfAborted();
      return kept.toReversed().slice(0, limit);
    },
    append: async (_after, make) => {
      const made = make((kept.at(-1)?.number ?? 0) + 1);
      kept.push(...made);
      await events?.append(made.map(eventOf));
      return "written";
    },
  };
}

const table = "millwright_serving_configurations";

const migrations: readonly Migration[] = [
  {
    name: "001-configurations",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("number", "integer", (column) => column.primaryKey().notNull())
        .addColumn("base", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(table).execute();
    },
  },
];

interface Tables {
  readonly millwright_serving_configurations: { number: number; base: string; body: string };
}

/** Keeps them in a database, each in one transaction with its event. */
export async function openDatabaseConfigurationStore(
  database: Database,
  options: CallOptions = {},
): Promise<ConfigurationStore> {
  await database.migrate("serving-configurations", migrations, options);
  const typed = database.typed<Tables>();
  return {
    async newest(base, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = typed.read.selectFrom(table).select("body").where("base", "=", base);
      return parse(await rows.orderBy("number", "desc").limit(1).executeTakeFirst());
    },
    async read(number, { signal } = {}) {
      signal?.throwIfAborted();
      return parse(await typed.read.selectFrom(table).select("body").where("number", "=", number).executeTakeFirst());
    },
    async list(limit, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = await typed.read.selectFrom(table).select("body").orderBy("number", "desc").limit(limit).execute();
      return rows.map((row) => parse(row) as KeptConfiguration);
    },
    append: (after, make) =>
      typed.write(async ({ sql, emit }) => {
        const rows = sql.selectFrom(table).select(["number", "body"]).orderBy("number", "desc");
        const last = await rows.limit(1).executeTakeFirst();
        const made = make((last?.number ?? 0) + 1);
        const base = made[0]?.base ?? "";
        const newest = parse(await rows.where("base", "=", base).limit(1).executeTakeFirst());
        if (newest !== undefined && newest.number !== after) return newest;
        for (const each of made) {
          await sql
            .insertInto(table)
            .values({ number: each.number, base, body: JSON.stringify(each) })
            .execute();
          await emit(eventOf(each));
        }
        return "written" as const;
      }),
  };
}

/** Throws `SERVING_CONFIGURATION_NEWER`. */
function parse(row: { readonly body: string } | undefined): KeptConfiguration | undefined {
  if (row === undefined) return undefined;
  const kept = JSON.parse(row.body) as KeptConfiguration;
  const version: number = kept.formatVersion;
  if (version !== 1) throw configurationNewer(version);
  return kept;
}

const eventOf = ({ number, digest, differences, by, reason, rolledBackTo }: KeptConfiguration): EventDraft => ({
  source: "millwright/serving",
  type: "deployment.configured",
  subject: "configuration",
  data: {
    number,
    digest,
    differences: differences.map(({ path, kind }) => ({ path, kind })),
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(rolledBackTo === undefined ? {} : { rolledBackTo }),
  },
});
