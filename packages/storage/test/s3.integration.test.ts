import type { S3 } from "@aws-sdk/client-s3";
import { type Digest, digestOf } from "@millwright/contracts";
import { artifactCorruptionContract } from "@millwright/contracts/testing";
import { collectGarbage, openChunkedArtifactStore, openMemoryRecordStore } from "@millwright/storage";
import { openS3ArtifactStore, type S3Client } from "@millwright/storage/drivers/s3";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test, type TestContext, vi } from "vitest";
import { startChild } from "./child.ts";
import { hasS3Server, s3Missing, type S3Server, startS3Server } from "./s3-server.ts";

const isThere = hasS3Server();
if (!isThere && process.env["CI"] === "true") throw new Error(s3Missing);

vi.setConfig({ testTimeout: 600_000 });

const mib = 1024 * 1024;
let server: S3Server;

beforeAll(async () => {
  if (isThere) server = await startS3Server();
}, 300_000);

afterAll(async () => {
  if (isThere) await server[Symbol.asyncDispose]();
});

const s3Test = (title: string, run: (bucket: string) => Promise<void>): void =>
  test(title, async (context: TestContext) => {
    context.skip(!isThere, s3Missing);
    await run(await server.bucket());
  });

const storeIn = (bucket: string, prefix = "") =>
  openS3ArtifactStore({ client: server.client, bucket, prefix, partBytes: 5 * mib });

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("the client of AWS has what the driver declares of it", () => {
  expectTypeOf<S3>().toExtend<S3Client>();
});

describe("artifacts on a server that speaks S3, changed behind the store's back", () => {
  for (const { name, run } of artifactCorruptionContract) {
    s3Test(name, async (bucket) => {
      const corrupt = async (digest: Digest): Promise<void> => {
        const hex = digest.slice(7);
        const place = { Bucket: bucket, Key: `sha256/${hex.slice(0, 2)}/${hex.slice(2)}` };
        const bytes = await (await server.client.getObject(place)).Body!.transformToByteArray();
        bytes[3] = 0xff;
        await server.client.putObject({ ...place, Body: bytes });
      };
      await run({ store: storeIn(bucket), corrupt });
    });
  }
});

s3Test("a stream of several parts is put, made young, read and collected", async (bucket) => {
  const store = storeIn(bucket, "a prefix/ü/");
  const bytes = Buffer.alloc(11 * mib, "eleven");
  bytes.writeUInt32LE(1, 7 * mib);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 700_001) {
      await Promise.resolve();
      yield bytes.subarray(at, at + 700_001);
    }
  }
  const info = await store.put(pieces());
  expect(info).toEqual({ digest: digestOf(bytes), sizeBytes: bytes.length });
  expect(await store.touch(info.digest)).toBe(true);
  expect(await store.touch(digestOf("never"))).toBe(false);
  expect((await bytesOf(store.open(info.digest))).equals(bytes)).toBe(true);
  const young = await collectGarbage(store, { reachable: [], graceMs: 60_000 });
  expect(young.young).toEqual({ artifacts: 1, bytes: bytes.length });
  expect(await store.deleteOlder(info.digest, Date.now() + 60_000)).toBe(true);
  expect(await store.has(info.digest)).toBe(false);
  const { Contents = [] } = await server.client.listObjectsV2({ Bucket: bucket });
  expect(Contents).toEqual([]);
});

s3Test(
  "MR-6: an upload is gone on with on a server that speaks S3, and no bucket at all is an error with a remedy",
  async (bucket) => {
    const bytes = Buffer.alloc(12 * mib, "twelve");
    let offset = 0;
    for (const end of [6 * mib, 6 * mib + 100, 11 * mib, bytes.length]) {
      const upload = await storeIn(bucket).beginUpload({ id: "weights" });
      expect(upload.offset).toBe(offset);
      offset = await upload.append(bytes.subarray(offset, end));
    }
    const upload = await storeIn(bucket).beginUpload({ id: "weights" });
    const { digest } = await upload.complete({ digest: digestOf(bytes) });
    expect((await bytesOf(storeIn(bucket).open(digest))).equals(bytes)).toBe(true);
    const { Contents = [] } = await server.client.listObjectsV2({ Bucket: bucket });
    expect(Contents).toHaveLength(1);
    const { Uploads = [] } = await server.client.listMultipartUploads({ Bucket: bucket });
    expect(Uploads).toEqual([]);
    await expect(storeIn("no-such-bucket").put(Buffer.from("a"))).rejects.toMatchObject({
      code: "STORAGE_BUCKET_REFUSED",
      remedy: expect.stringContaining("bucket") as string,
    });
  },
);

s3Test("versions share their chunks in a bucket", async (bucket) => {
  const base = storeIn(bucket);
  const store = openChunkedArtifactStore(base, { index: openMemoryRecordStore(), averageBytes: 65_536 });
  const rows = Array.from({ length: 60_000 }, (_, row) => `${row},${Math.sqrt(row)}\n`);
  const first = await store.put(Buffer.from(rows.join("")));
  rows.splice(30_000, 0, "inserted\n");
  const second = await store.put(Buffer.from(rows.join("")));
  let stored = 0;
  for await (const { sizeBytes } of base.list()) stored += sizeBytes;
  expect(stored).toBeLessThan(1.5 * first.sizeBytes);
  expect((await bytesOf(store.open(second.digest))).length).toBe(second.sizeBytes);
});

s3Test("an artifact of 160 MB is streamed to S3 and back in little memory", async (bucket) => {
  const sizeBytes = 160_000_000;
  const child = startChild("big-artifact.mjs", ["s3", server.endpoint, bucket, String(sizeBytes)]);
  expect(await child.ended).toMatchObject({ code: 0 });
  const report = JSON.parse(child.output()) as Record<string, number>;
  expect(report).toMatchObject({ sizeBytes, readBytes: sizeBytes });
  // The parts under way, and what the client and the collector of garbage keep of them.
  expect(report["maxRssBytes"]! - report["startRss"]!).toBeLessThan(170 * mib);
});
