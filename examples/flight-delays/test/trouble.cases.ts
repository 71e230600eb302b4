import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fewest, forget, runJob, startJob, temporaryFolder } from "./job-process.ts";

type Copy = (name: string) => Promise<string>;

const fromFeatures = ["features", "leakage", "tune", "train", "register", "replay", "end"];

/** Files that each break in a way that is told, and that the next start mends by beginning anew. */
const damages = [
  {
    name: "flights.parquet torn",
    forget: fromFeatures,
    damage: (folder: string) => truncate(join(folder, "flights.parquet"), 100_000),
    says: /DUCKDB_FILE_CORRUPT: .*flights\.parquet/,
  },
  {
    name: "a file of the feature history torn",
    forget: fromFeatures,
    // A day that every training set reads.
    damage: async (folder: string) =>
      truncate(await firstIn(join(folder, "features", "origin", "ds=2001-02-01"), ".parquet"), 1_000),
    says: /FEATURE_STORE_HISTORY_CORRUPT: .*origin.*1000 bytes/,
  },
  {
    name: "a training set torn",
    forget: ["tune", "train", "register", "replay", "end"],
    damage: (folder: string) => truncate(join(folder, "train.parquet"), 100_000),
    says: /DUCKDB_FILE_CORRUPT: .*train\.parquet/,
  },
  {
    name: "millwright.db overwritten",
    forget: ["register", "replay", "end"],
    damage: (folder: string) => writeFile(join(folder, "millwright.db"), Buffer.alloc(100_000, "garbage")),
    says: /STORAGE_FILE_CORRUPT: .*millwright\.db/,
  },
  {
    name: "the champion's files changed on disk, in the cache and in the artifact store",
    forget: ["replay", "end"],
    damage: async (folder: string) => {
      for (const below of ["models", "artifacts"]) {
        for (const file of await filesIn(join(folder, below))) await spoil(file);
      }
    },
    says: /PORT_(ARTIFACT|MODEL)_CORRUPT: .*sha256:/,
  },
];

/** What is broken in a folder while no run is in it, or while another is. */
export function trouble({ copy }: { readonly copy: Copy }): void {
  for (const { name, forget: stages, damage, says } of damages) {
    test(`${name}: said by its code, and the next start begins anew`, async () => {
      const folder = await copy("broken");
      const args = [...fewest, "--output", folder];
      await forget(folder, ...stages);
      await damage(folder);
      const { status, output } = await runJob(args);
      expect(status, output).toBe(1);
      expect(output).toMatch(says);
      expect(output).toContain(`What ${folder} holds is of no more use: the next start begins anew.`);
      expect(output).not.toMatch(/^\s+at /m);
      await using again = startJob(args);
      // Everything is open by then, and the history takes rows again.
      await again.seen(/^ {3}origin: [\d,]+ outcomes$/m);
      expect(again.output()).toMatch(/^1\. .*\n(?!.*done before)/);
      again.interrupt();
      expect((await again.ended).status).toBe(130);
    }, 300_000);
  }

  test("a stages.json that is no JSON is said, and the run begins anew", async () => {
    const folder = await copy("broken");
    await truncate(join(folder, "stages.json"), 1_000);
    await using job = startJob([...fewest, "--output", folder]);
    await job.seen(/^2\. /m);
    expect(job.output()).toMatch(/stages\.json is damaged: the run begins anew\n1\. /);
    expect(await readdir(folder)).not.toContain("report.html");
    job.interrupt();
    expect((await job.ended).status).toBe(130);
  }, 300_000);

  test("a checkpoint that is torn does not stop the training from being done", async () => {
    const folder = await copy("broken");
    await forget(folder, "train", "register", "replay", "end");
    const final = join(folder, "runs", "final");
    await rm(join(final, "model"), { recursive: true, force: true });
    for (const file of await filesIn(join(final, "checkpoints"))) await truncate(file, 60);
    await using job = startJob([...fewest, "--output", folder]);
    await job.seen(/^7\. /m);
    expect(job.output()).toMatch(/on May: AUC 0\.[56789]/);
    job.interrupt();
    expect((await job.ended).status).toBe(130);
  }, 300_000);

  test("a second run in the folder of one that goes on is refused, and disturbs nothing", async () => {
    const folder = await copy("broken");
    await forget(folder, "leakage", "tune", "train", "register", "replay", "end");
    await using first = startJob([...fewest, "--output", folder]);
    await first.seen(/^4\. /m);
    // Other options would empty the folder, the same ones go on in it: neither may.
    for (const rows of ["20000", "30000"]) {
      const second = await runJob(["--rows", rows, "--output", folder]);
      expect(second.status, second.output).toBe(1);
      expect(second.output).toMatch(/^FLIGHT_DELAYS_FOLDER_IN_USE: .*--output\.\n$/);
      expect(second.output).toContain(folder);
    }
    first.interrupt();
    expect((await first.ended).status).toBe(130);
    expect(Object.keys((await stagesOf(folder)).results).slice(0, 3)).toEqual(["ingest", "features", "leakage"]);
  }, 300_000);

  test("a full disk is said, and the run goes on when there is room", async ({ skip }) => {
    await using folder = await temporaryFolder();
    const disk = join(folder.path, "disk");
    await mkdir(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], { stdio: "ignore" });
    } catch {
      skip("this process may not mount a tmpfs: run it as root on Linux");
    }
    try {
      const args = [...fewest, "--output", join(disk, "output")];
      const full = await runJob(args);
      expect(full.status, full.output).toBe(1);
      expect(full.output).toMatch(/(DUCKDB|STORAGE|FLIGHT_DELAYS)_DISK_FULL: .*\. Free disk space/);
      expect(full.output).not.toMatch(/^\s+at /m);
      execFileSync("mount", ["-o", "remount,size=64m", disk]);
      await using again = startJob(args);
      await again.seen(/^3\. /m);
      again.interrupt();
      expect((await again.ended).status).toBe(130);
    } finally {
      execFileSync("umount", [disk]);
    }
  }, 300_000);
}

const stagesOf = async (folder: string): Promise<{ readonly results: object }> =>
  JSON.parse(await readFile(join(folder, "stages.json"), "utf8")) as { results: object };

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function firstIn(folder: string, suffix: string): Promise<string> {
  const file = (await filesIn(folder)).find((path) => path.endsWith(suffix));
  if (file === undefined) throw new Error(`No ${suffix} in ${folder}.`);
  return file;
}

async function spoil(file: string): Promise<void> {
  const bytes = await readFile(file);
  // A lock has no bytes.
  if (bytes.length === 0) return;
  bytes.fill(0x78, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 4);
  await writeFile(file, bytes);
}
