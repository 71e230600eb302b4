import assert from "node:assert/strict";
import type { ArtifactStore } from "../artifact-store.ts";
import { digestOf } from "../digest.ts";
import type { Digest } from "../ids.ts";
import {
  abortedSignal,
  bytesOf,
  collect,
  concatBytes,
  rejectsWithCode,
  rejectsWithReason,
  streamOf,
} from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

const readAll = async (store: ArtifactStore, digest: Digest): Promise<Uint8Array> =>
  concatBytes(await collect(store.open(digest)));

const listed = async (store: ArtifactStore): Promise<Digest[]> =>
  (await collect(store.list())).map(({ digest }) => digest).toSorted();

/** What each artifact store promises. Every case takes an empty store of its own. */
export const artifactStoreContract: readonly ContractCase<ArtifactStore>[] = [
  {
    name: "put gives the SHA-256 and the size of the bytes",
    run: async (store) => {
      const info = await store.put(bytesOf("abc"));
      // FIPS 180-2, appendix B.1.
      assert.equal(info.digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
      assert.equal(info.sizeBytes, 3);
    },
  },
  {
    name: "open gives back the bytes that were put",
    run: async (store) => {
      const bytes = Uint8Array.from({ length: 3_000_001 }, (_, index) => (index * 31) % 251);
      const { digest } = await store.put(bytes);
      assert.ok(Buffer.from(await readAll(store, digest)).equals(bytes));
    },
  },
  {
    name: "a stream gives the digest of its bytes together, however they are cut",
    run: async (store) => {
      const whole = await store.put(bytesOf("hello, mill"));
      const cut = await store.put(streamOf(bytesOf("hel"), bytesOf(""), bytesOf("lo, m"), bytesOf("ill")));
      assert.deepEqual(cut, whole);
      assert.deepEqual(await listed(store), [whole.digest]);
    },
  },
  {
    name: "the empty artifact is an artifact",
    run: async (store) => {
      const { digest, sizeBytes } = await store.put(new Uint8Array());
      assert.equal(digest, digestOf(new Uint8Array()));
      assert.equal(sizeBytes, 0);
      assert.equal((await readAll(store, digest)).length, 0);
      assert.ok(await store.has(digest));
    },
  },
  {
    name: "the same bytes put twice are stored once",
    run: async (store) => {
      const first = await store.put(bytesOf("twice"));
      const second = await store.put(bytesOf("twice"));
      assert.deepEqual(second, first);
      assert.deepEqual(await collect(store.list()), [first]);
    },
  },
  {
    name: "has tells what is there from what is not",
    run: async (store) => {
      const { digest } = await store.put(bytesOf("here"));
      assert.equal(await store.has(digest), true);
      assert.equal(await store.has(digestOf("elsewhere")), false);
    },
  },
  {
    name: "opening what is not there rejects with PORT_ARTIFACT_MISSING",
    run: async (store) => rejectsWithCode(store.open(digestOf("never put")), "PORT_ARTIFACT_MISSING"),
  },
  {
    name: "what is no digest opens nothing",
    run: async (store) => {
      await assert.rejects(collect(store.open("sha256:../../../../etc/passwd" as Digest)));
      await assert.rejects(collect(store.open("sha256:" as Digest)));
    },
  },
  {
    name: "delete removes the artifact, and deleting what is not there does nothing",
    run: async (store) => {
      const { digest } = await store.put(bytesOf("gone soon"));
      const kept = await store.put(bytesOf("kept"));
      await store.delete(digest);
      await store.delete(digest);
      assert.equal(await store.has(digest), false);
      await rejectsWithCode(store.open(digest), "PORT_ARTIFACT_MISSING");
      assert.deepEqual(await listed(store), [kept.digest]);
    },
  },
  {
    name: "list names every artifact once, with its size",
    run: async (store) => {
      const expected = await Promise.all(["a", "bb", "ccc"].map((text) => store.put(bytesOf(text))));
      const found = await collect(store.list());
      const sorted = (infos: typeof found): typeof found => infos.toSorted((a, b) => a.sizeBytes - b.sizeBytes);
      assert.deepEqual(sorted(found), sorted(expected));
    },
  },
  {
    name: "the store keeps a copy: neither the bytes that were put nor those that are read are its own",
    run: async (store) => {
      const bytes = bytesOf("mine");
      const { digest } = await store.put(bytes);
      bytes.fill(0);
      for await (const chunk of store.open(digest)) chunk.fill(1);
      assert.deepEqual(Buffer.from(await readAll(store, digest)).toString(), "mine");
    },
  },
  {
    name: "an aborted signal rejects with its reason before anything is done",
    run: async (store) => {
      const { signal, reason } = abortedSignal();
      const { digest } = await store.put(bytesOf("before"));
      await rejectsWithReason(store.put(bytesOf("after"), { signal }), reason);
      await rejectsWithReason(store.open(digest, { signal }), reason);
      await rejectsWithReason(store.has(digest, { signal }), reason);
      await rejectsWithReason(store.delete(digest, { signal }), reason);
      await rejectsWithReason(store.list({ signal }), reason);
      assert.deepEqual(await listed(store), [digest]);
    },
  },
  {
    name: "a put that is aborted on the way leaves the stream and stores nothing",
    run: async (store) => {
      const controller = new AbortController();
      const reason = new Error("enough");
      let left = false;
      async function* source(): AsyncGenerator<Uint8Array> {
        try {
          for (let piece = 0; piece < 1000; piece += 1) {
            await Promise.resolve();
            if (piece === 3) controller.abort(reason);
            yield bytesOf("piece");
          }
        } finally {
          left = true;
        }
      }
      await rejectsWithReason(store.put(source(), { signal: controller.signal }), reason);
      assert.equal(left, true, "the stream was not left");
      assert.deepEqual(await listed(store), []);
    },
  },
  {
    name: "a put whose stream fails rejects with that failure and stores nothing",
    run: async (store) => {
      const failure = new Error("the disk of the reader broke");
      async function* source(): AsyncGenerator<Uint8Array> {
        yield bytesOf("first half");
        await Promise.resolve();
        throw failure;
      }
      await rejectsWithReason(store.put(source()), failure);
      assert.deepEqual(await listed(store), []);
    },
  },
  {
    name: "callers at the same time do not disturb each other",
    run: async (store) => {
      const texts = Array.from({ length: 24 }, (_, index) => `text ${index % 8}`);
      const infos = await Promise.all(texts.map((text) => store.put(streamOf(bytesOf(text)))));
      assert.deepEqual(
        infos.map(({ digest }) => digest),
        texts.map((text) => digestOf(text)),
      );
      assert.equal((await listed(store)).length, 8);
      const read = await Promise.all(infos.map(({ digest }) => readAll(store, digest)));
      assert.deepEqual(
        read.map((bytes) => Buffer.from(bytes).toString()),
        texts,
      );
    },
  },
  {
    name: "leaving open early frees the artifact: it can be deleted and put again",
    run: async (store) => {
      const bytes = new Uint8Array(1_000_000).fill(7);
      const { digest } = await store.put(bytes);
      for await (const chunk of store.open(digest)) {
        assert.ok(chunk.length > 0);
        break;
      }
      await store.delete(digest);
      assert.equal((await store.put(bytes)).digest, digest);
      assert.equal((await readAll(store, digest)).length, bytes.length);
    },
  },
];

/** For stores whose bytes can be changed behind their back. */
export interface ArtifactCorruptionFixture {
  readonly store: ArtifactStore;
  /** Changes one byte of what is stored under the digest. */
  corrupt(digest: Digest): Promise<void>;
}

export const artifactCorruptionContract: readonly ContractCase<ArtifactCorruptionFixture>[] = [
  {
    name: "a stream of changed bytes does not end: it rejects with PORT_ARTIFACT_CORRUPT",
    run: async ({ store, corrupt }) => {
      const { digest } = await store.put(bytesOf("as it was written"));
      await corrupt(digest);
      await rejectsWithCode(store.open(digest), "PORT_ARTIFACT_CORRUPT");
    },
  },
  {
    name: "a put over changed bytes is acknowledged only with the right ones in their place",
    run: async ({ store, corrupt }) => {
      const info = await store.put(bytesOf("as it was written"));
      await corrupt(info.digest);
      assert.deepEqual(await store.put(streamOf(bytesOf("as it was "), bytesOf("written"))), info);
      assert.equal(Buffer.from(await readAll(store, info.digest)).toString(), "as it was written");
      assert.deepEqual(await collect(store.list()), [info]);
    },
  },
  {
    name: "after a delete the original bytes can be put again",
    run: async ({ store, corrupt }) => {
      const { digest } = await store.put(bytesOf("as it was written"));
      await corrupt(digest);
      await store.delete(digest);
      await store.put(bytesOf("as it was written"));
      assert.equal(Buffer.from(await readAll(store, digest)).toString(), "as it was written");
    },
  },
];
