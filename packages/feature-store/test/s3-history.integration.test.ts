import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { S3 } from "@aws-sdk/client-s3";
import { batchOf, column } from "@millwright/data";
import { afterAll, beforeAll, expect, expectTypeOf, test, type TestContext } from "vitest";
import { downloadHistory, type S3Client, uploadHistory } from "../src/drivers/s3.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  openFeatureStore,
} from "../src/index.ts";
import { hasS3Server, type S3Server, s3Missing, startS3Server } from "../../storage/test/s3-server.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const isThere = hasS3Server();
if (!isThere && process.env["CI"] === "true") throw new Error(s3Missing);

let server: S3Server | undefined;
let client: S3;
let buckets = 0;

beforeAll(async () => {
  if (!isThere) return;
  server = await startS3Server();
  client = server.client;
}, 300_000);

afterAll(() => server?.[Symbol.asyncDispose]());

const s3Test = (title: string, run: (bucket: string) => Promise<void>): void =>
  test(title, async (context: TestContext) => {
    context.skip(!isThere, s3Missing);
    const bucket = `histories-${buckets++}`;
    await client.createBucket({ Bucket: bucket });
    await run(bucket);
  });

const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const plans = defineFeatureView({ name: "plans", entity: user, eventTime: "at", features: { plan: "utf8" } });
const services = [defineFeatureService({ name: "all", views: [plans] })];
const rowsOf = (names: readonly string[], plan: string, day = 1) =>
  batchOf({
    user: [...names],
    at: column(
      "timestamp",
      names.map((_, index) => new Date(Date.UTC(2026, 0, day, index))),
    ),
    plan: names.map(() => plan),
  });
const openStore = (history: string): Promise<FeatureStore> => openFeatureStore({ history, services });
const all = async (history: string): Promise<unknown> => {
  await using store = await openStore(history);
  return await columnsOfDataset(await store.scan(plans));
};
const objects = async (bucket: string): Promise<string[]> =>
  ((await client.listObjectsV2({ Bucket: bucket })).Contents ?? []).map(({ Key = "" }) => Key);

test("the client of AWS has what the driver declares of it", () => {
  expectTypeOf<S3>().toExtend<S3Client>();
});

s3Test("FS-33: a history goes to S3, each file once, and a copy of it elsewhere answers as it does", async (bucket) => {
  await using directory = await temporaryDirectory();
  const [history, copy] = [join(directory.path, "history"), join(directory.path, "copy")];
  await using store = await openStore(history);
  await store.ingest(plans, batches(rowsOf(["ann", "bob"], "free")));
  const first = await uploadHistory(client, { history, bucket });
  expect(first).toMatchObject({ files: 2, uploadedFiles: 2, deletedFiles: 0 });
  expect(await uploadHistory(client, { history, bucket })).toEqual({
    files: 2,
    uploadedFiles: 0,
    uploadedBytes: 0,
    deletedFiles: 0,
  });
  const down = await downloadHistory(client, { history: copy, bucket });
  expect(down).toMatchObject({ files: 2, downloadedFiles: 2, downloadedBytes: first.uploadedBytes });
  expect(await all(copy)).toEqual(await all(history));
  // More comes, and the small files are merged: the copy follows, and fetches what is new alone.
  for (const day of [2, 3]) await store.ingest(plans, batches(rowsOf(["ann", "eve"], `day ${day}`, 1)));
  expect(await uploadHistory(client, { history, bucket })).toMatchObject({ files: 6, uploadedFiles: 4 });
  expect(await downloadHistory(client, { history: copy, bucket })).toMatchObject({ downloadedFiles: 4 });
  expect(await all(copy)).toEqual(await all(history));
  const { writtenFiles } = await store.compact(plans);
  expect(writtenFiles).toBe(1);
  const compacted = await uploadHistory(client, { history, bucket });
  expect(compacted.deletedFiles).toBeGreaterThanOrEqual(3);
  await downloadHistory(client, { history: copy, bucket });
  expect(await all(copy)).toEqual(await all(history));
});

s3Test("FS-33: who is forgotten is forgotten in the bucket and in the copies too", async (bucket) => {
  await using directory = await temporaryDirectory();
  const [history, copy] = [join(directory.path, "history"), join(directory.path, "copy")];
  await using store = await openStore(history);
  await store.ingest(plans, batches(rowsOf(["canary-7361", "bob"], "free")));
  await uploadHistory(client, { history, bucket });
  await downloadHistory(client, { history: copy, bucket });
  const holds = async (): Promise<boolean[]> => {
    const inBucket: Uint8Array[] = [];
    for (const Key of await objects(bucket)) {
      inBucket.push(await (await client.getObject({ Bucket: bucket, Key })).Body!.transformToByteArray());
    }
    const names = await readdir(copy, { recursive: true, withFileTypes: true });
    const files = names.filter((each) => each.isFile() && each.name !== "reads.json");
    const inCopy = await Promise.all(files.map((each) => readFile(join(each.parentPath, each.name))));
    return [inBucket, inCopy].map((found) => found.some((bytes) => Buffer.from(bytes).includes("canary-7361")));
  };
  expect(await holds()).toEqual([true, true]);
  await store.forget(user, { user: "canary-7361" });
  await uploadHistory(client, { history, bucket });
  await downloadHistory(client, { history: copy, bucket });
  expect(await holds()).toEqual([false, false]);
  expect(await all(copy)).toMatchObject({ user: ["bob"] });
});

s3Test("FS-33: an upload that breaks off leaves the copy before it whole, and the next one goes on", async (bucket) => {
  await using directory = await temporaryDirectory();
  const [history, copy] = [join(directory.path, "history"), join(directory.path, "copy")];
  await using store = await openStore(history);
  await store.ingest(plans, batches(rowsOf(["ann"], "free")));
  await uploadHistory(client, { history, bucket });
  const before = await all(history);
  await store.ingest(plans, batches(rowsOf(["bob"], "paid", 2)));
  let puts = 0;
  const breaking: S3Client = {
    putObject: async (input, options) => {
      if (++puts === 2) throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
      return await client.putObject(input, options ?? {});
    },
    getObject: client.getObject.bind(client),
    deleteObject: client.deleteObject.bind(client),
    listObjectsV2: client.listObjectsV2.bind(client),
  };
  await expect(uploadHistory(breaking, { history, bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_ONLINE_UNREACHABLE",
    retryable: true,
  });
  await downloadHistory(client, { history: copy, bucket });
  expect(await all(copy)).toEqual(before);
  await uploadHistory(client, { history, bucket });
  await downloadHistory(client, { history: copy, bucket });
  expect(await all(copy)).toEqual(await all(history));
});

s3Test("FS-33: damaged objects, folders of one's own and empty buckets are told apart", async (bucket) => {
  await using directory = await temporaryDirectory();
  const [history, copy] = [join(directory.path, "history"), join(directory.path, "copy")];
  await expect(downloadHistory(client, { history: copy, bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_NOT_A_COPY",
    message: expect.stringContaining("there is no history") as string,
  });
  await using store = await openStore(history);
  await store.ingest(plans, batches(rowsOf(["ann"], "free")));
  await uploadHistory(client, { history, bucket });
  await expect(downloadHistory(client, { history, bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_NOT_A_COPY",
  });
  const part = (await objects(bucket)).find((key) => key.endsWith(".parquet"))!;
  const { ContentLength = 0 } = await client.headObject({ Bucket: bucket, Key: part });
  await client.putObject({ Bucket: bucket, Key: part, Body: Buffer.alloc(ContentLength, 7) });
  await expect(downloadHistory(client, { history: copy, bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_CORRUPT",
  });
  expect((await readdir(copy, { recursive: true })).filter((name) => /\.parquet|_batches/.test(name))).toEqual([]);
  // A list that names a file outside of the folder.
  const files = [{ path: "../outside", sizeBytes: 1, sha256: "00" }];
  await client.putObject({
    Bucket: bucket,
    Key: "features/manifest.json",
    Body: JSON.stringify({ formatVersion: 1, files }),
  });
  await expect(downloadHistory(client, { history: copy, bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_CORRUPT",
  });
  const newer = JSON.stringify({ formatVersion: 2, files: [] });
  await client.putObject({ Bucket: bucket, Key: "features/manifest.json", Body: newer });
  await expect(uploadHistory(client, { history, bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_FORMAT_TOO_NEW",
  });
  await expect(uploadHistory(client, { history, bucket: "no-such-bucket" })).rejects.toMatchObject({
    code: "FEATURE_STORE_ONLINE_REFUSED",
  });
});

s3Test("FS-33: rows that were written to a copy are not lost without a word", async (bucket) => {
  await using directory = await temporaryDirectory();
  const [history, copy] = [join(directory.path, "history"), join(directory.path, "copy")];
  await using store = await openStore(history);
  await store.ingest(plans, batches(rowsOf(["ann"], "free")));
  await uploadHistory(client, { history, bucket });
  await downloadHistory(client, { history: copy, bucket });
  await using other = await openStore(copy);
  await other.ingest(plans, batches(rowsOf(["bob"], "paid")));
  await expect(downloadHistory(client, { history: copy, bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_NOT_A_COPY",
    message: expect.stringContaining('written to its view "plans"') as string,
  });
  await writeFile(join(directory.path, "file"), "");
  await expect(downloadHistory(client, { history: join(directory.path, "file"), bucket })).rejects.toMatchObject({
    code: "FEATURE_STORE_WRITE_FAILED",
  });
});
