import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { extractArchive, importModelArchive, signModel, verifySignature, createTrustPolicy } from "../src/index.ts";
import { newSigner, packLine } from "./signed-models.ts";

const run = promisify(execFile);
const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const hasPython = spawnSync(python, ["--version"]).status === 0 || process.env["CI"] === "true";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-real-archives-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("what Python's tarfile and zipfile write is refused where it is malicious, and extracted where it is not", async ({
  skip,
}) => {
  skip(!hasPython, `there is no ${python}; name one in MILLWRIGHT_PYTHON`);
  await run(python, [fileURLToPath(new URL("fixtures/archives.py", import.meta.url)), root]);
  const malicious = await readdir(join(root, "malicious"));
  expect(malicious.length).toBeGreaterThan(20);
  const wrong: string[] = [];
  for (const name of malicious) {
    const outcome = await extractArchive(join(root, "malicious", name), join(root, "out")).catch(
      (error: { code?: string }) => error.code,
    );
    if (typeof outcome !== "string" || !outcome.startsWith("MODEL_ARCHIVE_"))
      wrong.push(`${name}: ${JSON.stringify(outcome)}`);
  }
  expect(wrong).toEqual([]);
  expect((await readdir(root)).toSorted()).toEqual(["malicious", "plain"]);
  for (const name of await readdir(join(root, "plain"))) {
    const target = join(root, "plain-out", name);
    const { files } = await extractArchive(join(root, "plain", name), target);
    const check = `import sys, tarfile, zipfile
a = sys.argv[1]
names = [m.name for m in tarfile.open(a)] if ".tar" in a else zipfile.ZipFile(a).namelist()
print("\\n".join(names))`;
    const { stdout } = await run(python, ["-c", check, join(root, "plain", name)], {
      env: { ...process.env, PYTHONIOENCODING: "utf-8" },
    });
    expect(files.map(({ path }) => path)).toEqual(stdout.trim().split("\n"));
  }
  expect((await readFile(join(root, "plain-out", "streamed.zip", "a.txt"), "utf8")).length).toBe(3000);
}, 300_000);

const hasTar = spawnSync("tar", ["--version"]).status === 0;
const hasZip = spawnSync("zip", ["--version"]).status === 0;

async function folderOfFiles(): Promise<{ readonly folder: string; readonly files: Readonly<Record<string, Buffer>> }> {
  const folder = join(root, "files");
  const files = {
    "model.json": Buffer.from("{}"),
    "variables/weights.bin": Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 251)),
    [`deep/${"long-name-".repeat(6)}/${"folder".repeat(10)}/größe.txt`]: Buffer.from("ja"),
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return { folder, files };
}

test("what tar and zip of this machine write is extracted, byte for byte", async ({ skip }) => {
  skip(!hasTar && !hasZip, "there is neither tar nor zip on the PATH");
  const { folder, files } = await folderOfFiles();
  const commands: (readonly [string, readonly string[], string])[] = [];
  if (hasTar)
    for (const format of ["gnu", "pax", "ustar", "posix"])
      commands.push([
        "tar",
        ["-C", folder, `--format=${format}`, "-czf", join(root, `${format}.tar.gz`), "."],
        `${format}.tar.gz`,
      ]);
  if (hasTar) commands.push(["tar", ["-C", folder, "-b", "100", "-cf", join(root, "blocks.tar"), "."], "blocks.tar"]);
  if (hasZip)
    commands.push(
      ["zip", ["-q", "-r", join(root, "all.zip"), "."], "all.zip"],
      ["zip", ["-q", "-r", "-0", "-fz", join(root, "stored.zip"), "."], "stored.zip"],
    );
  for (const [command, args, name] of commands) {
    await run(command, args, { cwd: folder });
    const target = join(root, "real", name);
    await extractArchive(join(root, name), target);
    for (const [path, content] of Object.entries(files))
      expect(content.equals(await readFile(join(target, path)))).toBe(true);
  }
});

test("a package that was put into a model.tar.gz comes out as the same package, with its signatures", async ({
  skip,
}) => {
  skip(!hasTar, "there is no tar on the PATH");
  const ann = newSigner("ann");
  const trust = createTrustPolicy({ keys: [ann.trusted] });
  const directory = await packLine(join(root, "package"));
  await signModel(directory, { key: ann.privateKey });
  const archive = join(root, "model.tar.gz");
  await run("tar", ["-C", directory, "-czf", archive, "."]);
  const imported = await importModelArchive(archive, join(root, "imported"), { trust });
  expect(imported).toMatchObject({
    digest: (await verifySignature(directory, trust)).digest,
    directory: join(root, "imported"),
  });
  expect((await verifySignature(join(root, "imported"), trust)).signatures).toMatchObject([{ signer: "ann" }]);
  await expect(
    importModelArchive(archive, join(root, "other"), {
      trust: createTrustPolicy({ keys: [newSigner("ben").trusted] }),
    }),
  ).rejects.toMatchObject({
    code: "MODEL_SIGNER_UNTRUSTED",
  });
  expect((await readdir(root)).filter((name) => name.startsWith("other"))).toEqual([]);
});
