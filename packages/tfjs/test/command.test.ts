import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const command = fileURLToPath(new URL("../dist/command/main.js", import.meta.url));

/** Tools that start tests make their own packages known to every process. */
const bare = { NODE_PATH: "" };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-command-"));
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in the folder. */
function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Said> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { ...process.env, ...bare, ...environment } };
    const child: ChildProcess = execFile(process.execPath, [command, ...args], options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

test("doctor says what the machine offers and what each missing device needs, for people and for programs", async () => {
  const { code, stdout } = await run(["doctor", "--json"]);
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as { devices: { device: string; remedy?: string }[] };
  expect(report).toMatchObject({
    formatVersion: 1,
    machine: { platform: `${process.platform}-${process.arch}`, node: process.versions.node },
    packages: [{ name: "@tensorflow/tfjs-node-gpu" }, { name: "@tensorflow/tfjs-node" }, { name: "webgpu" }],
    devices: [
      { device: "gpu", ok: false, reason: "package-missing" },
      { device: "webgpu", ok: false, reason: "package-missing" },
      { device: "cpu", ok: false, reason: "package-missing" },
      { device: "wasm", ok: true },
      { device: "js", ok: true },
    ],
    best: "wasm",
  });
  const text = await run(["doctor", "--device", "gpu"]);
  expect(text.code).toBe(1);
  expect(text.stdout).toContain('device: "auto" computes on "wasm".');
  for (const { remedy = "" } of report.devices) expect(text.stdout).toContain(remedy);
});

test.each([
  [[], "millwright-tfjs doctor"],
  [["cure"], "millwright-tfjs doctor"],
  [["doctor", "--wheel", "x"], '"doctor" has no option --wheel.'],
  [["doctor", "--device", "tpu"], 'not "tpu"'],
  [["provision", "--package", "left-pad"], 'not "left-pad"'],
  [["provision", "--wheel", "x", "--libtensorflow", "y"], "Give either --wheel or --libtensorflow."],
  [["provision", "--colour"], "--colour"],
])("a command that is not understood is refused with the usage: %j", async (args, words) => {
  const { code, stderr } = await run(args);
  expect(code).toBe(2);
  expect(stderr).toContain(words);
});

/** A native package as npm leaves it with scripts off, and a TensorFlow library's folder: in form alone. */
async function lay(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

const root = "node_modules/@tensorflow/tfjs-node-gpu";
const packageFiles = {
  [`${root}/package.json`]: '{ "name": "@tensorflow/tfjs-node-gpu", "version": "4.22.0", "main": "dist/index.js" }',
  [`${root}/binding/tfjs_backend.cc`]: "",
  [`${root}/binding/tfjs_binding.cc`]: "",
  [`${root}/lib/napi-v8/tfjs_binding.node`]: "the old one",
};
const library = {
  "library/include/tensorflow/c/c_api.h": "",
  "library/lib/libtensorflow.so.2": "",
  "library/lib/libtensorflow_framework.so.2": "",
  "headers/node_api.h": "",
};
const arguments_ = ["provision", "--libtensorflow", "library", "--headers", "headers"];

/** A compiler of the test's own. */
async function compiler(script: string): Promise<NodeJS.ProcessEnv> {
  const path = join(folder, "compiler");
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return { CXX: path };
}

describe("provision", () => {
  beforeEach(({ skip }) => skip(process.platform !== "linux", "addons are built on Linux alone"));

  async function expectUntouched(): Promise<void> {
    expect(await readFile(join(folder, `${root}/lib/napi-v8/tfjs_binding.node`), "utf8")).toBe("the old one");
    expect((await readdir(join(folder, root))).toSorted()).toEqual(["binding", "lib", "package.json"]);
  }

  test.each([
    ["no package", library, arguments_, {}, "npm install --ignore-scripts @tensorflow/tfjs-node-gpu@4.22.0"],
    ["no headers", packageFiles, ["provision", "--headers", "none"], {}, "name their folder with --headers"],
    ["no compiler", { ...packageFiles, ...library }, arguments_, { CXX: "/none/c++" }, "Install one (Debian: g++)"],
    [
      "no pip",
      { ...packageFiles, ...library },
      ["provision", "--headers", "headers", "--python", "/none/python"],
      {},
      "Install it (Debian: python3-pip)",
    ],
    [
      "no library",
      { ...packageFiles, ...library },
      ["provision", "--headers", "headers", "--libtensorflow", "headers"],
      {},
      "Name the folder into which libtensorflow was unpacked",
    ],
  ])("with %s says what to do, and changes nothing", async (_, files, args, environment, mend) => {
    await lay(files);
    const { code, stderr } = await run(args, environment);
    expect(stderr).toContain("TFJS_PROVISION_FAILED");
    expect(stderr).toContain(mend);
    expect(code).toBe(1);
    if (files !== library) await expectUntouched();
  });

  test("another version of the package is refused", async () => {
    await lay({ ...packageFiles, ...library, [`${root}/package.json`]: '{ "version": "4.10.0" }' });
    const { code, stderr } = await run(arguments_);
    expect(code).toBe(1);
    expect(stderr).toContain("of version 4.10.0 is not the one");
  });

  test("what the compiler has against it is told, and nothing is changed", async () => {
    await lay({ ...packageFiles, ...library });
    const { code, stderr } = await run(arguments_, await compiler("echo 'a.cc:3: error: no member' >&2; exit 1"));
    expect(code).toBe(1);
    expect(stderr).toContain("exit code 1: a.cc:3: error: no member");
    await expectUntouched();
  });

  test("an addon that does not work is taken out again, and the old one put back", async () => {
    await lay({ ...packageFiles, ...library });
    // Writes to what comes after -o.
    const script = 'while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"';
    const { code, stderr } = await run(arguments_, await compiler(script));
    expect(stderr).toContain("does not work");
    expect(code).toBe(1);
    await expectUntouched();
  });

  test("an interrupt ends the compiler too, and leaves everything as it was", async () => {
    await lay({ ...packageFiles, ...library });
    const environment = { ...process.env, ...(await compiler("echo $$ > started; exec sleep 600")) };
    const child = spawn(process.execPath, [command, ...arguments_], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = once(child, "close") as Promise<[number | null]>;
    const started = await until(() => readFile(join(folder, "started"), "utf8").catch(() => ""));
    child.kill("SIGINT");
    expect((await ended)[0]).toBe(130);
    expect(stderr).toContain("Cancelled: nothing was changed.");
    expect(() => process.kill(Number(started), 0)).toThrow(/ESRCH/);
    await expectUntouched();
  });
});

async function until(look: () => Promise<string>): Promise<string> {
  for (;;) {
    const found = await look();
    if (found.endsWith("\n")) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
