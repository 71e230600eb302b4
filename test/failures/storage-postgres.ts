import * as storage from "../../packages/storage/dist/index.js";
import { type Failures, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const draft = { source: "mill", type: "run.started", subject: "r1", data: {} };
const migration = { name: "0001", up: () => Promise.resolve(), down: () => Promise.resolve() };

interface Facts {
  readonly version?: number;
  readonly format?: number;
  /** Fails the statements it names, with a code. */
  readonly fail?: readonly [part: string, code: string];
}

/** A pool whose server has the tables, holds nothing in them and takes everything. */
function pool({ version = 150_000, format = 1, fail }: Facts = {}): storage.PostgresPool {
  const client: storage.PostgresClient = {
    async query({ text }) {
      if (fail !== undefined && text.includes(fail[0]))
        throw Object.assign(new Error("as it was told"), { code: fail[1] });
      const answer = (row: Record<string, unknown>) => ({ command: "SELECT", rowCount: 1, rows: [row] });
      if (text.includes("server_version_num"))
        return answer({ database: "mill", schema: "public", version, encoding: "UTF8" });
      if (text.includes("pg_tables") || text.includes("millwright_format")) return answer({ version: format });
      return { command: text.endsWith("commit") ? "COMMIT" : "SELECT", rowCount: 0, rows: [] };
    },
    on: () => {},
    off: () => {},
    release: () => {},
  };
  return { connect: () => Promise.resolve(client), on: () => {}, off: () => {} };
}

const open = (facts?: Facts): Promise<storage.Database> => storage.openPostgres({ pool: pool(facts) });
const refusing = { ...pool(), connect: () => Promise.reject(Object.assign(new Error("no"), { code: "ECONNREFUSED" })) };

const statement = { sql: "insert into notes values (?)", rows: [[1], [2]] };

function writes(): { readonly write: Failures; readonly writeBatch: Failures } {
  const query = (code: string) => async () =>
    (await open({ fail: ["no_such", code] })).write(({ sql }) => sql.selectFrom("no_such").selectAll().execute());
  const batch = (code: string) => async () => (await open({ fail: ["notes", code] })).writeBatch([statement]);
  return {
    write: {
      STORAGE_SQL_REFUSED: query("42P01"),
      STORAGE_WRITE_CONFLICT: query("40P01"),
      STORAGE_DATABASE_BUSY: query("55P03"),
      STORAGE_FILE_CORRUPT: query("XX001"),
      STORAGE_FILE_READONLY: query("25006"),
      STORAGE_IO_FAILED: query("58030"),
      STORAGE_COMMIT_UNKNOWN: async () =>
        (await open({ fail: ["; commit", "ECONNRESET"] })).write(() => Promise.resolve()),
    },
    writeBatch: {
      STORAGE_CONSTRAINT_VIOLATED: batch("23505"),
      STORAGE_DISK_FULL: batch("53100"),
      STORAGE_DATABASE_UNREACHABLE: batch("57P01"),
      STORAGE_VALUE_UNSUPPORTED: async () => (await open()).writeBatch([{ ...statement, rows: [[Number.NaN]] }]),
    },
  };
}

export async function postgres(): Promise<Subjects> {
  const database = await open();
  const fails = writes();
  return {
    openPostgres: well(
      storage.openPostgres,
      () => [{ pool: pool(), schema: "mill", busyTimeoutMs: 1_000, idleTimeoutMs: 1_000, signal }],
      {
        STORAGE_DATABASE_UNREACHABLE: () => storage.openPostgres({ pool: refusing }),
        STORAGE_SERVER_UNSUPPORTED: () => open({ version: 90_600 }),
        STORAGE_FORMAT_NEWER: () => open({ format: 2 }),
        RangeError: () => storage.openPostgres({ pool: pool(), schema: "" }),
      },
      40,
    ),
    ...methods("openPostgres()", () => Promise.resolve(database), {
      write: [() => [() => Promise.resolve(1), { signal }], fails.write, 20],
      writeBatch: [() => [[statement], { events: [draft], signal }], fails.writeBatch, 25],
      sync: [() => [{ signal }], {}, 20],
      migrate: [() => ["mine", [migration], { signal }], {}, 25],
      revert: [() => ["mine", [migration], { to: undefined, signal }], {}, 20],
      typed: [],
      onCommit: [() => [() => {}], {}, 30],
    }),
  };
}
