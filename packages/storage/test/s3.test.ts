import { createManualClock, createRandom, type Digest, digestOf, systemClock } from "@millwright/contracts";
import { artifactCorruptionContract, artifactStoreContract } from "@millwright/contracts/testing";
import { collectGarbage } from "@millwright/storage";
import { openS3ArtifactStore } from "@millwright/storage/drivers/s3";
import { describe, expect, test } from "vitest";
import { type FakeS3, fakeS3, type FakeS3Options } from "./fake-s3.ts";
import { runGarbageModel } from "./garbage-model.ts";

const mib = 1024 * 1024;
const nowMs = 1_700_000_000_000;

const storeOf = (client: FakeS3, prefix = "") =>
  openS3ArtifactStore({ client, bucket: "artifacts", prefix, partBytes: 5 * mib });

async function corrupt(client: FakeS3, digest: Digest): Promise<void> {
  const hex = digest.slice(7);
  const Key = `sha256/${hex.slice(0, 2)}/${hex.slice(2)}`;
  const bytes = Buffer.from(client.objects.get(Key)!.bytes);
  bytes[3] = 0xff;
  await client.putObject({ Bucket: "artifacts", Key, Body: bytes, ContentLength: bytes.length });
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(new Uint8Array(chunk));
  return Buffer.concat(chunks);
}

/** Different in every part. */
const manyBytes = (length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4096) bytes.writeUInt32LE(at, at);
  return bytes;
};

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    await Promise.resolve();
    yield bytes.subarray(at, at + pieceBytes);
  }
}

describe("artifacts in S3", () => {
  for (const { name, run } of artifactStoreContract)
    test(name, () => run(storeOf(fakeS3({ clock: systemClock }), "a prefix/")));
  for (const { name, run } of artifactCorruptionContract) {
    test(name, async () => {
      const client = fakeS3({ clock: systemClock });
      await run({ store: storeOf(client), corrupt: (digest) => corrupt(client, digest) });
    });
  }
});

test("MR-6: collection never deletes what is reachable, over random graphs and interleavings of requests, in S3", async () => {
  let deleted = 0;
  for (let seed = 1; seed <= 25; seed += 1) {
    deleted += await runGarbageModel({
      seed,
      publications: 30,
      collections: 5,
      open: async (clock, turns) =>
        openS3ArtifactStore({ client: fakeS3({ clock, turns }), bucket: "artifacts", clock }),
    });
  }
  expect(deleted).toBeGreaterThan(100);
});

test("a long stream goes to a temporary object in parts, and comes to its key by a copy under the right digest alone", async () => {
  const client = fakeS3({ clock: systemClock });
  const store = storeOf(client);
  const bytes = manyBytes(12 * mib + 17);
  const info = await store.put(inPieces(bytes, 1_000_003));
  expect(info).toEqual({ digest: digestOf(bytes), sizeBytes: bytes.length });
  expect((await bytesOf(store.open(info.digest))).equals(bytes)).toBe(true);
  expect(client.calls.get("uploadPart")).toBe(3);
  expect([...client.objects.keys()].every((key) => key.startsWith("sha256/"))).toBe(true);
  expect(await store.put(bytes)).toEqual(info);
});

test("of a put that fails in the middle nothing is left, neither object nor parts", async () => {
  let parts = 0;
  const onCall: FakeS3Options["onCall"] = (name) => {
    if (name === "uploadPart" && ++parts === 2) throw Object.assign(new Error("hang up"), { code: "ECONNRESET" });
  };
  const client = fakeS3({ clock: systemClock, onCall });
  const store = storeOf(client);
  await expect(store.put(manyBytes(21 * mib))).rejects.toMatchObject({
    code: "STORAGE_BUCKET_UNREACHABLE",
    retryable: true,
  });
  expect(client.uploads.size).toBe(0);
  expect(client.objects.size).toBe(0);
});

test("a stream that breaks off is gone on with where it broke", async () => {
  const options: FakeS3Options = { clock: systemClock };
  const client = fakeS3(options);
  const store = storeOf(client);
  const bytes = manyBytes(3 * mib);
  const { digest } = await store.put(bytes);
  const read: Uint8Array[] = [];
  options.breakAfterBytes = 700_000;
  for await (const chunk of store.open(digest)) {
    read.push(chunk);
    if (read.length % 20 === 0) options.breakAfterBytes = 200_000;
  }
  expect(Buffer.concat(read).equals(bytes)).toBe(true);
  expect(client.calls.get("getObject")).toBeGreaterThan(2);
});

test("what the bucket refuses and what does not answer are told apart", async () => {
  const saying = (name: string, more: object) => () => {
    throw Object.assign(new Error(`${name}!`), { name, ...more });
  };
  const failures: readonly [() => never, object][] = [
    [
      saying("AccessDenied", { $metadata: { httpStatusCode: 403 } }),
      { code: "STORAGE_BUCKET_REFUSED", retryable: false },
    ],
    [saying("NoSuchBucket", { $metadata: { httpStatusCode: 404 } }), { code: "STORAGE_BUCKET_REFUSED" }],
    [
      saying("SlowDown", { $metadata: { httpStatusCode: 503 } }),
      { code: "STORAGE_BUCKET_UNREACHABLE", retryable: true },
    ],
    [saying("Error", { code: "ECONNREFUSED" }), { code: "STORAGE_BUCKET_UNREACHABLE" }],
    [saying("TypeError", {}), { name: "TypeError" }],
  ];
  for (const [onCall, expected] of failures) {
    const store = storeOf(fakeS3({ clock: systemClock, onCall }));
    await expect(store.put(Buffer.from("a"))).rejects.toMatchObject(expected);
    await expect(store.has(digestOf("a"))).rejects.toMatchObject(expected);
    await expect(bytesOf(store.open(digestOf("a")))).rejects.toMatchObject(expected);
  }
  expect(() => openS3ArtifactStore({ client: fakeS3({ clock: systemClock }), bucket: "" })).toThrow(RangeError);
  const client = fakeS3({ clock: systemClock });
  expect(() => openS3ArtifactStore({ client, bucket: "a", partBytes: mib })).toThrow(RangeError);
});

test("MR-6: an upload to S3 is gone on with by another handle, whole parts and the rest of them, and ends with the right digest", async () => {
  const client = fakeS3({ clock: systemClock });
  const bytes = manyBytes(13 * mib + 1);
  const random = createRandom(3);
  let offset = 0;
  while (offset < bytes.length) {
    // Each handle as a new process would have it.
    const upload = await storeOf(client).beginUpload({ id: "weights" });
    expect(upload.offset).toBe(offset);
    const end = Math.min(bytes.length, offset + random.integer(4 * mib));
    offset = await upload.append(inPieces(bytes.subarray(offset, end), 500_000), { offset });
    expect(offset).toBe(end);
  }
  const store = storeOf(client);
  await using upload = await store.beginUpload({ id: "weights" });
  await expect(upload.complete({ digest: digestOf("else") })).rejects.toMatchObject({ code: "STORAGE_UPLOAD_DIGEST" });
  await expect(upload.append(Buffer.from("x"))).rejects.toMatchObject({ code: "STORAGE_UPLOAD_OFFSET" });
  await using again = await store.beginUpload({ id: "weights" });
  expect(again.offset).toBe(bytes.length);
  const info = await again.complete({ digest: digestOf(bytes) });
  expect(info.sizeBytes).toBe(bytes.length);
  expect((await bytesOf(store.open(info.digest))).equals(bytes)).toBe(true);
  expect([...client.objects.keys()].filter((key) => !key.startsWith("sha256/"))).toEqual([]);
  expect(client.uploads.size).toBe(0);
});

test("the newer holder of an upload shuts the older out; a short one never becomes parts; an aborted one leaves nothing", async () => {
  const client = fakeS3({ clock: systemClock });
  const store = storeOf(client);
  const older = await store.beginUpload({ id: "a" });
  await older.append(Buffer.from("one "));
  const newer = await store.beginUpload({ id: "a" });
  await expect(older.append(Buffer.from("lost"))).rejects.toMatchObject({ code: "STORAGE_UPLOAD_LOCKED" });
  await expect(newer.append(Buffer.from("x"), { offset: 2 })).rejects.toMatchObject({ code: "STORAGE_UPLOAD_OFFSET" });
  expect(await newer.append(Buffer.from("two"))).toBe(7);
  expect(await newer.complete()).toEqual({ digest: digestOf("one two"), sizeBytes: 7 });
  await expect(newer.append(Buffer.from("x"))).rejects.toMatchObject({ code: "PORT_CLOSED" });
  const given = await store.beginUpload({ id: "b" });
  await given.append(manyBytes(6 * mib));
  await given.abort();
  expect([...client.objects.keys()].filter((key) => !key.startsWith("sha256/"))).toEqual([]);
  expect(client.uploads.size).toBe(0);
  const empty = await store.beginUpload();
  expect((await empty.complete()).sizeBytes).toBe(0);
});

test("of a stream that fails what came before is kept, and after a failure of the bucket the upload is begun again", async () => {
  let broken = false;
  const onCall: FakeS3Options["onCall"] = (name) => {
    if (broken && name === "uploadPart") throw Object.assign(new Error("hang up"), { code: "ECONNRESET" });
  };
  const client = fakeS3({ clock: systemClock, onCall });
  const store = storeOf(client);
  const bytes = manyBytes(12 * mib);
  const upload = await store.beginUpload({ id: "a" });
  const failure = new Error("the reader's disk broke");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 6 * mib);
    await Promise.resolve();
    throw failure;
  }
  expect(await upload.append(failing()).catch((error: unknown) => error)).toBe(failure);
  expect(upload.offset).toBe(6 * mib);
  broken = true;
  await expect(upload.append(bytes.subarray(6 * mib))).rejects.toMatchObject({ code: "STORAGE_BUCKET_UNREACHABLE" });
  await expect(upload.append(bytes.subarray(6 * mib))).rejects.toMatchObject({ code: "PORT_CLOSED" });
  broken = false;
  const next = await store.beginUpload({ id: "a" });
  expect(next.offset).toBe(6 * mib);
  await next.append(bytes.subarray(6 * mib));
  expect((await next.complete()).digest).toBe(digestOf(bytes));
});

test("what failed puts, abandoned uploads and collections left is swept after a day, what is in use is not", async () => {
  const clock = createManualClock(nowMs);
  const client = fakeS3({ clock });
  const store = openS3ArtifactStore({ client, bucket: "artifacts", prefix: "p/", partBytes: 5 * mib, clock });
  const put = (Key: string) =>
    client.putObject({ Bucket: "artifacts", Key, Body: Buffer.from("12345"), ContentLength: 5 });
  const kept = await store.put(Buffer.from("kept"));
  await put("p/temporary/half");
  await put(`p/condemned/${"0".repeat(64)}`);
  await client.createMultipartUpload({ Bucket: "artifacts", Key: "p/temporary/other" });
  const left = await store.beginUpload({ id: "left" });
  await left.append(manyBytes(6 * mib));
  const going = await store.beginUpload({ id: "going" });
  await going.append(manyBytes(6 * mib));
  await put("elsewhere/temporary/half");
  await clock.advance(20 * 3_600_000);
  await going.append(Buffer.from("on"));
  await put("p/temporary/young");
  await clock.advance(10 * 3_600_000);
  const swept = await store.sweep({ beforeMs: clock.nowMs(), dryRun: true });
  expect(client.objects.has("p/temporary/half")).toBe(true);
  expect(await store.sweep({ beforeMs: clock.nowMs(), dryRun: false })).toEqual(swept);
  // Two objects, two multipart uploads, and what is kept of one upload: its state, and its tail.
  expect(swept.objects).toBe(6);
  expect([...client.objects.keys()].toSorted()).toEqual([
    "elsewhere/temporary/half",
    `p/sha256/${kept.digest.slice(7, 9)}/${kept.digest.slice(9)}`,
    "p/temporary/young",
    "p/uploads/going/state",
    "p/uploads/going/tail",
  ]);
  expect((await going.complete()).sizeBytes).toBe(6 * mib + 2);
  expect((await store.beginUpload({ id: "left" })).offset).toBe(0);
});

test("a marker that a collection left when it died holds up a put for its time, and no longer", async () => {
  const clock = createManualClock(nowMs);
  const client = fakeS3({ clock });
  const store = openS3ArtifactStore({ client, bucket: "artifacts", clock });
  const { digest } = await store.put(Buffer.from("a"));
  await client.putObject({
    Bucket: "artifacts",
    Key: `condemned/${digest.slice(7)}`,
    Body: Buffer.from("{}"),
    ContentLength: 2,
  });
  await clock.advance(3_600_000);
  // Another collection leaves it to that one.
  expect((await collectGarbage(store, { reachable: [], graceMs: 0, clock })).deleted.artifacts).toBe(0);
  let done = false;
  const putting = store.put(Buffer.from("a")).then(() => (done = true));
  for (let second = 0; second < 100; second += 1) await clock.advance(1000);
  expect(done).toBe(false);
  for (let second = 0; second < 100 && !done; second += 1) await clock.advance(1000);
  expect(await putting).toBe(true);
  expect(await store.has(digest)).toBe(true);
  expect([...client.objects.keys()]).toHaveLength(1);
});
