import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { createManualClock, createRandom, type Digest, digestOf } from "@millwright/contracts";
import { openDirectoryArtifactStore, type ResumableArtifactStore } from "@millwright/storage";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { startChild } from "./child.ts";
import { temporaryFolder } from "./folder.ts";

const textOf = async (store: ResumableArtifactStore, digest: Digest): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.open(digest)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

async function* streamOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await Promise.resolve();
    yield Buffer.from(text);
  }
}

test("MR-6: an upload whose process is killed with SIGKILL again and again goes on where it was, and ends with the right digest", async () => {
  await using folder = await temporaryFolder();
  const [seed, pieces, pieceBytes] = [9, 120, 50_000];
  const random = createRandom(21);
  const begun: number[] = [];
  let kept = 0;
  let done: string | undefined;
  for (let round = 0; done === undefined && round < 40; round += 1) {
    const child = startChild("uploader.mjs", [folder.path, "weights", `${seed}`, `${pieces}`]);
    await child.said("begun");
    // After so many of its pieces, wherever it is by then: a time would be long on a quick machine and short on a slow one.
    const enough = 2 + random.integer(12);
    const pieceCount = (): number => child.output().match(/^kept /gm)?.length ?? 0;
    while (pieceCount() < enough && child.process.exitCode === null && child.process.signalCode === null)
      await setImmediate();
    child.process.kill("SIGKILL");
    const { errors } = await child.ended;
    expect(errors).toBe("");
    const lines = child
      .output()
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" "));
    const [, from = "0"] = lines[0] ?? [];
    // What was acknowledged is never asked for again, unless the artifact was made and the process killed before it said so.
    if (kept < pieces * pieceBytes) expect(Number(from)).toBeGreaterThanOrEqual(kept);
    begun.push(Number(from));
    kept = Math.max(
      kept,
      Number(from),
      ...lines.filter(([what]) => what === "kept").map(([, offset]) => Number(offset)),
    );
    done = lines.find(([what]) => what === "done")?.[1];
  }
  const bytes = Array.from({ length: pieces }, (_, piece) =>
    Buffer.alloc(pieceBytes, `${createRandom(seed).fork(piece).next()} `),
  );
  expect(done).toBe(digestOf(Buffer.concat(bytes)));
  expect(begun.filter((offset) => offset > 0).length).toBeGreaterThan(2);
  const store = await openDirectoryArtifactStore(folder.path);
  expect((await textOf(store, done as Digest)).length).toBe(pieces * pieceBytes);
  expect(await readdir(folder.file("uploads"))).toEqual([]);
});

test("an upload is appended to in pieces and streams, by one handle after another, and made an artifact", async () => {
  await using folder = await temporaryFolder();
  const store = await openDirectoryArtifactStore(folder.path);
  {
    await using upload = await store.beginUpload({ id: "model.bin" });
    expect(upload.offset).toBe(0);
    expect(await upload.append(Buffer.from("one "))).toBe(4);
    expect(await upload.append(streamOf("two ", "three "), { offset: 4 })).toBe(14);
  }
  await using upload = await store.beginUpload({ id: "model.bin" });
  expect(upload.offset).toBe(14);
  await expect(upload.append(Buffer.from("x"), { offset: 4 })).rejects.toMatchObject({ code: "STORAGE_UPLOAD_OFFSET" });
  await expect(store.beginUpload({ id: "model.bin" })).rejects.toMatchObject({ code: "STORAGE_UPLOAD_LOCKED" });
  await upload.append(Buffer.from("four"));
  const wrong = digestOf("something else");
  await expect(upload.complete({ digest: wrong })).rejects.toMatchObject({ code: "STORAGE_UPLOAD_DIGEST" });
  expect(await store.has(digestOf("one two three four"))).toBe(false);
  const info = await upload.complete({ digest: digestOf("one two three four") });
  expect(info).toEqual({ digest: digestOf("one two three four"), sizeBytes: 18 });
  expect(await textOf(store, info.digest)).toBe("one two three four");
  await expect(upload.append(Buffer.from("late"))).rejects.toMatchObject({ code: "PORT_CLOSED" });
  await using anew = await store.beginUpload({ id: "model.bin" });
  expect(anew.offset).toBe(0);
});

test("of a stream that fails or is aborted what came before is kept, and its failure is the caller's own", async () => {
  await using folder = await temporaryFolder();
  const store = await openDirectoryArtifactStore(folder.path);
  await using upload = await store.beginUpload();
  const failure = Object.assign(new Error("no such file"), { code: "ENOENT", syscall: "open" });
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("before ");
    await Promise.resolve();
    throw failure;
  }
  expect(await upload.append(failing()).catch((error: unknown) => error)).toBe(failure);
  expect(upload.offset).toBe(7);
  const controller = new AbortController();
  async function* aborted(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("and ");
    await Promise.resolve();
    controller.abort(new Error("enough"));
    yield Buffer.from("lost");
  }
  await expect(upload.append(aborted(), { signal: controller.signal })).rejects.toThrow("enough");
  await upload.append(Buffer.from("after"));
  expect((await upload.complete()).digest).toBe(digestOf("before and after"));
});

test("an upload that was aborted leaves nothing, and names that are paths are refused", async () => {
  await using folder = await temporaryFolder();
  const store = await openDirectoryArtifactStore(folder.path);
  const upload = await store.beginUpload({ id: "a" });
  await upload.append(Buffer.from("bytes"));
  await upload.abort();
  expect(await readdir(folder.file("uploads"))).toEqual([]);
  expect(await readdir(folder.file("temporary"))).toEqual([]);
  await using again = await store.beginUpload({ id: "a" });
  expect(again.offset).toBe(0);
  for (const id of ["", "..", "../a", "a/b", "A", "a\u0000", "x".repeat(129)])
    await expect(store.beginUpload({ id })).rejects.toBeInstanceOf(RangeError);
});

test("data that is shorter than what was kept is begun again, and never filled up with zeros", async () => {
  await using folder = await temporaryFolder();
  const store = await openDirectoryArtifactStore(folder.path);
  await using first = await store.beginUpload({ id: "a" });
  await first.append(Buffer.from("all of it"));
  await first[Symbol.asyncDispose]();
  await writeFile(folder.file("uploads/a/data"), "all");
  await using second = await store.beginUpload({ id: "a" });
  expect(second.offset).toBe(0);
  await second.append(Buffer.from("it"));
  expect((await second.complete()).digest).toBe(digestOf("it"));
});

test("uploads that nobody goes on with are swept after a day, those that are open or younger are not", async () => {
  await using folder = await temporaryFolder();
  const clock = createManualClock(1_700_000_000_000);
  const store = await openDirectoryArtifactStore(folder.path, { clock });
  const old = 1_700_000_000 - 25 * 3600;
  const begin = async (id: string, seconds: number) => {
    const upload = await store.beginUpload({ id });
    await upload.append(Buffer.from("12345"));
    for (const file of ["data", "progress"]) await utimes(folder.file(`uploads/${id}/${file}`), seconds, seconds);
    return upload;
  };
  await (await begin("old", old))[Symbol.asyncDispose]();
  await (await begin("young", old + 7200))[Symbol.asyncDispose]();
  await using open = await begin("open", old);
  await mkdir(folder.file("temporary/discarded"));
  await utimes(folder.file("temporary/discarded"), old, old);
  const beforeMs = clock.nowMs();
  // A dry run cannot tell that one is open.
  expect(await store.sweep({ beforeMs, dryRun: true })).toMatchObject({ objects: 3 });
  expect(await store.sweep({ beforeMs, dryRun: false })).toMatchObject({ objects: 2 });
  expect((await readdir(folder.file("uploads"))).toSorted()).toEqual(["open", "young"]);
  expect(await readdir(folder.file("temporary"))).toEqual([]);
  expect((await open.complete()).sizeBytes).toBe(5);
});
