import { type CallOptions, type JsonValue, decodeNumbers, encodeNumbers } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import { journalCorrupt } from "../errors.ts";
import { type JournalEntry, type StudyJournal, tellEach } from "../journal.ts";
import { checksumOf, chainStart } from "../study/checksum.ts";

interface TunerTables {
  readonly tuner_journal: {
    readonly study: string;
    /** From 0, without gaps within a study. */
    readonly position: number;
    /** A `JournalEntry` as JSON. */
    readonly entry: string;
    /** Of this entry and all before it. */
    readonly checksum: string;
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
  {
    name: "002-checksum",
    async up(sql) {
      await sql.schema
        .alterTable("tuner_journal")
        .addColumn("checksum", "text", (column) => column.notNull().defaultTo(""))
        .execute();
      await addChecksums(sql);
    },
    async down(sql) {
      await sql.schema.alterTable("tuner_journal").dropColumn("checksum").execute();
    },
  },
];

/** To the entries that were written without. */
async function addChecksums(sql: Parameters<Migration["up"]>[0]): Promise<void> {
  const rows = await sql.selectFrom("tuner_journal").selectAll().orderBy("study").orderBy("position").execute();
  let previous = chainStart;
  for (const { study, position, entry } of rows) {
    previous = checksumOf(position === 0 ? chainStart : previous, entry as string);
    await sql
      .updateTable("tuner_journal")
      .set({ checksum: previous })
      .where("study", "=", study)
      .where("position", "=", position)
      .execute();
  }
}

/** Keeps studies in a SQL database, beside the events of what happened in them, written in the same transaction. */
export async function openSqlStudyJournal(database: Database, options: CallOptions = {}): Promise<StudyJournal> {
  await database.migrate("tuner", migrations, options);
  const tables = database.typed<TunerTables>();
  return {
    async read(study, position, { signal } = {}) {
      signal?.throwIfAborted();
      // The entry before is read for its checksum.
      const rows = await tables.read
        .selectFrom("tuner_journal")
        .select(["position", "entry", "checksum"])
        .where("study", "=", study)
        .where("position", ">=", position - 1)
        .orderBy("position")
        .execute();
      return checkedEntries(study, position, rows);
    },
    append: (study, position, writes, options = {}) =>
      tables.write(async ({ sql, emit }) => {
        const last = await sql
          .selectFrom("tuner_journal")
          .select(["position", "checksum"])
          .where("study", "=", study)
          .orderBy("position", "desc")
          .limit(1)
          .executeTakeFirst();
        if ((last?.position ?? -1) + 1 !== position) return undefined;
        const entries = await tellEach(writes, async (event) => (await emit(event)).event.id);
        let checksum = last?.checksum ?? chainStart;
        const rows = entries.map((kept, index) => {
          const entry = JSON.stringify(encodeNumbers(kept as unknown as JsonValue));
          checksum = checksumOf(checksum, entry);
          return { study, position: position + index, entry, checksum };
        });
        await sql.insertInto("tuner_journal").values(rows).execute();
        return entries;
      }, options),
  };
}

/** Throws `TUNER_JOURNAL_CORRUPT`, naming the first entry that is not what was written. */
function checkedEntries(
  study: string,
  position: number,
  rows: readonly Omit<TunerTables["tuner_journal"], "study">[],
): readonly JournalEntry[] {
  const entries: JournalEntry[] = [];
  let previous = chainStart;
  let next = Math.max(0, position - 1);
  for (const row of rows) {
    if (row.position !== next) throw journalCorrupt(study, next, "it is missing");
    if (row.position >= position) {
      if (row.checksum !== checksumOf(previous, row.entry))
        throw journalCorrupt(study, row.position, "it is not what was written: its checksum does not match");
      entries.push(parseEntry(study, row.position, row.entry));
    }
    previous = row.checksum;
    next += 1;
  }
  return entries;
}

const kinds = new Set(["study", "attributes", "trial", "params", "note", "begin", "spend", "report", "end", "reclaim"]);

function parseEntry(study: string, position: number, text: string): JournalEntry {
  try {
    const entry = decodeNumbers(JSON.parse(text) as JsonValue) as unknown as JournalEntry;
    if (kinds.has(entry.kind)) return entry;
  } catch {
    // Said below, with where it stands.
  }
  throw journalCorrupt(study, position, "it is not an entry");
}
