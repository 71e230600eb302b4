import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeEach, expect, test } from "vitest";
import { vulkanEnvironment, vulkanFound, vulkanMissing } from "./software-vulkan.ts";

beforeEach(({ skip }) => skip(!vulkanFound && process.env["CI"] !== "true", vulkanMissing));

/** What a process that finds the driver prints, line by line. */
async function run(fixture: string, argument: string): Promise<readonly unknown[]> {
  const script = fileURLToPath(new URL(`./fixtures/${fixture}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, argument], {
    env: { ...process.env, ...vulkanEnvironment() },
    maxBuffer: 2 ** 26,
  });
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as unknown);
}

const task = async (name: string): Promise<unknown> => (await run("webgpu-tasks.mjs", name))[0];
const failed = (code: string, category: string, retryable: boolean): object =>
  expect.objectContaining({ code, category, retryable }) as object;

test("an adapter on the CPU is taken only where it is asked for by name, and then passes the self-test", async () => {
  expect(await task("devices")).toEqual({
    gpu: ["TFJS_DEVICE_UNAVAILABLE", ["gpu: native-not-given", "webgpu: adapter-software"]],
    webgpu: ["TFJS_DEVICE_UNAVAILABLE", ["webgpu: adapter-software"]],
    auto: ["wasm", "wasm", ["gpu: native-not-given", "webgpu: adapter-software", "cpu: native-not-given", "wasm: ok"]],
    "webgpu-software": ["webgpu-software", "webgpu", ["webgpu-software: ok"]],
  });
});

test("what the device cannot do is thrown by the next check and by every read, where TensorFlow.js gives zeros", async () => {
  const failure = failed("TFJS_DEVICE_FAILED", "capacity", false);
  expect(await task("oversized")).toEqual({ before: "none", after: failure, read: failure, other: failure });
});

test("a device that is lost fails its work by name, and another can be opened in its place", async () => {
  const failure = failed("TFJS_DEVICE_LOST", "transient", true);
  expect(await task("lost")).toEqual({ read: failure, after: failure, again: 3, next: "none" });
});

test("integers are transposed and summed, blocking reads are refused by name, and the self-test leaves nothing", async () => {
  expect(await task("right")).toEqual({
    read: failed("TFJS_READ_REFUSED", "user", false),
    values: [
      [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11],
      [4, 5, 10, 11],
      [14, 17, 16, 19],
    ],
    left: 0,
    failure: "none",
  });
});

test("a model is trained, saved, served and turned into plain layers without a blocking read", async () => {
  const said = (await task("model")) as { first: number; last: number; worst: number };
  expect(said).toMatchObject({
    left: 0,
    plain: [
      [2048, "relu"],
      [64, "sigmoid"],
    ],
    failure: "none",
  });
  expect(said.last).toBeLessThan(said.first / 2);
  expect(said.worst).toBeLessThan(1e-6);
});

test("every gradient is that of finite differences, or refused by name", { timeout: 600_000 }, async () => {
  const found = (await run("gradients-of-device.mjs", "webgpu-software")) as readonly {
    name: string;
    worst?: number;
    zero?: boolean;
    left: number;
    error?: string;
  }[];
  expect(found.length).toBeGreaterThan(80);
  const wrong = found.filter(({ worst, zero, left }) => !((worst ?? 1) < 0.01) || zero === true || left > 0);
  expect(wrong).toMatchObject([{ name: "resizeNearestNeighbor, half-pixel centres", error: "TFJS_KERNEL_REFUSED" }]);
});
