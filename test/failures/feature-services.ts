import { openDynamoDbOnlineStore } from "../../packages/feature-store/dist/drivers/dynamodb.js";
import { openFileFeatureSource } from "../../packages/feature-store/dist/drivers/files.js";
import { openPostgresOnlineStore } from "../../packages/feature-store/dist/drivers/postgres.js";
import { downloadHistory, uploadHistory } from "../../packages/feature-store/dist/drivers/s3.js";
import { openSageMakerFeatureStore } from "../../packages/feature-store/dist/drivers/sagemaker.js";
import { adapterRows, adapterSkip } from "../../packages/feature-store/dist/testing/index.js";
import { defineFeatureService } from "../../packages/feature-store/dist/index.js";
import { mkdir, writeFile } from "node:fs/promises";
import { createManualClock } from "../../packages/contracts/dist/index.js";
import * as data from "../../packages/data/dist/index.js";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { profile } from "./feature-definitions.ts";
import { type Subjects, well } from "./subjects.ts";
import { keyedStore, methodsOfSource } from "./feature-keyed.ts";

const signal = new AbortController().signal;
const few = 30;
const service = defineFeatureService({ name: "plans", views: [profile] });
const clock = createManualClock(10_000);
const failing =
  (fields: object): (() => Promise<never>) =>
  () =>
    Promise.reject(Object.assign(new Error("it failed"), fields));

/** A server that holds nothing and takes everything. */
const postgres = {
  async query({ text }: { readonly text: string }) {
    if (text.includes("current_setting")) return { rows: [{ durable: true, there: true }] };
    return { rows: [] };
  },
};
const taking = {
  async query(statement: { readonly text: string; readonly values?: unknown[] }) {
    const keys = (statement.values?.[1] ?? []) as readonly Uint8Array[];
    return statement.text.startsWith("WITH") ? { rows: keys.map((key) => ({ key })) } : await postgres.query(statement);
  },
};

async function postgresStores(): Promise<Subjects> {
  const store = await openPostgresOnlineStore(taking);
  const broken = (code: string) => () => openPostgresOnlineStore({ query: failing({ code }) });
  return {
    openPostgresOnlineStore: well(
      openPostgresOnlineStore,
      () => [taking, { table: "features", prepared: false, signal }],
      {
        FEATURE_STORE_ONLINE_UNREACHABLE: broken("ECONNREFUSED"),
        FEATURE_STORE_ONLINE_BUSY: broken("55P03"),
        FEATURE_STORE_ONLINE_REFUSED: broken("42501"),
        FEATURE_STORE_WRITE_FAILED: broken("25006"),
      },
      few,
    ),
    ...keyedStore("openPostgresOnlineStore", store, { PORT_UNSUPPORTED: () => store.readNow("group", "ann") }),
  };
}

const dynamo = {
  describeTable: async () => ({
    Table: {
      TableStatus: "ACTIVE",
      KeySchema: [{ AttributeName: "p" }, { AttributeName: "k" }],
      AttributeDefinitions: [{ AttributeType: "B" }],
    },
  }),
  createTable: async () => ({}),
  batchGetItem: async () => ({ Responses: {}, UnprocessedKeys: {} }),
  putItem: async () => ({}),
  deleteItem: async () => ({}),
  transactWriteItems: async () => ({}),
  query: async () => ({ Items: [] }),
};

async function dynamoStores(): Promise<Subjects> {
  const store = await openDynamoDbOnlineStore(dynamo);
  const broken = (fields: object) => async () => {
    const client = { ...dynamo, batchGetItem: failing(fields) };
    await (await openDynamoDbOnlineStore(client, { maxRetryMs: 0 })).read("group", ["ann"]);
  };
  return {
    openDynamoDbOnlineStore: well(
      openDynamoDbOnlineStore,
      () => [dynamo, { table: "features", buckets: 3, maxRetryMs: 5, signal }],
      {
        FEATURE_STORE_ONLINE_BUSY: broken({ name: "ThrottlingException", $metadata: { httpStatusCode: 400 } }),
        FEATURE_STORE_ONLINE_REFUSED: broken({ name: "AccessDeniedException", $metadata: { httpStatusCode: 400 } }),
        FEATURE_STORE_ONLINE_UNREACHABLE: broken({ code: "ECONNREFUSED" }),
      },
      few,
    ),
    ...keyedStore("openDynamoDbOnlineStore", store, {
      PORT_UNSUPPORTED: () => store.readNow("group", "ann"),
      FEATURE_STORE_ENTRY_TOO_LARGE: () => store.update("group", ["ann"], () => new Uint8Array(4_000_000)),
    }),
  };
}

function sageMaker(): Subjects {
  const record = [
    { FeatureName: "at", ValueAsString: "1970-01-01T00:00:09Z" },
    { FeatureName: "plan", ValueAsString: "free" },
    { FeatureName: "credit", ValueAsString: "3" },
  ];
  const client = {
    batchGetRecord: async () => ({ Records: [{ RecordIdentifierValueAsString: "ann", Record: record }] }),
    putRecord: async () => ({}),
    deleteRecord: async () => ({}),
  };
  const options = { client, services: [service], groups: { profile: { name: "users" } }, maxRetryMs: 5, clock };
  const open = (): ReturnType<typeof openSageMakerFeatureStore> => openSageMakerFeatureStore(options);
  const odd = {
    ...client,
    batchGetRecord: async () => ({ Records: [{ RecordIdentifierValueAsString: "ann", Record: [] }] }),
  };
  const entities = data.batchOf({ user: ["ann"] });
  return {
    openSageMakerFeatureStore: well(openSageMakerFeatureStore, () => [options], {}, few),
    ...methodsOfSource("openSageMakerFeatureStore", open, {
      read: [
        () => ["plans", { entities, timeMs: 9_500, signal }],
        {
          PORT_FEATURE_SERVICE_UNKNOWN: () => open().read("other", { entities }),
          FEATURE_STORE_RECORD_INVALID: () =>
            openSageMakerFeatureStore({ ...options, client: odd }).read("plans", { entities }),
        },
        few,
      ],
      put: [
        () => [
          "profile",
          [{ user: "ann", at: new Date(9_000), plan: "free", credit: 3n }],
          { ttlMs: 5_000, to: "both", signal },
        ],
        { FEATURE_STORE_VIEW_UNKNOWN: () => open().put("other", []) },
        few,
      ],
      delete: [
        () => ["profile", { user: "ann" }, { eventTimeMs: 9_500, hard: true, signal }],
        { FEATURE_STORE_VIEW_UNKNOWN: () => open().delete("other", {}) },
        few,
      ],
    }),
  };
}

/** A bucket that is empty. */
const s3 = {
  putObject: async () => ({}),
  getObject: failing({ name: "NoSuchKey", $metadata: { httpStatusCode: 404 } }),
  deleteObject: async () => ({}),
  listObjectsV2: async () => ({ Contents: [] }),
};

async function files(folder: string): Promise<readonly [Subjects, AsyncDisposable]> {
  const duckdb = await openDuckDb();
  const path = `${folder}/profile.parquet`;
  const entities = data.batchOf({ user: ["ann"] });
  const rows = { user: ["ann"], at: [new Date(9_000)], plan: ["free"], credit: data.column("int64", [3n]) };
  await duckdb.writeParquet(data.batchOf(rows), path);
  const options = { files: { profile: path }, services: [service], duckdb, clock };
  const source = await openFileFeatureSource(options);
  const history = `${folder}/files-history`;
  await mkdir(history);
  const copying = { history, bucket: "features", prefix: "a/", signal };
  const subjects = {
    openFileFeatureSource: well(
      openFileFeatureSource,
      () => [{ ...options, latenessMs: 1_000, signal }],
      { FEATURE_STORE_DEFINITION_INVALID: () => openFileFeatureSource({ ...options, files: {} }) },
      few,
    ),
    ...methodsOfSource("openFileFeatureSource", () => source, {
      read: [
        () => ["plans", { entities, timeMs: 9_500, signal }],
        { PORT_FEATURE_SERVICE_UNKNOWN: () => source.read("other", { entities }) },
        few,
      ],
      reload: [() => [{ signal }], {}, few],
    }),
    uploadHistory: well(
      uploadHistory,
      () => [s3, copying],
      {
        FEATURE_STORE_ONLINE_UNREACHABLE: () =>
          uploadHistory({ ...s3, putObject: failing({ code: "ECONNRESET" }) }, copying),
      },
      few,
    ),
    downloadHistory: well(
      downloadHistory,
      () => [
        { ...s3, getObject: async () => ({ Body: bodyOf({ formatVersion: 1, files: [] }) }) },
        { ...copying, history: `${folder}/copy` },
      ],
      {
        FEATURE_STORE_HISTORY_NOT_A_COPY: () => downloadHistory(s3, { ...copying, history: `${folder}/copy` }),
        "FEATURE_STORE_HISTORY_NOT_A_COPY: its list is damaged": async () => {
          await mkdir(`${folder}/torn`);
          await writeFile(`${folder}/torn/_s3-copy.json`, "");
          await downloadHistory(s3, { ...copying, history: `${folder}/torn` });
        },
      },
      few,
    ),
  };
  return [subjects, duckdb];
}

const bodyOf = (value: object) => ({
  transformToByteArray: async () => Buffer.from(JSON.stringify(value)),
  transformToWebStream: () => undefined,
});

/** Stores and sources of servers and files that somebody else runs and writes. */
export async function services(folder: string): Promise<AsyncDisposable & { readonly subjects: Subjects }> {
  const [ofFiles, opened] = await files(folder);
  return {
    subjects: {
      adapterRows: well(adapterRows, () => [() => true]),
      adapterSkip: well(adapterSkip, () => [{ needs: ["write"] }, { abilities: { write: "it is read alone" } }]),
      ...(await postgresStores()),
      ...(await dynamoStores()),
      ...sageMaker(),
      ...ofFiles,
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
