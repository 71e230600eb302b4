import { generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "@millwright/contracts";
import { createSignature, createTrustPolicy } from "@millwright/model";
import { copyVersion } from "@millwright/registry";
import { expect, test } from "vitest";
import { openWorkshop } from "./workshop.ts";

const release = generateKeyPairSync("ed25519");
const trust = createTrustPolicy({ keys: [{ signer: "release", key: release.publicKey, keyId: "release-1" }] });

test("MR-27: a version goes from one registry to another by digest, verified, signed and with its origin", async () => {
  await using dev = await openWorkshop();
  await using prod = await openWorkshop({ trust });
  const data = digestOf("train");
  const statistics = { auc: { mean: 0.9 } };
  await dev.registry.register("late", await dev.pack("zero"));
  await dev.registry.register("late", await dev.pack("one", { datasets: { train: data } }), {
    tags: { team: "delays" },
    baselines: { statistics },
    description: "Delays of flights",
  });
  const options = { origin: "dev", by: "ann", trust };
  // Unsigned: nothing is copied.
  const copy = () => copyVersion(dev.registry, prod.registry, "late/2", options);
  await expect(copy()).rejects.toMatchObject({ code: "MODEL_SIGNATURE_MISSING" });
  expect(await prod.registry.versions()).toEqual([]);
  const key = { key: release.privateKey, keyId: "release-1" };
  const envelope = await createSignature(await dev.registry.version("late/2"), key);
  await dev.registry.addSignature("late", 2, envelope);
  await dev.registry.approve("late", 2, { status: "approved", by: "bob" });
  await dev.registry.setAlias("late", "champion", 2);
  await dev.registry.setMaterials("late", 2, { license: "MIT" }, { by: "bob" });

  const copied = await copyVersion(dev.registry, prod.registry, "late@champion", options);
  const original = await dev.registry.version("late/2");
  expect(copied).toMatchObject({
    name: "late",
    version: 1,
    digest: original.digest,
    approval: "pending",
    registeredBy: "ann",
    tags: { team: "delays" },
    description: "Delays of flights",
  });
  expect(await prod.registry.materials("late", 1)).toMatchObject({ license: "MIT", setBy: "ann" });
  // Its bytes are there, and read by the policy of production.
  const resolved = await prod.registry.resolve("late/1");
  expect(resolved.digest).toBe(original.digest);
  for (const { digest } of original.manifest.files) expect(await prod.artifacts.has(digest)).toBe(true);
  expect((await prod.registry.signatures("late", 1)).map(({ keyIds }) => keyIds)).toEqual([["release-1"]]);
  expect(await prod.registry.baselines("late", 1)).toEqual({ statistics });
  const ancestors = await prod.registry.lineage(
    { kind: "model", id: copied.digest },
    { direction: "ancestors", depth: 1 },
  );
  expect(ancestors.map(({ entity }) => entity)).toEqual(
    expect.arrayContaining([
      { kind: "model", id: "dev/late/2", name: "late/2" },
      { kind: "dataset", id: data, name: "train" },
    ]),
  );
  const [registered] = (await prod.events()).filter(({ type }) => type === "model.registered");
  expect(registered?.data["origin"]).toEqual({ registry: "dev", ref: "late/2", sameAs: original.digest });

  // Once more is the same version, under another name it is another.
  const events = (await prod.events()).length;
  expect(await copy()).toEqual(copied);
  expect(await prod.events()).toHaveLength(events);
  const named = await copyVersion(dev.registry, prod.registry, "late/2", { ...options, name: "delays" });
  expect(named).toMatchObject({ name: "delays", version: 1, digest: copied.digest });

  // A byte that changed in the store of development stops the copy.
  const file = original.manifest.files[0]?.digest.slice(7) ?? "";
  const path = join(dev.folder, "artifacts", "sha256", file.slice(0, 2), file.slice(2));
  const bytes = await readFile(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await writeFile(path, bytes).catch(() => undefined);
  await using other = await openWorkshop();
  const staged = join(dev.folder, "staged", original.digest.replace(":", "-"), original.manifest.files[0]?.path ?? "");
  await writeFile(staged, bytes).catch(() => undefined);
  await expect(copyVersion(dev.registry, other.registry, "late/2", options)).rejects.toMatchObject({
    code: "PORT_ARTIFACT_CORRUPT",
  });
  expect(await other.registry.versions()).toEqual([]);
});

test("a copy that has another digest than what was copied is no copy", async () => {
  await using dev = await openWorkshop();
  await dev.registry.register("late", await dev.pack("one"));
  const other = await dev.pack("another");
  const { version, resolve, baselines, signatures, register, addSignature } = dev.registry;
  // What lies in the folder is changed between its verification and its registration.
  const swapped: typeof resolve = async (ref, options) => ({ ...(await resolve(ref, options)), directory: other });
  const from = { version, resolve: swapped, baselines, signatures };
  const copy = copyVersion(from, { register, addSignature, resolve }, "late/1", { origin: "dev", by: "ann" });
  await expect(copy).rejects.toMatchObject({ code: "REGISTRY_COPY_DIFFERS" });
});
