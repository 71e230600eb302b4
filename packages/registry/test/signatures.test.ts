import { generateKeyPairSync } from "node:crypto";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, createManualClock, digestOf } from "@millwright/contracts";
import { createSignature, createTrustPolicy, denseRuntime, loadModel, signModel } from "@millwright/model";
import { openRegistry } from "@millwright/registry";
import { openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { type Workshop, openWorkshop, startMs } from "./workshop.ts";

const ann = generateKeyPairSync("ed25519");
const ben = generateKeyPairSync("ed25519");
const eve = generateKeyPairSync("ed25519");
const trust = createTrustPolicy({
  keys: [
    { signer: "ann", key: ann.publicKey, keyId: "ann-1" },
    { signer: "ben", key: ben.publicKey, keyId: "ben-1" },
  ],
  rules: [
    { models: "late", signers: ["ann"] },
    { models: "*", signers: ["ann", "ben"], threshold: 2 },
  ],
});

const signedPackage = async (workshop: Workshop, content: string): Promise<string> => {
  const directory = await workshop.pack(content);
  await signModel(directory, { key: ann.privateKey, keyId: "ann-1" });
  return directory;
};

const pathOfArtifact = ({ folder }: Workshop, digest: Digest): string => {
  const hex = digest.slice("sha256:".length);
  return join(folder, "artifacts", "sha256", hex.slice(0, 2), hex.slice(2));
};

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[3] = (bytes[3] as number) ^ 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}

test("MR-22: a signed version resolves and loads, an unsigned one is refused, and signed later it resolves", async () => {
  await using workshop = await openWorkshop({ trust });
  const { registry } = workshop;
  await registry.register("late", await signedPackage(workshop, "one"), { by: "ann" });
  const model = await registry.resolve("late/1");
  await using loaded = await loadModel(model, [denseRuntime()]);
  expect(loaded.digest).toBe(model.digest);
  expect((await stat(join(workshop.folder, "staged"))).mode & 0o077).toBe(process.platform === "win32" ? 0o066 : 0);

  const { version, digest } = await registry.register("late", await workshop.pack("two!"));
  await expect(registry.resolve(`late/${version}`)).rejects.toMatchObject({ code: "MODEL_SIGNATURE_MISSING" });
  const described = await registry.version("late/2");
  const envelope = await createSignature(described, { key: ann.privateKey, keyId: "ann-1" });
  const added = await registry.addSignature("late", 2, envelope, { by: "ann" });
  expect(added).toMatchObject({ envelope, keyIds: ["ann-1"], addedBy: "ann" });
  expect(await registry.resolve("late/2")).toMatchObject({ digest });
  expect(await registry.signatures("late", 2)).toEqual([added]);
});

test("MR-22: one byte flipped in an artifact, in the staged copy or in a signature: what is loaded is what was signed, or nothing", async () => {
  await using workshop = await openWorkshop({ trust });
  const { registry, database, artifacts, folder } = workshop;
  await registry.register("late", await signedPackage(workshop, "one"));
  const model = await registry.resolve("late/1");
  const weights = model.manifest.files.find(({ path }) => path === "weights.bin")?.digest as Digest;
  // In the copy: it is put together anew from the artifacts.
  await flip(join(model.directory, "weights.bin"));
  const again = await registry.resolve("late/1");
  expect(digestOf(await readFile(join(again.directory, "weights.bin")))).toBe(weights);
  // In the artifacts: nothing is loaded by who has no copy.
  const [signature] = await registry.signatures("late", 1);
  for (const [index, digest] of [weights, model.digest, signature?.digest as Digest].entries()) {
    await flip(pathOfArtifact(workshop, digest));
    await using elsewhere = await openRegistry({
      database,
      artifacts,
      directory: join(folder, `elsewhere-${index}`),
      trust,
    });
    await expect(elsewhere.resolve("late/1")).rejects.toMatchObject({ code: "PORT_ARTIFACT_CORRUPT" });
    await flip(pathOfArtifact(workshop, digest));
    await expect(elsewhere.resolve("late/1")).resolves.toMatchObject({ digest: model.digest });
  }
});

test("a package under another name needs the signers of both names; signatures are of the bytes", async () => {
  await using workshop = await openWorkshop({ trust });
  const { registry } = workshop;
  const directory = await signedPackage(workshop, "one");
  await registry.register("late", directory);
  await registry.register("fraud", directory);
  await expect(registry.resolve("fraud/1")).rejects.toMatchObject({ code: "MODEL_SIGNER_UNTRUSTED" });
  const envelope = await createSignature(await registry.version("fraud/1"), { key: ben.privateKey, keyId: "ben-1" });
  await registry.addSignature("fraud", 1, envelope);
  expect(await registry.resolve("fraud/1")).toMatchObject({ name: "fraud", version: 1 });
  expect((await registry.signatures("late", 1)).flatMap(({ keyIds }) => keyIds)).toEqual(["ann-1", "ben-1"]);
});

test("each signature is one event, told once; a package that is registered again brings those made since", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const directory = await signedPackage(workshop, "one");
  await registry.register("late", directory, { by: "ann" });
  await signModel(directory, { key: ben.privateKey, keyId: "ben-1" });
  await registry.register("late", directory, { by: "ben" });
  await registry.register("late", directory, { by: "ben" });
  const [first] = await registry.signatures("late", 1);
  await registry.addSignature("late", 1, first!.envelope);
  const events = await workshop.events();
  expect(events.map(({ type, subject }) => [type, subject])).toEqual([
    ["model.registered", "late/1"],
    ["model.signed", "late/1"],
  ]);
  expect(events[0]?.data).toMatchObject({ keyIds: ["ann-1"], by: "ann" });
  expect(events[1]).toMatchObject({ causationid: events[0]?.id, data: { keyIds: ["ben-1"], by: "ben", version: 1 } });
  expect((await registry.signatures("late", 1)).map(({ addedBy }) => addedBy)).toEqual(["ann", "ben"]);
  expect((await openEventLog(workshop.database).verify()).broken).toBeUndefined();
});

test("what is no statement about the version is not kept, and neither is a package with another's signature beside it", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const directory = await signedPackage(workshop, "one");
  await registry.register("late", directory);
  const other = await workshop.pack("another");
  const text = await readFile(join(directory, "manifest.intoto.jsonl"));
  await writeFile(join(other, "manifest.intoto.jsonl"), text);
  const invalid = { code: "MODEL_SIGNATURE_INVALID" };
  await expect(registry.register("late", other)).rejects.toMatchObject(invalid);
  const { version } = await registry.register("late", await workshop.pack("third one"));
  const [first] = await registry.signatures("late", 1);
  await expect(registry.addSignature("late", version, first!.envelope)).rejects.toMatchObject(invalid);
  await expect(registry.addSignature("late", version, {} as never)).rejects.toMatchObject(invalid);
  await expect(registry.addSignature("late", 9, first!.envelope)).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
  await expect(registry.signatures("late", 9)).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
  expect(await registry.signatures("late", version)).toEqual([]);
});

test("a watcher goes on with what it has until the next version is signed", async () => {
  await using workshop = await openWorkshop({ trust });
  const { registry } = workshop;
  await registry.register("late", await signedPackage(workshop, "one"));
  await registry.setAlias("late", "champion", 1);
  const seen: (number | undefined)[] = [];
  for await (const { version } of registry.watch("late@champion")) {
    seen.push(version);
    if (seen.length === 2) break;
    const next = await registry.register("late", await workshop.pack("two!"));
    await registry.setAlias("late", "champion", next.version);
    setTimeout(() => {
      void registry
        .version("late/2")
        .then((described) => createSignature(described, { key: ann.privateKey, keyId: "ann-1" }))
        .then((envelope) => registry.addSignature("late", 2, envelope));
    }, 60);
  }
  expect(seen).toEqual([1, 2]);
});

test("with a policy, a folder that others may write to is not loaded from; a stranger's signature does not count", async ({
  skip,
}) => {
  skip(process.platform === "win32", "Windows has no such rights");
  await using workshop = await openWorkshop({ trust });
  const { registry, folder } = workshop;
  const directory = await workshop.pack("one");
  await signModel(directory, { key: eve.privateKey, keyId: "ann-1" });
  await registry.register("late", directory);
  await expect(registry.resolve("late/1")).rejects.toMatchObject({ code: "MODEL_SIGNATURE_INVALID" });
  await chmod(join(folder, "staged"), 0o777);
  await expect(registry.resolve("late/1")).rejects.toMatchObject({ code: "MODEL_STAGING_EXPOSED" });
});

test("signatures of versions are reachable, so garbage collection leaves them; those of packages that are gone are not", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const reachable = async (): Promise<Digest[]> => {
    const digests: Digest[] = [];
    for await (const digest of registry.reachableArtifacts({ keepDeletedMs: 0 })) digests.push(digest);
    return digests;
  };
  await registry.register("late", await signedPackage(workshop, "one"));
  const [signature] = await registry.signatures("late", 1);
  expect(await reachable()).toContain(signature?.digest);
  await registry.deleteVersion("late", 1, { by: "ann" });
  await clock.advance(1000);
  expect(await reachable()).not.toContain(signature?.digest);
});
