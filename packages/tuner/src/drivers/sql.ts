import { type CallOptions, type JsonValue, decodeNumbers, encodeNumbers } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import { journalCorrupt } from "../errors.ts";
import { type JournalEntry, type StudyJournal, tellEach } from "../journal.ts";

interface TunerTables {
  readonly tuner_journal: {
    readonly study: string;
    /** From 0, without gaps within a study. */
    readonly position: number;
    /** A `JournalEntry` as JSON. */
    readonly entry: string;
  };
}

const migrations: readonly Migration[] = [
  {
    name: "001-journal",
    async up(sql) {
      await sql.schema
        .createTable("tuner_journal")
        .addColumn("study", "text", (column) => column.notNull())
        .addColumn("position", "integer", (column) => column.notNull())
        .addColumn("entry", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("tuner_journal_key", ["study", "position"])
        .execute();
    },
    async down(sql) {
      await sql.schema.dropTable("tuner_journal").execute();
    },
  },
];

/** Keeps studies in a SQL database, beside the events of what happened in them, written in the same transaction. */
export async function openSqlStudyJournal(database: Database, options: CallOptions = {}): Promise<StudyJournal> {
  await database.migrate("tuner", migrations, options);
  const tables = database.typed<TunerTables>();
  return {
    async read(study, position, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = await tables.read
        .selectFrom("tuner_journal")
        .select(["position", "entry"])
        .where("study", "=", study)
        .where("position", ">=", position)
        .orderBy("position")
        .execute();
      return rows.map((row) => parseEntry(study, row.position, row.entry));
    },
    append: (study, position, writes, options = {}) =>
      tables.write(async ({ sql, emit }) => {
        const { kept } = await sql
          .selectFrom("tuner_journal")
          .select(({ fn }) => fn.countAll<number>().as("kept"))
          .where("study", "=", study)
          .executeTakeFirstOrThrow();
        if (kept !== position) return undefined;
        const entries = await tellEach(writes, async (event) => (await emit(event)).event.id);
        const rows = entries.map((entry, index) => ({
          study,
          position: position + index,
          entry: JSON.stringify(encodeNumbers(entry as unknown as JsonValue)),
        }));
        await sql.insertInto("tuner_journal").values(rows).execute();
        return entries;
      }, options),
  };
}

const kinds = new Set(["study", "trial", "begin", "report", "end", "reclaim"]);

function parseEntry(study: string, position: number, text: string): JournalEntry {
  try {
    const entry = decodeNumbers(JSON.parse(text) as JsonValue) as unknown as JournalEntry;
    if (kinds.has(entry.kind)) return entry;
  } catch {
    // Said below, with where it stands.
  }
  throw journalCorrupt(study, position, "it is not an entry");
}
