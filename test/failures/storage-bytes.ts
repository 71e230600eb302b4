import { writeFile } from "node:fs/promises";
import { createIdSource, createManualClock, digestOf } from "../../packages/contracts/dist/index.js";
import * as storage from "../../packages/storage/dist/index.js";
import { fakeS3 } from "../../packages/storage/test/fake-s3.ts";
import { type Method, methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const clock = createManualClock(0);
const digest = digestOf("a");

const walked = async (values: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of values) return;
};

const client = fakeS3({ clock });
const refusing = fakeS3({
  clock,
  onCall: () => {
    throw Object.assign(new TypeError("no"), { name: "AccessDenied", $metadata: { httpStatusCode: 403 } });
  },
});
const silent = fakeS3({
  clock,
  onCall: () => {
    throw Object.assign(new TypeError("no answer"), { code: "ECONNREFUSED" });
  },
});

/** A bucket in memory. */
export const bucket = (): storage.ResumableArtifactStore =>
  storage.openS3ArtifactStore({ client, bucket: "mill", clock });

export const bucketRecords = (): ReturnType<typeof storage.openS3RecordStore> =>
  storage.openS3RecordStore({ client, bucket: "mill", prefix: "other-records/" });

let count = 0;
const nextId = (): string => `upload-${(count += 1)}`;

/** How a store begins an upload. */
export const uploads = (
  store: () => storage.ResumableArtifactStore | Promise<storage.ResumableArtifactStore>,
): Method => [
  () => [{ id: nextId(), signal }],
  {
    STORAGE_UPLOAD_LOCKED: async () => {
      const id = nextId();
      const opened = await store();
      const older = await opened.beginUpload({ id });
      // Refused in a directory; in a bucket it shuts the older one out.
      await opened.beginUpload({ id });
      await older.append(Uint8Array.of(1));
    },
    RangeError: async () => (await store()).beginUpload({ id: "../a" }),
  },
  20,
];

const uploadMethods = (name: string, begun: () => Promise<storage.ArtifactUpload>): Subjects =>
  methods(name, begun, {
    append: [
      () => [Uint8Array.of(1), { offset: 0, signal }],
      {
        STORAGE_UPLOAD_OFFSET: async () => (await begun()).append(Uint8Array.of(1), { offset: 7 }),
        PORT_CLOSED: async () => {
          const upload = await begun();
          await upload.abort();
          await upload.append(Uint8Array.of(1));
        },
      },
      20,
    ],
    complete: [
      () => [{ digest: undefined, signal }],
      { STORAGE_UPLOAD_DIGEST: async () => (await begun()).complete({ digest }) },
      20,
    ],
    abort: [() => [{ signal }], {}, 20],
  });

/** Logs, and what is done with artifact stores. */
export function bytes(folder: string): Subjects {
  const memory = storage.openMemoryArtifactStore();
  const index = storage.openMemoryRecordStore();
  const directory = storage.openDirectoryArtifactStore(`${folder}/uploads`);
  return {
    ...logs(folder),
    openS3ArtifactStore: well(
      storage.openS3ArtifactStore,
      () => [{ client, bucket: "mill", prefix: "p/", partBytes: 5_242_880, clock }],
      {
        RangeError: () => storage.openS3ArtifactStore({ client, bucket: "" }),
        STORAGE_BUCKET_REFUSED: () =>
          storage.openS3ArtifactStore({ client: refusing, bucket: "mill" }).put(Uint8Array.of(1)),
        STORAGE_BUCKET_UNREACHABLE: () =>
          storage.openS3ArtifactStore({ client: silent, bucket: "mill" }).put(Uint8Array.of(1)),
      },
    ),
    openDirectoryRecordStore: well(
      storage.openDirectoryRecordStore,
      () => [`${folder}/records`, { clock, ids: createIdSource(clock), signal }],
      {
        STORAGE_FILE_UNREACHABLE: async () => {
          await writeFile(`${folder}/a-file`, "");
          await storage.openDirectoryRecordStore(`${folder}/a-file`);
        },
      },
      20,
    ),
    openS3RecordStore: well(
      storage.openS3RecordStore,
      () => [{ client, bucket: "mill", prefix: "r/", clock, ids: createIdSource(clock) }],
      {
        RangeError: () => storage.openS3RecordStore({ client, bucket: "" }),
        PORT_VERSION_CONFLICT: () =>
          storage.openS3RecordStore({ client, bucket: "mill" }).write("never", 1, { ifVersion: 4 }),
        STORAGE_FILE_CORRUPT: async () => {
          await client.putObject({ Bucket: "mill", Key: "records/k61", Body: Uint8Array.of(1), ContentLength: 1 });
          await storage.openS3RecordStore({ client, bucket: "mill" }).read("a");
        },
      },
    ),
    openRedisRecordStore: well(
      storage.openRedisRecordStore,
      () => [{ client: { call: () => Promise.resolve(null) }, namespace: "mill" }],
      {
        TypeError: () => storage.openRedisRecordStore({ client: {} as storage.IoRedisClient }),
        STORAGE_DATABASE_UNREACHABLE: () =>
          storage.openRedisRecordStore({ client: { call: () => Promise.reject(new TypeError("away")) } }).read("a"),
        STORAGE_COMMIT_UNKNOWN: () =>
          storage.openRedisRecordStore({ client: { call: () => Promise.reject(new TypeError("away")) } }).write("a", 1),
      },
    ),
    openChunkedArtifactStore: well(
      storage.openChunkedArtifactStore,
      () => [memory, { index, namespace: "chunks", averageBytes: 4096, clock }],
      { RangeError: () => storage.openChunkedArtifactStore(memory, { index, averageBytes: 1000 }) },
    ),
    collectGarbage: well(
      storage.collectGarbage,
      () => [
        memory,
        { reachable: [digest], protected: [digest], graceMs: 1, dryRun: true, clock, onProgress: () => {}, signal },
      ],
      { RangeError: () => storage.collectGarbage(memory, { reachable: [], graceMs: -1 }) },
    ),
    ...uploadMethods("openDirectoryArtifactStore().beginUpload()", async () => (await directory).beginUpload()),
    ...uploadMethods("openS3ArtifactStore().beginUpload()", () => bucket().beginUpload()),
  };
}

function logs(folder: string): Subjects {
  let count = 0;
  const open = (): Promise<storage.AppendLog> => storage.openAppendLog(`${folder}/${(count += 1)}.log`);
  const held = storage.openAppendLog(`${folder}/held.log`);
  const closed = async (): Promise<storage.AppendLog> => {
    const log = await open();
    await log[Symbol.asyncDispose]();
    return log;
  };
  return {
    openAppendLog: well(
      storage.openAppendLog,
      () => [`${folder}/${(count += 1)}.log`, { onDamage: "refuse", signal }],
      {
        STORAGE_LOG_LOCKED: async () => {
          await held;
          await storage.openAppendLog(`${folder}/held.log`);
        },
        STORAGE_LOG_CORRUPT: async () => {
          await writeFile(`${folder}/foreign.log`, "something else");
          await storage.openAppendLog(`${folder}/foreign.log`);
        },
      },
      20,
    ),
    readAppendLog: well(storage.readAppendLog, () => [`${folder}/held.log`, { from: 0, signal }], {
      STORAGE_FILE_UNREACHABLE: () => walked(storage.readAppendLog(`${folder}/no-such.log`)),
    }),
    ...methods("openAppendLog()", () => held, {
      append: [
        () => [["one", Uint8Array.of(1)], { durability: "buffered", signal }],
        { PORT_CLOSED: async () => (await closed()).append(["late"]) },
        40,
      ],
      flush: [() => [{ signal }], { PORT_CLOSED: async () => (await closed()).flush() }, 20],
      read: [() => [{ from: 0, signal }], { RangeError: async () => walked((await held).read({ from: -1 })) }, 30],
      clear: [() => [{ signal }], {}, 20],
    }),
  };
}
