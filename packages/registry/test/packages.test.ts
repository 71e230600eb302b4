import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestOf } from "@millwright/contracts";
import { denseRuntime, loadModel } from "@millwright/model";
import { openRegistry } from "@millwright/registry";
import { openDirectoryArtifactStore } from "@millwright/storage";
import { expect, test } from "vitest";
import { type Workshop, openWorkshop } from "./workshop.ts";

const pathOfArtifact = ({ folder }: Workshop, digest: Digest): string => {
  const hex = digest.slice("sha256:".length);
  return join(folder, "artifacts", "sha256", hex.slice(0, 2), hex.slice(2));
};

/** Another registry over the same database and artifacts, which has put nothing together yet. */
async function elsewhere({ database, artifacts, folder }: Workshop) {
  return openRegistry({ database, artifacts, directory: join(folder, "elsewhere") });
}

async function flipByte(path: string, position = 3): Promise<void> {
  const bytes = await readFile(path);
  bytes[position] = (bytes[position] as number) ^ 1;
  await writeFile(path, bytes);
}

test("a registered model is loaded and answers, long after its own directory is gone", async () => {
  await using workshop = await openWorkshop();
  const directory = await workshop.pack("one");
  const { digest } = await workshop.registry.register("late", directory);
  await rm(directory, { recursive: true });
  await using registry = await elsewhere(workshop);
  const resolved = await registry.resolve("late/1");
  expect(resolved).toMatchObject({ name: "late", version: 1, digest });
  await using model = await loadModel(resolved, [denseRuntime()]);
  const features = { dtype: "float32", shape: [1, 2], data: Float32Array.of(1, 1) } as const;
  const { prediction } = await model.predict({ features });
  expect(prediction?.data).toEqual(Float32Array.of(3 + 3, 2 + 4));
});

test("files that versions share are stored once", async () => {
  await using workshop = await openWorkshop();
  const count = async (): Promise<number> => {
    const digests: Digest[] = [];
    for await (const { digest } of workshop.artifacts.list()) digests.push(digest);
    return digests.length;
  };
  await workshop.registry.register("late", await workshop.pack("aa"));
  const before = await count();
  // The same length gives the same weights: only the notes and the manifest differ.
  await workshop.registry.register("late", await workshop.pack("bb"));
  expect(await count()).toBe(before + 2);
});

test("a package that is damaged is not registered", async () => {
  await using workshop = await openWorkshop();
  const directory = await workshop.pack("one");
  await flipByte(join(directory, "notes.txt"), 0);
  await expect(workshop.registry.register("late", directory)).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  expect(await workshop.registry.versions()).toEqual([]);
  expect(await workshop.events()).toEqual([]);
});

test("one byte changed in the artifact store, of any file or of the manifest, and the model is not handed out", async () => {
  await using workshop = await openWorkshop();
  const { digest } = await workshop.registry.register("late", await workshop.pack("one"));
  const { manifest } = await workshop.registry.version("late/1");
  await using registry = await elsewhere(workshop);
  for (const changed of [digest, ...manifest.files.map((file) => file.digest)]) {
    const path = pathOfArtifact(workshop, changed);
    const original = await readFile(path);
    await flipByte(path, 0);
    await expect(registry.resolve("late/1")).rejects.toMatchObject({ code: "PORT_ARTIFACT_CORRUPT" });
    expect(await readdir(join(workshop.folder, "elsewhere"))).toEqual([]);
    await writeFile(path, original);
  }
  expect((await registry.resolve("late/1")).digest).toBe(digest);
});

test("a file missing from the artifact store is named", async () => {
  await using workshop = await openWorkshop();
  await workshop.registry.register("late", await workshop.pack("one"));
  const { manifest } = await workshop.registry.version("late/1");
  const missing = manifest.files[0]?.digest as Digest;
  await workshop.artifacts.delete(missing);
  await using registry = await elsewhere(workshop);
  const problem = { code: "PORT_ARTIFACT_MISSING", message: expect.stringContaining(missing) as string };
  await expect(registry.resolve("late/1")).rejects.toMatchObject(problem);
});

test("a store that gives other bytes than it was asked for is found out", async () => {
  await using workshop = await openWorkshop();
  const { database, artifacts, folder, registry } = workshop;
  await registry.register("late", await workshop.pack("one"));
  const notes = digestOf("one");
  const careless = {
    ...artifacts,
    async *open(digest: Digest) {
      if (digest === notes) yield new TextEncoder().encode("two");
      else yield* artifacts.open(digest);
    },
  };
  await using deceived = await openRegistry({ database, artifacts: careless, directory: join(folder, "elsewhere") });
  await expect(deceived.resolve("late/1")).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
});

test("what was put together is verified again at each resolve, and made anew when it was changed", async () => {
  await using workshop = await openWorkshop();
  const { registry, pack } = workshop;
  await registry.register("late", await pack("one"));
  const first = await registry.resolve("late/1");
  const notes = join(first.directory, "notes.txt");
  const changes: readonly (() => Promise<void>)[] = [
    () => flipByte(notes, 0),
    () => rm(notes),
    () => writeFile(join(first.directory, "added.txt"), "added"),
    () => flipByte(join(first.directory, "manifest.json"), 40),
    () => rm(first.directory, { recursive: true }),
  ];
  for (const change of changes) {
    await change();
    expect(await registry.resolve("late/1")).toEqual(first);
    expect(await readFile(notes, "utf8")).toBe("one");
    expect(await readdir(first.directory)).toHaveLength(first.manifest.files.length + 1);
  }
  const [changed] = first.manifest.files;
  await rm(first.directory, { recursive: true });
  await flipByte(pathOfArtifact(workshop, changed?.digest as Digest), 0);
  await expect(registry.resolve("late/1")).rejects.toMatchObject({ code: "PORT_ARTIFACT_CORRUPT" });
});

test("many who put the same package together in one directory at once all get it whole", async () => {
  await using workshop = await openWorkshop();
  const { database, folder } = workshop;
  await workshop.registry.register("late", await workshop.pack("one"));
  const directory = join(folder, "shared");
  for (let round = 0; round < 5; round += 1) {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    // Registries of their own, as in processes of their own.
    const registries = await Promise.all(
      Array.from({ length: 4 }, async () =>
        openRegistry({ database, artifacts: await openDirectoryArtifactStore(join(folder, "artifacts")), directory }),
      ),
    );
    const resolved = await Promise.all(registries.map((registry) => registry.resolve("late/1")));
    expect(new Set(resolved.map((model) => model.directory)).size).toBe(1);
    expect(await readdir(directory)).toHaveLength(1);
  }
});
