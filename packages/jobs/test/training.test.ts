import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { digestOf, type EventDraft } from "@millwright/contracts";
import { runTraining, type TrainingResult, type TrainingSpec } from "@millwright/jobs";
import { expect, test } from "vitest";
import { toolkitSpec } from "./sagemaker-toolkit.ts";
import { fixture, openTestJobs, temporaryFolder } from "./setting.ts";
import { node, openTrainingSetting as openSetting } from "./training-setting.ts";

const configuration = async (root: string, name: string): Promise<unknown> =>
  JSON.parse(await readFile(join(root, "input", "config", `${name}.json`), "utf8"));

test("TR-1: the three files of input/config are those of SageMaker's container", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting({ hosts: ["algo-1", "algo-2"], currentHost: "algo-2" });
  const { directory } = setting.spec;
  const hyperparameters = { epochs: 40, rate: 1e-7, name: "adam", nested: { units: [64, 32] }, flag: true };
  await runTraining(opened.jobs, { ...setting.spec, hyperparameters, instanceType: "ml.g5.xlarge" });
  expect(await configuration(directory, "hyperparameters")).toEqual({
    epochs: "40",
    rate: "1e-7",
    name: "adam",
    nested: '{"units":[64,32]}',
    flag: "true",
  });
  const other = { TrainingInputMode: "File", S3DistributionType: "FullyReplicated", RecordWrapperType: "None" };
  expect(await configuration(directory, "inputdataconfig")).toEqual({
    train: { ContentType: "text/csv", ...other },
    test: other,
  });
  expect(await configuration(directory, "resourceconfig")).toEqual({
    current_host: "algo-2",
    current_instance_type: "ml.g5.xlarge",
    current_group_name: "homogeneousCluster",
    hosts: ["algo-1", "algo-2"],
    instance_groups: [
      {
        instance_group_name: "homogeneousCluster",
        instance_type: "ml.g5.xlarge",
        hosts: ["algo-1", "algo-2"],
      },
    ],
    network_interface_name: "eth0",
  });
  expect((await readdir(directory)).toSorted()).toEqual(
    ["begun.json", "checkpoints", "code", "input", "model", "output", "staged.json", "training.json"].toSorted(),
  );
  expect(await readdir(join(directory, "output"))).toEqual(["data"]);
  expect(await readdir(join(directory, "input", "data", "train"))).toEqual(["rows.csv"]);
});

test("TR-1: a job is told what sagemaker-training 5.1.4 was recorded to tell a script", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  const script = join(setting.folder.path, "dump.cjs");
  const told = "{ variables: process.env, arguments: process.argv.slice(2) }";
  await writeFile(script, `require("node:fs").writeFileSync("../model/told.json", JSON.stringify(${told}))`);
  const channels = { ...setting.spec.channels, "validation-2": { path: script } };
  const run = { script, interpreter: [process.execPath] } as const;
  const result = await runTraining(opened.jobs, { ...setting.spec, ...toolkitSpec, id: "told", run, channels });
  expect(result).toMatchObject({ state: "completed" });
  const root = setting.spec.directory;
  const text = await readFile(join(root, "model", "told.json"), "utf8");
  const { variables, arguments: given } = JSON.parse(text.replaceAll(root, "/opt/ml")) as typeof recorded;
  const own = Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith("SM_")));
  const recorded = JSON.parse(await readFile(new URL(fixture("sagemaker/toolkit.json")), "utf8")) as {
    readonly variables: Readonly<Record<string, string>>;
    readonly arguments: readonly string[];
  };
  expect(own).toEqual(recorded.variables);
  expect(given).toEqual(recorded.arguments);
  expect(variables).toMatchObject({
    TRAINING_JOB_NAME: "told",
    TRAINING_JOB_ARN: "arn:aws:sagemaker:local:000000000000:training-job/told",
    SAGEMAKER_BASE_DIR: "/opt/ml",
    CURRENT_HOST: "algo-2",
  });
});

test("TR-2: a non-zero exit is failed, with the first 1,024 characters of output/failure and the exit code", async () => {
  await using opened = await openTestJobs();
  const text = Array.from({ length: 5_000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join("");
  await using setting = await openSetting({
    run: node(`fs.writeFileSync(at + "/output/failure", ${JSON.stringify(text)}); process.exit(3)`),
  });
  const result = await runTraining(opened.jobs, setting.spec);
  expect(result).toMatchObject({ state: "failed", exitCode: 3, failureReason: text.slice(0, 1_024) });
  expect(result.failureReason).toHaveLength(1_024);
});

test("TR-2: exit code 0 is completed, whatever is in output/failure; a failure without a file says the exit code", async () => {
  await using opened = await openTestJobs();
  await using good = await openSetting({ run: node(`fs.writeFileSync(at + "/output/failure", "no")`) });
  expect(await runTraining(opened.jobs, good.spec)).toMatchObject({ state: "completed", exitCode: 0 });
  await using silent = await openSetting({ id: "silent", run: node("process.exit(9)") });
  expect(await runTraining(opened.jobs, silent.spec)).toMatchObject({
    state: "failed",
    exitCode: 9,
    failureReason: "The process ended with exit code 9.",
  });
});

test("secrets are masked in the failure, and the failure of an earlier attempt is not the last one's", async () => {
  await using opened = await openTestJobs();
  await using masked = await openSetting({
    run: node(`fs.writeFileSync(at + "/output/failure", "token " + process.env.API_TOKEN); process.exit(1)`),
    environment: { API_TOKEN: "s3cr3t-value" },
  });
  expect((await runTraining(opened.jobs, masked.spec)).failureReason).toBe("token ***");
  const first = `process.env.MILLWRIGHT_JOB_ATTEMPT === "1"`;
  await using stale = await openSetting({
    id: "stale",
    retries: 1,
    run: node(`if (${first}) { fs.writeFileSync(at + "/output/failure", "first"); process.exit(75); } process.exit(4)`),
  });
  await using slow = await openTestJobs({ retryDelayMs: 200 });
  expect(await runTraining(slow.jobs, stale.spec)).toMatchObject({
    attempts: 2,
    exitCode: 4,
    failureReason: "The process ended with exit code 4.",
  });
});

test("a module is given its folders and hyperparameters; lineage says what was made from what", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting({ run: { module: fixture("trains.js") } });
  const told: EventDraft[] = [];
  const append = async (drafts: readonly EventDraft[]): Promise<[]> => {
    told.push(...drafts);
    return [];
  };
  const result = await runTraining(opened.jobs, setting.spec, { events: { append } });
  expect(result).toMatchObject({ state: "completed", value: { folders: [0, 0] } });
  const points = result.metrics["loss"]!.map(({ value, step, epoch }) => [value, step, epoch]);
  expect(points).toEqual([
    [0.5, 0, 1],
    [NaN, 1, 1],
    [Infinity, 2, 1],
  ]);
  expect(await runTraining(opened.jobs, setting.spec)).toEqual(result);
  const model = JSON.parse(await readFile(join(setting.spec.directory, "model", "model.json"), "utf8")) as object;
  expect(model).toEqual({ files: ["rows.csv"], hyperparameters: setting.spec.hyperparameters });
  expect(result.code).toBe(digestOf(readFileSync(new URL(fixture("trains.js")))));
  const digest = result.model.files[0]!.digest;
  expect(told).toMatchObject([
    { type: "job.processed", data: { made: [{ kind: "artifact", id: digest, name: "model/model.json" }] } },
  ]);
  expect(JSON.stringify(told)).toContain(result.channels["train"]!.files[0]!.digest);
});

test("a job of a fixed path finds it for as long as it runs, and nobody else has it meanwhile", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  const linkedAs = join(setting.folder.path, "opt-ml");
  const run: TrainingSpec["run"] = {
    command: [
      process.execPath,
      "-e",
      `require("node:fs").writeFileSync(${JSON.stringify(join(linkedAs, "model", "a"))}, process.env.SM_MODEL_DIR)`,
    ],
  };
  const result = await runTraining(opened.jobs, { ...setting.spec, run, linkedAs });
  expect(result).toMatchObject({ state: "completed", model: { files: [{ path: "a" }] } });
  expect(await readFile(join(setting.spec.directory, "model", "a"), "utf8")).toBe(join(linkedAs, "model"));
  expect(existsSync(linkedAs)).toBe(false);
  await symlink(setting.folder.path, linkedAs, "junction");
  await expect(
    runTraining(opened.jobs, { ...setting.spec, id: "second", directory: join(setting.folder.path, "2"), linkedAs }),
  ).rejects.toMatchObject({ code: "JOBS_LINK_TAKEN", message: expect.stringContaining(linkedAs) });
  expect(await readlink(linkedAs)).toBe(setting.folder.path);
});

test("the shards of 1 to 7 hosts are disjoint, and together the channel", async () => {
  await using opened = await openTestJobs();
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  await mkdir(join(data, "deep"), { recursive: true });
  const all = Array.from({ length: 11 }, (_, index) => (index % 3 === 0 ? `deep/${index}.csv` : `${index}.csv`));
  for (const name of all) await writeFile(join(data, name), name);
  for (let count = 1; count <= 7; count += 1) {
    const hosts = Array.from({ length: count }, (_, index) => `algo-${index + 1}`) as [string, ...string[]];
    const shards = await Promise.all(
      hosts.map(async (currentHost): Promise<readonly string[]> => {
        const id = `${currentHost}-of-${count}`;
        const result = await runTraining(opened.jobs, {
          id,
          run: node(""),
          directory: join(folder.path, id),
          channels: { train: { path: data, distribution: "ShardedByS3Key" } },
          hosts,
          currentHost,
        });
        return result.channels["train"]!.files.map(({ path }) => path);
      }),
    );
    expect(shards.flat().toSorted()).toEqual(all.toSorted());
    const sizes = shards.map(({ length }) => length);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  }
});

test("archives hold what the folders hold, byte for byte the same for the same files", async () => {
  await using opened = await openTestJobs();
  const long = `${"deep/".repeat(30)}größe.txt`;
  const run = node(`fs.mkdirSync(at + "/model/${"deep/".repeat(30)}", { recursive: true });
    fs.writeFileSync(at + "/model/${long}", "x".repeat(1000)); fs.writeFileSync(at + "/model/a.txt", "a"); fs.writeFileSync(at + "/output/data/b.txt", "b")`);
  await using one = await openSetting({ id: "one", run, archive: true });
  await using two = await openSetting({ id: "two", run, archive: true });
  const results = [await runTraining(opened.jobs, one.spec), await runTraining(opened.jobs, two.spec)];
  const [first, second] = results.map(({ archives }) => gunzipSync(readFileSync(archives!.model)));
  expect(first!.equals(second!)).toBe(true);
  expect(first!.length % 512).toBe(0);
  expect(results[0]!.archives).toEqual({
    model: join(one.spec.directory, "model.tar.gz"),
    outputData: join(one.spec.directory, "output.tar.gz"),
  });
  const list = spawn("tar", ["-tzvf", results[0]!.archives!.model], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
  let listed = "";
  for await (const chunk of list.stdout) listed += String(chunk);
  expect(listed).toContain(" a.txt");
  expect(listed).toMatch(/1000 .*deep\/gr/);
});

test("run again, an ended job gives its result, and a directory that holds another job is refused", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  const first = await runTraining(opened.jobs, setting.spec);
  expect(await runTraining(opened.jobs, setting.spec)).toEqual(first);
  const kept = JSON.parse(await readFile(join(setting.spec.directory, "training.json"), "utf8")) as object;
  expect((kept as { result: TrainingResult }).result).toEqual(first);
  await expect(runTraining(opened.jobs, { ...setting.spec, hyperparameters: { epochs: 1 } })).rejects.toMatchObject({
    code: "JOBS_DIRECTORY_TAKEN",
  });
});

test("a directory with somebody else's files in the folders of a training job is refused, and left as it is", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  await mkdir(join(setting.spec.directory, "model"), { recursive: true });
  await writeFile(join(setting.spec.directory, "model", "precious.bin"), "weights");
  await expect(runTraining(opened.jobs, setting.spec)).rejects.toMatchObject({ code: "JOBS_DIRECTORY_TAKEN" });
  expect(await readFile(join(setting.spec.directory, "model", "precious.bin"), "utf8")).toBe("weights");
});

test("wrong specs are refused by name before anything is copied", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  const refused = async (more: Partial<TrainingSpec>): Promise<unknown> =>
    runTraining(opened.jobs, { ...setting.spec, ...more }).then(
      () => "accepted",
      (error: { code?: string }) => error.code,
    );
  expect(await refused({ channels: { "../up": { path: "x" } } })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ hyperparameters: { "two words\0": 1 } })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ hyperparameters: { "a=b": 1 } })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ hosts: ["a", "a"] })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ currentHost: "algo-9" })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ directory: "" })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ run: { script: "" } })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ run: { script: "../train.py", sourceDirectory: "." } })).toBe("JOBS_SPEC_INVALID");
  expect(existsSync(setting.spec.directory)).toBe(false);
  expect(await refused({ channels: { train: { path: join(setting.folder.path, "nowhere") } } })).toBe(
    "JOBS_INPUT_MISSING",
  );
});
