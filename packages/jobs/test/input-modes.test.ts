import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { runTraining, type TrainingChannel, type TrainingResult, type TrainingSpec } from "@millwright/jobs";
import { expect, test } from "vitest";
import { FifoStock } from "../src/channels/fifo.ts";
import { itemsOf } from "../src/channels/listing.ts";
import { bytesOf } from "../src/channels/stream.ts";
import { openTestJobs } from "./setting.ts";
import { node, openTrainingSetting } from "./training-setting.ts";

const noFifos = process.platform === "win32";
const why = "Windows has no FIFOs";
const old = new Date(1_000_000_000_000);

type Setting = Awaited<ReturnType<typeof openTrainingSetting>>;

/** A setting with a folder of small files, by name. */
async function openFiles(files: Readonly<Record<string, string | Buffer>>) {
  const setting = await openTrainingSetting();
  const source = join(setting.folder.path, "source");
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(source, name, ".."), { recursive: true });
    await writeFile(join(source, name), content);
  }
  return { ...setting, source };
}

async function train(
  setting: Setting,
  train: TrainingChannel,
  script: string,
  more: Partial<TrainingSpec> = {},
): Promise<TrainingResult> {
  await using opened = await openTestJobs();
  return await runTraining(opened.jobs, { ...setting.spec, run: node(script), channels: { train }, ...more });
}

/** What the job wrote as JSON into its output. */
const told = async (setting: Setting, name = "told"): Promise<unknown> =>
  JSON.parse(await readFile(join(setting.spec.directory, "output", "data", name), "utf8"));

const tell = `const tell = (value) => fs.writeFileSync(at + "/output/data/told", JSON.stringify(value));
  const channel = process.env.SM_CHANNEL_TRAIN;`;
const letters = Object.fromEntries("abcdefghij".split("").map((name) => [`${name}.txt`, name.repeat(3)]));

test("TR-4: a pipe delivers each epoch once, for as many as are opened, and what is not opened keeps nobody", async ({
  skip,
}) => {
  skip(noFifos, why);
  await using setting = await openFiles(letters);
  const script = `${tell} const epochs = [];
    for (let epoch = 0; epoch < 40; epoch += 1) {
      epochs.push(fs.readFileSync(channel + "_" + epoch, "utf8"));
      // The one that was read is gone: nobody gets it a second time.
      const until = Date.now() + 5000;
      while (fs.existsSync(channel + "_" + epoch)) if (Date.now() > until) throw new Error("Epoch " + epoch + " is there again.");
    }
    tell({ epochs, next: fs.existsSync(channel + "_40"), later: fs.existsSync(channel + "_41") });`;
  const result = await train(setting, { path: setting.source, inputMode: "Pipe" }, script);
  expect(result).toMatchObject({ state: "completed" });
  expect(await told(setting)).toEqual({
    epochs: Array(40).fill(Object.values(letters).join("")),
    next: true,
    later: false,
  });
  // Nothing of the pipes is left, and what the job was given is known by name and size.
  expect(await readdir(join(setting.spec.directory, "input", "data"))).toEqual([]);
  expect(existsSync(join(setting.spec.directory, "input", ".fifos"))).toBe(false);
  expect(result.channels["train"]?.linked?.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual(
    Object.keys(letters).map((name) => [name, 3]),
  );
  const config = JSON.parse(
    await readFile(join(setting.spec.directory, "input", "config", "inputdataconfig.json"), "utf8"),
  ) as object;
  expect(config).toMatchObject({ train: { TrainingInputMode: "Pipe", RecordWrapperType: "None" } });
});

test("TR-4: FastFile opens the files that the job opens, and no others", async ({ skip }) => {
  await using setting = await openFiles({ ...letters, "deep/er/k.txt": "kkk" });
  const touched = join(setting.source, "c.txt");
  const untouched = join(setting.source, "d.txt");
  // So large that whoever copies or digests it is found out, on a disk that does not have it.
  const huge = join(setting.source, "huge.bin");
  await writeFile(huge, "");
  await truncate(huge, 2 ** 40);
  const probe = join(setting.folder.path, "probe");
  await writeFile(probe, "x");
  for (const path of [touched, untouched, huge, probe]) await utimes(path, new Date(0), old);
  await readFile(probe);
  skip((await stat(probe)).atimeMs === 0, "this file system does not keep when files are read");
  const script = `${tell} tell({ c: fs.readFileSync(channel + "/c.txt", "utf8"), names: fs.readdirSync(channel), deep: fs.existsSync(channel + "/deep/er/k.txt") });`;
  const result = await train(setting, { path: setting.source, inputMode: "FastFile" }, script);
  expect(result).toMatchObject({ state: "completed" });
  expect(await told(setting)).toEqual({
    c: "ccc",
    names: [...Object.keys(letters), "deep", "huge.bin"].toSorted(),
    deep: true,
  });
  expect((await stat(touched)).atimeMs).toBeGreaterThan(0);
  expect((await stat(untouched)).atimeMs).toBe(0);
  expect((await stat(huge)).atimeMs).toBe(0);
  expect(await readlink(join(setting.spec.directory, "input", "data", "train", "c.txt"))).toBe(touched);
  const { files, linked } = result.channels["train"] ?? {};
  expect(files).toEqual([]);
  expect(linked).toContainEqual({ path: "c.txt", sizeBytes: 3, modifiedMs: old.getTime() });
});

test("a pipe that is shuffled has another order in each epoch, and the same orders again with the same seed", async ({
  skip,
}) => {
  skip(noFifos, why);
  const script = `${tell} tell([0, 1, 2, 3].map((epoch) => fs.readFileSync(channel + "_" + epoch, "utf8")));`;
  const epochsOf = async (seed: number): Promise<readonly string[]> => {
    await using setting = await openFiles(letters);
    await train(setting, { path: setting.source, inputMode: "Pipe", shuffle: { seed } }, script);
    return (await told(setting)) as readonly string[];
  };
  const [first, again, other] = await Promise.all([epochsOf(7), epochsOf(7), epochsOf(8)]);
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  expect(new Set(first).size).toBe(4);
  for (const epoch of first) expect(epoch.match(/.{3}/g)?.toSorted().join("")).toBe(Object.values(letters).join(""));
});

test("a reader that closes early, or reads slowly, costs neither memory nor the next epoch", async ({ skip }) => {
  skip(noFifos, why);
  await using setting = await openFiles({ "zeros.bin": "" });
  const bytes = 192 * 1024 * 1024;
  await truncate(join(setting.source, "zeros.bin"), bytes);
  const script = `${tell} (async () => {
      const early = fs.openSync(channel + "_0", "r");
      const first = fs.readSync(early, Buffer.alloc(65536));
      await new Promise((resolve) => setTimeout(resolve, 500));
      fs.closeSync(early);
      let all = 0;
      for await (const chunk of fs.createReadStream(channel + "_1", { highWaterMark: 1 << 20 })) all += chunk.length;
      tell({ first: first > 0, all });
    })();`;
  const beforeBytes = process.memoryUsage.rss();
  let mostBytes = 0;
  const timer = setInterval(() => (mostBytes = Math.max(mostBytes, process.memoryUsage.rss())), 20);
  const result = await train(setting, { path: setting.source, inputMode: "Pipe" }, script);
  clearInterval(timer);
  expect(result).toMatchObject({ state: "completed" });
  expect(await told(setting)).toEqual({ first: true, all: bytes });
  expect(mostBytes - beforeBytes).toBeLessThan(bytes / 2);
});

test("an attempt that is tried again begins with epoch 0 again", async ({ skip }) => {
  skip(noFifos, why);
  await using setting = await openFiles(letters);
  const script = `${tell} const second = fs.existsSync(at + "/checkpoints/first");
    const epochs = (second ? [0, 1, 2] : [0, 1]).map((epoch) => fs.readFileSync(channel + "_" + epoch, "utf8").length);
    fs.writeFileSync(at + "/checkpoints/first", "");
    if (!second) process.exit(75);
    tell(epochs);`;
  const result = await train(setting, { path: setting.source, inputMode: "Pipe" }, script, { retries: 1 });
  expect(result).toMatchObject({ state: "completed", attempts: 2 });
  expect(await told(setting)).toEqual([30, 30, 30]);
});

test("a file that is gone when its turn comes fails the job: an end that comes too soon is not taken for the end", async ({
  skip,
}) => {
  skip(noFifos, why);
  await using setting = await openFiles(letters);
  const script = `${tell} fs.readFileSync(channel + "_0"); fs.rmSync(${JSON.stringify(join(setting.source, "e.txt"))});
    fs.readFileSync(channel + "_1"); setTimeout(() => {}, 60000);`;
  const limits = { graceMs: 200 };
  const result = await train(setting, { path: setting.source, inputMode: "Pipe" }, script, { limits });
  expect(result).toMatchObject({ state: "failed", failureCategory: "data" });
  expect(result.failureReason).toContain("e.txt");
});

/** The payloads of a stream of RecordIO. */
function recordsIn(stream: Buffer): readonly string[] {
  const records: string[] = [];
  for (let at = 0; at < stream.length;) {
    expect(stream.readUInt32LE(at)).toBe(0xced7230a);
    const length = stream.readUInt32LE(at + 4);
    records.push(stream.subarray(at + 8, at + 8 + length).toString());
    at += 8 + 4 * Math.ceil(length / 4);
  }
  return records;
}

test("records of an augmented manifest are sent with the attributes that were asked for, files in place of references", async ({
  skip,
}) => {
  skip(noFifos, why);
  await using setting = await openFiles({
    "images/1.jpg": "first image",
    "images/2.jpg": "second",
    "labels.manifest": [
      `{"image-ref": "s3://bucket/foo/1.jpg", "is-a-cat": 1, "metadata": {"by": "me"}}`,
      "",
      `{"metadata": {}, "is-a-cat": "no", "image-ref": "images/2.jpg"}`,
    ].join("\n"),
  });
  const script = `${tell} for (const epoch of [0, 1])
    fs.writeFileSync(at + "/output/data/" + epoch, fs.readFileSync(channel + "_" + epoch));`;
  const channel = {
    path: join(setting.source, "labels.manifest"),
    dataType: "AugmentedManifestFile",
    attributeNames: ["image-ref", "is-a-cat"],
    locations: { "s3://bucket/foo/": join(setting.source, "images"), "s3://bucket/": "/nowhere" },
    inputMode: "Pipe",
  } as const;
  await train(setting, { ...channel, recordWrapper: "RecordIO" }, script);
  const output = join(setting.spec.directory, "output", "data");
  for (const epoch of ["0", "1"])
    expect(recordsIn(await readFile(join(output, epoch)))).toEqual(["first image", "1", "second", "no"]);
  await using bare = await openTrainingSetting();
  await train(bare, channel, script);
  expect(await readFile(join(bare.spec.directory, "output", "data", "0"), "utf8")).toBe("first image1secondno");
});

test("files of a pipe are made records, and expanded", async ({ skip }) => {
  skip(noFifos, why);
  await using setting = await openFiles({
    "a.gz": gzipSync("alpha"),
    "b.gz": gzipSync("beta, and more of it"),
    "c.gz": gzipSync(""),
  });
  const script = `${tell} fs.writeFileSync(at + "/output/data/0", fs.readFileSync(channel + "_0"));`;
  const channel = { path: setting.source, inputMode: "Pipe", compression: "Gzip" } as const;
  await train(setting, { ...channel, recordWrapper: "RecordIO" }, script);
  const stream = await readFile(join(setting.spec.directory, "output", "data", "0"));
  expect(recordsIn(stream)).toEqual(["alpha", "beta, and more of it", ""]);
  await using plain = await openTrainingSetting();
  await train(plain, channel, script);
  expect(await readFile(join(plain.spec.directory, "output", "data", "0"), "utf8")).toBe("alphabeta, and more of it");
});

test("channels that cannot be are refused before anything is done", async () => {
  await using setting = await openFiles({
    "no-array.json": "{}",
    "up.json": `[{"prefix": "x/"}, "../y"]`,
    "elsewhere.json": `[{"prefix": "s3://bucket/"}, "y"]`,
    "gone.json": `[{"prefix": "gone/"}, "y"]`,
    "twice.json": `[{"prefix": ""}, "a", "a"]`,
    "line.manifest": `{"a": 1}\n[]\n`,
    "lacks.manifest": `{"a": 1}\n`,
  });
  const codeOf = async (train: object, others: object = {}): Promise<unknown> => {
    await using opened = await openTestJobs();
    const channels = { train, ...others } as Readonly<Record<string, TrainingChannel>>;
    return await runTraining(opened.jobs, { ...setting.spec, channels }).catch(
      (error: { readonly code?: string }) => error.code,
    );
  };
  const at = (name: string, more: object): object => ({ path: join(setting.source, name), ...more });
  const manifest = { dataType: "ManifestFile" };
  const augmented = { dataType: "AugmentedManifestFile", inputMode: "Pipe" };
  const cases: readonly (readonly [string, object])[] = [
    ["JOBS_SPEC_INVALID", at("", { inputMode: "Stream" })],
    ["JOBS_SPEC_INVALID", at("", { recordWrapper: "RecordIO" })],
    ["JOBS_SPEC_INVALID", at("", { shuffle: { seed: 1 } })],
    ["JOBS_SPEC_INVALID", at("", { inputMode: "Pipe", shuffle: { seed: 0.5 } })],
    ["JOBS_SPEC_INVALID", at("", { inputMode: "FastFile", compression: "Gzip" })],
    ["JOBS_SPEC_INVALID", at("lacks.manifest", { dataType: "AugmentedManifestFile", attributeNames: ["a"] })],
    ["JOBS_SPEC_INVALID", at("lacks.manifest", augmented)],
    ["JOBS_SPEC_INVALID", at("", { attributeNames: ["a"] })],
    ["JOBS_MANIFEST_INVALID", at("no-array.json", manifest)],
    ["JOBS_MANIFEST_INVALID", at("up.json", manifest)],
    ["JOBS_MANIFEST_INVALID", at("elsewhere.json", manifest)],
    ["JOBS_MANIFEST_INVALID", at("twice.json", manifest)],
    ["JOBS_INPUT_MISSING", at("gone.json", manifest)],
    ["JOBS_INPUT_MISSING", at("none.json", manifest)],
    ["JOBS_INPUT_MISSING", at("none-of-these", { dataType: "S3Prefix" })],
    ["JOBS_MANIFEST_INVALID", at("line.manifest", { ...augmented, attributeNames: ["a"] })],
    ["JOBS_MANIFEST_INVALID", at("lacks.manifest", { ...augmented, attributeNames: ["b"] })],
  ];
  for (const [code, channel] of cases) {
    if (noFifos && "inputMode" in channel && channel.inputMode === "Pipe") continue;
    await rm(setting.spec.directory, { recursive: true, force: true });
    expect(await codeOf(channel), JSON.stringify(channel)).toBe(code);
  }
  if (!noFifos) expect(await codeOf(at("", { inputMode: "Pipe" }), { train_0: at("", {}) })).toBe("JOBS_SPEC_INVALID");
});

test("a file of a pipe that has become shorter, and a machine without mkfifo, are told by their codes", async ({
  skip,
}) => {
  skip(noFifos, why);
  await using setting = await openFiles(letters);
  const items = await itemsOf("train", { path: setting.source });
  await truncate(join(setting.source, "b.txt"), 1);
  const sent = (async () => {
    for await (const _ of bytesOf(items, {}));
  })();
  await expect(sent).rejects.toMatchObject({ code: "JOBS_CHANNEL_BROKEN", category: "data" });
  const path = process.env["PATH"];
  process.env["PATH"] = "";
  try {
    const filled = new FifoStock(join(setting.folder.path, "fifos"), 1).fill(1);
    await expect(filled).rejects.toMatchObject({ code: "JOBS_INPUT_MODE_UNSUPPORTED", category: "user" });
  } finally {
    process.env["PATH"] = path;
  }
});
