// Milliseconds a training step on each device of this machine, in turns.
//   node benchmarks/training/devices.mjs [rounds]
// MILLWRIGHT_TFJS_NODE_FOLDER names a folder with the native package built, MILLWRIGHT_VULKAN one with Mesa's driver on the CPU (both as .ci/run makes them).
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const rounds = Number(process.argv[2] ?? 5);
const native = process.env.MILLWRIGHT_TFJS_NODE_FOLDER ?? "";
const vulkan = process.env.MILLWRIGHT_VULKAN;
const webgpu = fileURLToPath(new URL("../../packages/tfjs", import.meta.url));
const worker = fileURLToPath(new URL("devices-worker.mjs", import.meta.url));
const within = (...parts) => {
  const folder = join(vulkan, ...parts);
  return readdirSync(folder).map((name) => join(folder, name));
};
const environment = {
  ...process.env,
  TF_CPP_MIN_LOG_LEVEL: "3",
  ...(vulkan === undefined
    ? {}
    : {
        VK_DRIVER_FILES: within("usr/share/vulkan/icd.d").find((path) => path.includes("lvp_icd")),
        LD_LIBRARY_PATH: within("usr/lib").join(":"),
      }),
};
/** Steps of a round, so that each takes about as long. */
const counts = { MLP: 20, CNN: 4, LSTM: 15 };

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

async function open(device) {
  const wanted = device === "webgpu" ? { ...process.env } : environment;
  const child = fork(worker, [device, native, webgpu], { env: wanted, stdio: ["ignore", "ignore", "ignore", "ipc"] });
  const [told] = await Promise.race([once(child, "message"), once(child, "exit").then(() => [undefined])]);
  return told === undefined ? undefined : { ...told, child };
}

async function ask({ child }, name, count) {
  child.send({ name, count });
  const [result] = await once(child, "message");
  return result;
}

const opened = [];
const absent = [];
for (const device of ["gpu", "webgpu", "cpu", "wasm", "js", "webgpu-software"]) {
  const found = await open(device);
  // "gpu" is had by WebGPU where there is no CUDA, and then measured as such.
  if (found === undefined || found.device !== device) absent.push(device);
  else opened.push(found);
}

const load = loadavg()[0].toFixed(1);
console.log(
  `${cpus()[0].model}, ${cpus().length} CPUs, Node ${process.versions.node}, load ${load} at the start; ${rounds} rounds`,
);
for (const { device, detail } of opened) console.log(`${device}: ${detail}`);
console.log(`not here: ${absent.join(", ")}`);

for (const [name, count] of Object.entries(counts)) {
  // The losses of the first steps must agree before time counts.
  const first = new Map();
  const losses = [];
  for (const one of opened) {
    const { times, loss } = await ask(one, name, 5);
    first.set(one.device, times[0]);
    losses.push(loss);
  }
  const spread = Math.max(...losses) - Math.min(...losses);
  if (!(spread < 1e-4)) throw new Error(`The losses of ${name} differ by ${spread}: ${losses.join(", ")}.`);
  const all = new Map(opened.map(({ device }) => [device, { times: [], cpu: [] }]));
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const one of turn % 2 === 0 ? opened : opened.toReversed()) {
      const { times, cpuMs } = await ask(one, name, count);
      const { times: kept, cpu } = all.get(one.device);
      kept.push(...times);
      cpu.push(cpuMs);
    }
  }
  console.log(`\n${name}: losses within ${spread.toExponential(1)} after five steps`);
  console.log("| device | ms a step: least / median | processor ms: median | first step, ms |\n|---|---|---|---|");
  for (const [device, { times, cpu }] of all)
    console.log(
      `| ${device} | ${round(Math.min(...times))} / ${round(median(times))} | ${round(median(cpu))} | ${round(first.get(device))} |`,
    );
}
console.log(`\nload ${loadavg()[0].toFixed(1)} at the end`);
for (const { child } of opened) child.kill();
