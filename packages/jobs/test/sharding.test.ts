import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { type Jobs, runTraining, type TrainingChannel } from "@millwright/jobs";
import { expect, test } from "vitest";
import { placesOf } from "../src/channels/shares.ts";
import { openTestJobs, temporaryFolder } from "./setting.ts";
import { node } from "./training-setting.ts";

const noFifos = process.platform === "win32";
const hostsOf = (count: number): readonly [string, ...string[]] => [
  "algo-1",
  ...Array.from({ length: count - 1 }, (_, index) => `algo-${index + 2}`),
];

/** A folder of 17 files in folders, a manifest of 13 of them, and an augmented one of 11 records. */
async function openData() {
  const folder = await temporaryFolder();
  const names = Array.from({ length: 17 }, (_, index) => `part-${index % 3}/rows-${index * 7}.csv`);
  for (const name of names) {
    await mkdir(join(folder.path, "data", name, ".."), { recursive: true });
    await writeFile(join(folder.path, "data", name), `${name}\n`);
  }
  const listed = names.slice(2, 15);
  await writeFile(join(folder.path, "some.manifest"), JSON.stringify([{ prefix: "data/" }, ...listed]));
  const records = Array.from({ length: 11 }, (_, id) => ({ id, "row-ref": `data/${names[id]}` }));
  await writeFile(join(folder.path, "augmented.manifest"), records.map((record) => JSON.stringify(record)).join("\n"));
  return { path: folder.path, names, listed, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

const filesIn = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    );

/** What each host of a training finds in its channel. */
async function staged(
  jobs: Jobs,
  root: string,
  count: number,
  channel: TrainingChannel,
): Promise<readonly (readonly string[])[]> {
  const hosts = hostsOf(count);
  return Promise.all(
    hosts.map(async (currentHost) => {
      const id = `${currentHost}-of-${count}-${channel.dataType}-${channel.inputMode}`;
      const directory = join(root, id);
      await runTraining(jobs, {
        id,
        run: { command: [process.execPath, "-e", ""] },
        directory,
        channels: { train: channel },
        hosts,
        currentHost,
      });
      return filesIn(join(directory, "input", "data", "train"));
    }),
  );
}

/** Nothing twice, nothing missing, and no host with two more than another. */
function expectPartition(shards: readonly (readonly string[])[], whole: readonly string[]): void {
  expect(shards.flat().toSorted()).toEqual(whole.toSorted());
  const sizes = shards.map(({ length }) => length);
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
}

test(
  "TR-5: for 1 to 7 workers the shards of a prefix and of a manifest have nothing in common, and together are everything",
  { timeout: 600_000 },
  async () => {
    await using data = await openData();
    await using opened = await openTestJobs({ maxCpus: 8 });
    for (let count = 1; count <= 7; count += 1) {
      const prefix = { path: join(data.path, "data"), dataType: "S3Prefix", distribution: "ShardedByS3Key" } as const;
      expectPartition(await staged(opened.jobs, data.path, count, prefix), data.names);
      const manifest = {
        path: join(data.path, "some.manifest"),
        dataType: "ManifestFile",
        distribution: "ShardedByS3Key",
        inputMode: "FastFile",
      } as const;
      expectPartition(await staged(opened.jobs, data.path, count, manifest), data.listed);
    }
    const whole = { path: join(data.path, "some.manifest"), dataType: "ManifestFile" } as const;
    for (const shard of await staged(opened.jobs, data.path, 3, whole))
      expect(shard.toSorted()).toEqual(data.listed.toSorted());
  },
);

test(
  "TR-5: records of an augmented manifest are shared out among workers in every epoch, shuffled or not",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(noFifos, "Windows has no FIFOs");
    await using data = await openData();
    await using opened = await openTestJobs({ maxCpus: 8 });
    const script = `for (const epoch of [0, 1, 2]) fs.writeFileSync(at + "/output/data/" + epoch, fs.readFileSync(process.env.SM_CHANNEL_TRAIN + "_" + epoch));`;
    const channel: TrainingChannel = {
      path: join(data.path, "augmented.manifest"),
      dataType: "AugmentedManifestFile",
      attributeNames: ["id", "row-ref"],
      distribution: "ShardedByS3Key",
      inputMode: "Pipe",
      shuffle: { seed: 3 },
    };
    const whole = Array.from({ length: 11 }, (_, id) => `${id}${data.names[id]}`);
    for (const count of [1, 2, 5, 7]) {
      const hosts = hostsOf(count);
      const read = await Promise.all(
        hosts.map(async (currentHost) => {
          const id = `${currentHost}-of-${count}`;
          const directory = join(data.path, id);
          await runTraining(opened.jobs, {
            id,
            run: node(script),
            directory,
            channels: { train: channel },
            hosts,
            currentHost,
          });
          const epochs = [0, 1, 2].map((epoch) => readFile(join(directory, "output", "data", String(epoch)), "utf8"));
          return (await Promise.all(epochs)).map((text) => text.split("\n").slice(0, -1));
        }),
      );
      for (const epoch of [0, 1, 2])
        expectPartition(
          read.map((epochs) => epochs[epoch] ?? []),
          whole,
        );
      if (count > 1) expect(read[0]?.[1]).not.toEqual(read[0]?.[0]);
    }
  },
);

test("a prefix is the beginning of paths, and a file or a folder too", async () => {
  await using data = await openData();
  await using opened = await openTestJobs();
  const find = async (path: string): Promise<readonly string[]> => {
    const channel = { path: join(data.path, path), dataType: "S3Prefix" } as const;
    const [found = []] = await staged(opened.jobs, join(data.path, path.replaceAll("/", "-")), 1, channel);
    return found.toSorted();
  };
  expect(await find("data/part-1/rows-7.csv")).toEqual(["rows-7.csv"]);
  expect(await find("data/part-1/rows-7")).toEqual(["rows-7.csv", "rows-70.csv"]);
  expect(await find("data/part-")).toEqual(data.names.toSorted());
});

test("shares are a partition for any number of files, workers, seeds and epochs", () => {
  const random = createRandom(5);
  for (let round = 0; round < 300; round += 1) {
    const length = random.integer(60);
    const count = 1 + random.integer(7);
    const seed = random.next() < 0.3 ? undefined : random.integer(1_000);
    const epoch = random.integer(50);
    const shards = Array.from({ length: count }, (_, index) => placesOf(length, { index, count, seed }, epoch));
    expect(shards.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length }, (_, place) => place));
  }
});
