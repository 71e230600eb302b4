import { generateKeyPairSync } from "node:crypto";
import { createIdSource, createManualClock, createRandom, digestOf } from "../../packages/contracts/dist/index.js";
import * as storage from "../../packages/storage/dist/index.js";
import { bucket, bucketRecords, bytes, uploads } from "./storage-bytes.ts";
import { postgres } from "./storage-postgres.ts";
import { type FailureTable, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const clock = createManualClock(0);
const ids = createIdSource(clock, createRandom(1));
const draft = { source: "mill", type: "run.started", subject: "r1", data: {} };
const statement = { sql: "select ? as a", parameters: [1] };
const digest = digestOf("a");
const migration = { name: "0001", up: () => Promise.resolve(), down: () => Promise.resolve() };

type Open<Value> = () => Promise<Value>;

const walked = async (values: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of values) return;
};

function stores(name: string, kinds: Readonly<Record<string, () => object | Promise<object>>>): Subjects {
  const subjects: Record<string, Subjects[string]> = {};
  const records = kinds["Record"];
  const add = (more: Subjects): void => void Object.assign(subjects, more);
  if (records !== undefined)
    add(
      methods(`open${name}RecordStore()`, records, {
        read: [() => ["key", { signal }], {}, 20],
        write: [() => ["key", { a: 1 }, { ifVersion: undefined, signal }], {}, 20],
        delete: [() => ["key", { signal }], {}, 20],
        list: [() => ["k", { signal }], {}, 20],
      }),
    );
  if (kinds["Lease"] !== undefined)
    add(methods(`open${name}LeaseStore()`, kinds["Lease"], { acquire: [() => ["gpu/0", 1_000, { signal }], {}, 20] }));
  if (kinds["Log"] !== undefined)
    add(
      methods(`open${name}EventLog()`, kinds["Log"], {
        append: [() => [[draft], { signal }], {}, 20],
        read: [() => [{ after: undefined, types: ["run.*"], follow: false, signal }], {}, 20],
        verify: [() => [{ signal }], {}, 12],
      }),
    );
  const artifacts = kinds["Artifact"];
  if (artifacts !== undefined)
    add(
      methods(`open${name}ArtifactStore()`, artifacts, {
        put: [() => [Uint8Array.of(1), { signal }], {}, 20],
        open: [() => [digestOf(Uint8Array.of(1)), { signal }], {}, 20],
        has: [() => [digest, { signal }], {}, 20],
        delete: [() => [digest, { signal }], {}, 20],
        list: [() => [{ signal }], {}, 20],
        ages: [() => [{ signal }], {}, 20],
        touch: [() => [digest, { signal }], {}, 20],
        deleteOlder: [() => [digest, 0, { signal }], {}, 20],
        sweep: [() => [{ beforeMs: 0, dryRun: true, signal }], {}, 20],
        ...(["Directory", "S3"].includes(name)
          ? { beginUpload: uploads(artifacts as Open<storage.ResumableArtifactStore>) }
          : {}),
      }),
    );
  return subjects;
}

function databases(open: Open<storage.Database>, path: () => string, closed: Open<storage.Database>): Subjects {
  return {
    sql: well(storage.sql, () => [["select 1"]], {}, 6),
    openSqlite: well(
      storage.openSqlite,
      () => [path(), { clock, ids, signal, busyTimeoutMs: 100 }],
      { STORAGE_FILE_UNREACHABLE: () => storage.openSqlite("no-such-folder/mill.db") },
      12,
    ),
    ...methods("openSqlite()", open, {
      write: [
        () => [() => Promise.resolve(1), { signal }],
        {
          PORT_CLOSED: async () => (await closed()).write(() => Promise.resolve(1)),
          STORAGE_SQL_REFUSED: async () =>
            (await open()).write(({ sql }) => sql.selectFrom("no_such_table").selectAll().execute()),
        },
        20,
      ],
      writeBatch: [
        () => [[statement], { events: [draft], signal }],
        {
          STORAGE_SQL_REFUSED: async () => (await open()).writeBatch([{ sql: "no sql" }]),
          STORAGE_VALUE_UNSUPPORTED: async () =>
            (await open()).writeBatch([{ ...statement, parameters: [Number.NaN] }]),
        },
        25,
      ],
      sync: [() => [{ signal }], {}, 20],
      migrate: [
        () => ["mine", [migration], { signal }],
        {
          STORAGE_MIGRATION_FAILED: async () =>
            (await open()).migrate("bad", [{ ...migration, up: () => Promise.reject(new TypeError("no")) }]),
        },
        25,
      ],
      revert: [() => ["mine", [migration], { to: undefined, signal }], {}, 20],
      typed: [],
      onCommit: [() => [() => {}], {}, 30],
    }),
  };
}

function landing(): Subjects {
  const artifacts = storage.openMemoryArtifactStore();
  const records = storage.openMemoryRecordStore();
  const zone = storage.createLandingZone({ artifacts, records, clock });
  const bytes = Uint8Array.of(1, 2);
  const landed = async (): Promise<storage.LandingZone> => {
    await zone.land("raw", bytes, { version: 1 });
    return zone;
  };
  const unknown = (call: () => unknown) => ({ STORAGE_LANDING_UNKNOWN: call });
  return {
    createLandingZone: well(storage.createLandingZone, () => [{ artifacts, records, namespace: "more", clock }]),
    ...methods("createLandingZone()", landed, {
      land: [
        () => ["raw", bytes, { mediaType: "text/csv", metadata: { from: "mill" }, version: 1, signal }],
        {
          PORT_VERSION_CONFLICT: () => zone.land("far", bytes, { version: 9 }),
          RangeError: () => zone.land("raw", bytes, { version: 0 }),
          STORAGE_LANDING_IMMUTABLE: async () => (await landed()).land("raw", Uint8Array.of(3), { version: 1 }),
          STORAGE_LANDING_NAME_INVALID: () => zone.land("", bytes),
        },
        120,
      ],
      describe: [
        () => ["raw", { version: 1, signal }],
        {
          "STORAGE_LANDING_UNKNOWN: the name": () => zone.describe("never"),
          "STORAGE_LANDING_UNKNOWN: the version": async () => (await landed()).describe("raw", { version: 99 }),
          STORAGE_LANDING_MANIFEST_INVALID: async () => {
            const damaged = storage.openMemoryRecordStore();
            await damaged.write("landing/names/raw", 1);
            await damaged.write("landing/versions/1/raw", "nothing");
            await storage.createLandingZone({ artifacts, records: damaged }).describe("raw");
          },
        },
      ],
      open: [() => ["raw", { version: 1, signal }], unknown(() => walked(zone.open("never")))],
      versions: [() => ["raw", { signal }], unknown(() => walked(zone.versions("never")))],
      list: [() => ["r", { signal }]],
    }),
  };
}

export async function openTable(folder: string): Promise<FailureTable> {
  let count = 0;
  const database = await storage.openSqlite(`${folder}/mill.db`, { durability: "normal" });
  const closed = await storage.openSqlite(`${folder}/closed.db`);
  await closed[Symbol.asyncDispose]();
  const records = storage.openRecordStore(database);
  const log = storage.openEventLog(database);
  const leases = storage.openLeaseStore(database, { clock });
  const directory = await storage.openDirectoryArtifactStore(`${folder}/artifacts`);
  const memory = storage.openMemoryArtifactStore();
  const signing = generateKeyPairSync("ed25519");
  const checkpoint = await storage.exportCheckpoint(database, { key: signing.privateKey, log: "mill" });
  const lease = async (): Promise<object> => (await storage.openMemoryLeaseStore().acquire("gpu", 1_000))!;
  const late = async () => {
    const hands = createManualClock(0);
    const leases = storage.openMemoryLeaseStore({ clock: hands });
    const held = (await leases.acquire("gpu", 1))!;
    await hands.advance(10);
    await leases.acquire("gpu", 1_000);
    return held;
  };
  return {
    subjects: {
      ...databases(
        () => Promise.resolve(database),
        () => `${folder}/${(count += 1)}.db`,
        () => Promise.resolve(closed),
      ),
      openRecordStore: well(storage.openRecordStore, () => [database], {
        PORT_VERSION_CONFLICT: () => records.write("never", 1, { ifVersion: 4 }),
        PORT_CLOSED: () => storage.openRecordStore(closed).read("key"),
      }),
      openLeaseStore: well(storage.openLeaseStore, () => [database, { clock }]),
      openEventLog: well(storage.openEventLog, () => [database, { pollMs: 10 }]),
      exportCheckpoint: well(
        storage.exportCheckpoint,
        () => [database, { key: signing.privateKey, log: "mill", every: 2, signal }],
        {
          RangeError: () => storage.exportCheckpoint(database, { key: signing.privateKey, every: 0 }),
          STORAGE_CHECKPOINT_INVALID: () => storage.exportCheckpoint(database, { key: "no key" }),
        },
        25,
      ),
      verifyCheckpoint: well(
        storage.verifyCheckpoint,
        () => [database, checkpoint, { keys: [signing.publicKey], log: "mill", signal }],
        { STORAGE_CHECKPOINT_INVALID: () => storage.verifyCheckpoint(database, checkpoint, { keys: [] }) },
        25,
      ),
      openDirectoryArtifactStore: well(
        storage.openDirectoryArtifactStore,
        () => [`${folder}/artifacts`, { clock, ids, signal }],
        { PORT_ARTIFACT_MISSING: () => walked(directory.open(digest)) },
        20,
      ),
      openMemoryArtifactStore: well(storage.openMemoryArtifactStore, () => [{ clock }], {
        PORT_ARTIFACT_MISSING: () => walked(memory.open(digest)),
      }),
      openMemoryEventLog: well(storage.openMemoryEventLog, () => [{ clock, ids }]),
      openMemoryLeaseStore: well(storage.openMemoryLeaseStore, () => [{ clock }]),
      openMemoryRecordStore: well(storage.openMemoryRecordStore, () => [], {
        PORT_VERSION_CONFLICT: () => storage.openMemoryRecordStore().write("key", 1, { ifVersion: 4 }),
      }),
      ...stores("", { Record: () => records, Lease: () => leases, Log: () => log }),
      ...stores("Memory", {
        Record: () => storage.openMemoryRecordStore(),
        Lease: () => storage.openMemoryLeaseStore(),
        Log: () => storage.openMemoryEventLog(),
        Artifact: () => memory,
      }),
      ...stores("Chunked", {
        Artifact: async () => {
          const store = storage.openChunkedArtifactStore(memory, { index: storage.openMemoryRecordStore(), clock });
          await store.put(Uint8Array.of(1));
          return store;
        },
      }),
      ...stores("Directory", {
        Artifact: () => directory,
        Record: () => storage.openDirectoryRecordStore(`${folder}/records`),
      }),
      ...stores("S3", {
        Artifact: async () => {
          const store = bucket();
          await store.put(Uint8Array.of(1));
          return store;
        },
        Record: () => bucketRecords(),
      }),
      ...landing(),
      ...bytes(folder),
      ...(await postgres()),
      ...methods("openMemoryLeaseStore().acquire()", lease, {
        renew: [() => [{ signal }], { PORT_LEASE_LOST: async () => (await late()).renew() }],
        release: [() => [{ signal }]],
      }),
    },
    elsewhere: {
      ...Object.fromEntries(
        ["DATABASE_BUSY", "DISK_FULL", "FILE_CORRUPT", "FILE_FOREIGN", "FILE_READONLY", "FORMAT_NEWER"].map((code) => [
          `STORAGE_${code}`,
          "packages/storage/test/failures.test.ts",
        ]),
      ),
      STORAGE_CHAIN_BROKEN: "packages/storage/test/log-checkpoint.test.ts",
      STORAGE_CONSTRAINT_VIOLATED: "packages/storage/test/database-suite.ts",
      STORAGE_MIGRATION_UNKNOWN: "packages/storage/test/migrations-suite.ts",
      STORAGE_FILE_REMOTE: "it takes a network file system",
      STORAGE_IO_FAILED: "it takes a disk that fails",
      STORAGE_THREAD_LOST: "it takes a thread that is killed from outside",
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
