import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  createSignature,
  createTrustPolicy,
  denseRuntime,
  packModel,
  signModel,
  writeDenseModel,
} from "../packages/model/dist/index.js";
import { openRegistry, type Registry } from "../packages/registry/dist/index.js";
import { openModelServer } from "../packages/serving/dist/index.js";
import { openDirectoryArtifactStore, openSqlite } from "../packages/storage/dist/index.js";

const ann = generateKeyPairSync("ed25519");
const revoked = new Set<string>();
const trust = createTrustPolicy({ keys: [{ signer: "release", key: ann.publicKey, keyId: "release-1" }], revoked });
const key = { key: ann.privateKey, keyId: "release-1" };

/** Registers a model that answers `slope · x`. */
async function register(registry: Registry, folder: string, slope: number, isSigned: boolean): Promise<number> {
  const directory = join(folder, `package-${slope}`);
  await packModel(directory, {
    name: "late",
    format: "dense",
    ...writeDenseModel([{ kernel: [slope], bias: [0], activation: "linear" }]),
  });
  if (isSigned) await signModel(directory, key);
  return (await registry.register("late", directory)).version;
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}

test("SE-11: deployments take signed versions alone; unsigned, changed and revoked ones are refused, and what is served goes on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-signed-deployments-"));
  try {
    await using database = await openSqlite(join(folder, "mill.db"));
    const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
    const staged = join(folder, "staged");
    await using registry = await openRegistry({ database, artifacts, directory: staged, trust });
    await register(registry, folder, 2, true);
    await register(registry, folder, 3, false);
    await using server = await openModelServer({
      source: registry,
      runtimes: [denseRuntime()],
      endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    });
    const answer = async () => (await server.predict("late", { instances: [[1]] })).outputs["prediction"]?.data[0];
    const deploy = (version: number) =>
      server.deploy("late", { model: `late/${version}`, traffic: { type: "all-at-once" } });
    expect(await answer()).toBe(2);

    await expect(deploy(2)).rejects.toMatchObject({ code: "MODEL_SIGNATURE_MISSING" });
    expect(await answer()).toBe(2);
    const envelope = await createSignature(await registry.version("late/2"), key);
    await registry.addSignature("late", 2, envelope, { by: "release" });
    await deploy(2);
    expect(await answer()).toBe(3);

    // One byte of an artifact that no copy was made of yet.
    const third = await register(registry, folder, 4, true);
    const { manifest } = await registry.version(`late/${third}`);
    const weights = manifest.files.find(({ path }) => path === "weights.bin")?.digest.slice(7) ?? "";
    const artifact = join(folder, "artifacts", "sha256", weights.slice(0, 2), weights.slice(2));
    await flip(artifact);
    await expect(deploy(third)).rejects.toMatchObject({ code: "PORT_ARTIFACT_CORRUPT" });
    await flip(artifact);
    // One byte of the copy: it is made anew, and never loaded.
    await registry.resolve(`late/${third}`);
    const copies = await readdir(staged);
    for (const copy of copies) await flip(join(staged, copy, "weights.bin"));
    await deploy(third);
    expect(await answer()).toBe(4);

    revoked.add("release-1");
    const fourth = await register(registry, folder, 5, true);
    await expect(deploy(fourth)).rejects.toMatchObject({ code: "MODEL_SIGNER_UNTRUSTED" });
    await expect(deploy(1)).rejects.toMatchObject({ code: "MODEL_SIGNER_UNTRUSTED" });
    expect(await answer()).toBe(4);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
