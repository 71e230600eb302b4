import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ArtifactStore, type Digest, digestOf, type EventDraft, type JobEvent } from "@millwright/contracts";
import {
  openJobs,
  type ProcessingOptions,
  type ProcessingResult,
  type ProcessingSpec,
  runProcessing,
} from "@millwright/jobs";
import { expect, test } from "vitest";
import { fixture, openTestJobs, temporaryFolder } from "./setting.ts";

const node = (script: string): ProcessingSpec["run"] => ({
  command: [
    process.execPath,
    "-e",
    `const fs = require("node:fs"); const at = process.env.MILLWRIGHT_PROCESSING_DIRECTORY; ${script}`,
  ],
});

/** A folder with a raw file in it, and the spec of a job beside it. */
async function openSetting(more: Partial<ProcessingSpec> = {}) {
  const folder = await temporaryFolder();
  await writeFile(join(folder.path, "raw.csv"), "carrier\nUA\nAA\n");
  const spec: ProcessingSpec = {
    id: "lower",
    run: node(
      `fs.writeFileSync(at + "/output/lower/data.csv", fs.readFileSync(at + "/input/raw/raw.csv", "utf8").toLowerCase())`,
    ),
    directory: join(folder.path, "anywhere", "at all"),
    inputs: { raw: { path: join(folder.path, "raw.csv") } },
    outputs: { lower: {} },
    ...more,
  };
  return { spec, folder, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

/** Bytes by digest, as far as processing needs a store of them. */
function bytesByDigest(): Pick<ArtifactStore, "put" | "open"> & { readonly bytes: Map<string, Buffer> } {
  const bytes = new Map<string, Buffer>();
  return {
    bytes,
    async put(content) {
      const chunks: Uint8Array[] = [];
      if (content instanceof Uint8Array) chunks.push(content);
      else for await (const chunk of content) chunks.push(chunk);
      const whole = Buffer.concat(chunks);
      const digest = digestOf(whole);
      bytes.set(digest, whole);
      return { digest, sizeBytes: whole.length };
    },
    async *open(digest) {
      const found = bytes.get(digest);
      if (found === undefined) throw new Error(`No bytes of ${digest}.`);
      yield found;
    },
  };
}

function eventList(): { readonly events: NonNullable<ProcessingOptions["events"]>; readonly told: EventDraft[] } {
  const told: EventDraft[] = [];
  const append: NonNullable<ProcessingOptions["events"]>["append"] = async (drafts) => {
    told.push(...drafts);
    return [];
  };
  return { events: { append }, told };
}

test("DQ-1: a child script makes its named outputs of its named inputs, with logs and lineage", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  const { events, told } = eventList();
  const artifacts = bytesByDigest();
  const seen: JobEvent[] = [];
  const run = node(
    `console.log("lowering"); fs.writeFileSync(at + "/output/lower/data.csv", fs.readFileSync(at + "/input/raw/raw.csv", "utf8").toLowerCase())`,
  );
  const result = await runProcessing(
    opened.jobs,
    { ...setting.spec, run },
    { events, artifacts, onEvent: (event) => seen.push(event) },
  );
  const [raw, lower] = [digestOf("carrier\nUA\nAA\n"), digestOf("carrier\nua\naa\n")];
  expect(result).toMatchObject({
    formatVersion: 1,
    id: "lower",
    state: "completed",
    exitCode: 0,
    attempts: 1,
    inputs: { raw: { files: [{ path: "raw.csv", digest: raw, sizeBytes: 14 }] } },
    outputs: { lower: { files: [{ path: "data.csv", digest: lower, sizeBytes: 14 }] } },
  });
  expect(seen).toContainEqual(expect.objectContaining({ kind: "log", stream: "stdout", line: "lowering" }));
  expect(seen.at(-1)).toMatchObject({ kind: "state", state: "completed" });
  expect(told).toEqual([
    {
      source: "millwright/jobs",
      type: "job.processed",
      subject: "lower",
      data: {
        made: [{ kind: "artifact", id: lower, name: "lower/data.csv" }],
        from: [
          { kind: "artifact", id: raw, name: "raw/raw.csv" },
          { kind: "code", id: result.code },
          { kind: "job", id: "lower" },
        ],
        state: "completed",
        exitCode: 0,
      },
    },
  ]);
  expect(artifacts.bytes.get(lower)?.toString()).toBe("carrier\nua\naa\n");
});

test("DQ-1: a non-zero exit is failed, with the first 1,024 characters of the failure file", async () => {
  await using opened = await openTestJobs();
  const text = Array.from({ length: 3_000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join("");
  await using setting = await openSetting({
    run: node(
      `fs.writeFileSync(process.env.MILLWRIGHT_JOB_OUTPUT + "/failure", ${JSON.stringify(text)}); process.exit(4)`,
    ),
  });
  const { events, told } = eventList();
  const result = await runProcessing(opened.jobs, setting.spec, { events });
  expect(result).toMatchObject({ state: "failed", exitCode: 4, failureReason: text.slice(0, 1_024) });
  expect(told).toMatchObject([{ data: { made: [], state: "failed", exitCode: 4 } }]);
});

test("DQ-1: a job that ends well without an output has failed, unless that output is optional", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting({ run: node("") });
  expect(await runProcessing(opened.jobs, setting.spec)).toMatchObject({
    state: "failed",
    exitCode: 0,
    failureReason: 'The output "lower" holds no file.',
  });
  const optional = {
    ...setting.spec,
    id: "optional",
    directory: join(setting.folder.path, "other"),
    outputs: { lower: { optional: true } },
  };
  expect(await runProcessing(opened.jobs, optional)).toMatchObject({
    state: "completed",
    outputs: { lower: { files: [] } },
  });
});

test("DQ-1: a module is given its folders and parameters, and its directory may be moved afterwards", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting({
    run: { module: fixture("processes.js"), parameters: { round: 2 } },
    outputs: { count: {} },
  });
  const result = await runProcessing(opened.jobs, setting.spec);
  expect(result).toMatchObject({ state: "completed", value: 3 });
  expect(result.code).toBe(digestOf(await readFile(new URL(fixture("processes.js")))));
  const moved = join(setting.folder.path, "moved");
  await rename(setting.spec.directory, moved);
  expect(JSON.parse(await readFile(join(moved, "output", "count", "count.json"), "utf8"))).toEqual({
    lines: 3,
    parameters: { round: 2 },
  });
  const kept = JSON.parse(await readFile(join(moved, "processing.json"), "utf8")) as { result: ProcessingResult };
  expect(kept.result).toEqual(result);
});

test("DQ-1: limits hold: a job over its time is ended, and says so", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting({
    run: node("setInterval(() => {}, 1000)"),
    limits: { wallTimeMs: 300, graceMs: 100 },
  });
  expect(await runProcessing(opened.jobs, setting.spec)).toMatchObject({ state: "max-runtime-exceeded" });
});

test("folders and artifacts are inputs too", async () => {
  await using opened = await openTestJobs();
  const artifacts = bytesByDigest();
  const { digest } = await artifacts.put(Buffer.from("weights"));
  await using setting = await openSetting({
    run: node(
      `fs.writeFileSync(at + "/output/list/all.json", JSON.stringify(fs.readdirSync(at + "/input", { recursive: true }).sort()))`,
    ),
    outputs: { list: {} },
  });
  const folder = join(setting.folder.path, "parts");
  await mkdir(join(folder, "deep"), { recursive: true });
  await writeFile(join(folder, "a.txt"), "a");
  await writeFile(join(folder, "deep", "b.txt"), "b");
  const spec = { ...setting.spec, inputs: { parts: { path: folder }, model: { digest, fileName: "model.bin" } } };
  const result = await runProcessing(opened.jobs, spec, { artifacts });
  expect(result.inputs["parts"]!.files.map(({ path }) => path)).toEqual(["a.txt", "deep/b.txt"]);
  expect(result.inputs["model"]!.files).toEqual([{ path: "model.bin", digest, sizeBytes: 7 }]);
  const listed = JSON.parse(await readFile(join(spec.directory, "output", "list", "all.json"), "utf8")) as string[];
  expect(listed.map((path) => path.replaceAll("\\", "/"))).toEqual([
    "model",
    "model/model.bin",
    "parts",
    "parts/a.txt",
    "parts/deep",
    "parts/deep/b.txt",
  ]);
});

test("run again, an ended job gives its result, and a directory that holds another job is refused", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  const first = await runProcessing(opened.jobs, setting.spec);
  await writeFile(join(setting.folder.path, "raw.csv"), "changed since\n");
  expect(await runProcessing(opened.jobs, setting.spec)).toEqual(first);
  await expect(runProcessing(opened.jobs, { ...setting.spec, id: "other" })).rejects.toMatchObject({
    code: "JOBS_DIRECTORY_TAKEN",
    message: expect.stringContaining(setting.spec.directory),
  });
});

test("a job whose launcher was closed in the middle goes on under the next one, with the inputs it began with", async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, "jobs");
  // The first attempt waits for ever, the second finds the mark of the first.
  const script = `const mark = at + "/output/lower/begun"; if (!fs.existsSync(mark)) { fs.writeFileSync(mark, ""); setInterval(() => {}, 1000); }
    else fs.writeFileSync(at + "/output/lower/data.csv", fs.readFileSync(at + "/input/raw/raw.csv"));`;
  await using setting = await openSetting({ run: node(script), retries: 1, limits: { graceMs: 200 } });
  const first = await openJobs({ directory, retryDelayMs: 10 });
  const left = runProcessing(first, setting.spec).catch((error: unknown) => error);
  while (!existsSync(join(setting.spec.directory, "output", "lower", "begun")))
    await new Promise((wake) => setTimeout(wake, 20));
  await first[Symbol.asyncDispose]();
  await left;
  await writeFile(join(setting.folder.path, "raw.csv"), "changed since\n");
  await using second = await openJobs({ directory, retryDelayMs: 10 });
  const result = await runProcessing(second, setting.spec);
  expect(result).toMatchObject({ state: "completed", attempts: 2 });
  expect(result.outputs["lower"]!.files.find(({ path }) => path === "data.csv")!.digest).toBe(
    digestOf("carrier\nUA\nAA\n"),
  );
});

test("an aborted call stops its job and rejects with the reason", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting({
    run: node(`fs.writeFileSync(at + "/output/lower/begun", ""); setInterval(() => {}, 1000)`),
    limits: { graceMs: 200 },
  });
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = runProcessing(opened.jobs, setting.spec, { signal: controller.signal });
  running.catch(() => {});
  while (!existsSync(join(setting.spec.directory, "output", "lower", "begun")))
    await new Promise((wake) => setTimeout(wake, 20));
  controller.abort(reason);
  await expect(running).rejects.toBe(reason);
  expect((await (await opened.jobs.attach("lower")).result()).state).toBe("stopped");
});

test("wrong specs are refused by name before anything is copied", async () => {
  await using opened = await openTestJobs();
  await using setting = await openSetting();
  const refused = async (more: Partial<ProcessingSpec>): Promise<unknown> =>
    runProcessing(opened.jobs, { ...setting.spec, ...more }).then(
      () => "accepted",
      (error: { code?: string }) => error.code,
    );
  expect(await refused({ outputs: { "../up": {} } })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ inputs: { ".hidden": { path: "x" } } })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ inputs: { model: { digest: digestOf("x") as Digest } } })).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ directory: "" })).toBe("JOBS_SPEC_INVALID");
  expect(existsSync(setting.spec.directory)).toBe(false);
  expect(await refused({ inputs: { raw: { path: join(setting.folder.path, "nowhere") } } })).toBe("JOBS_INPUT_MISSING");
  expect(await readdir(setting.folder.path)).toContain("raw.csv");
});
