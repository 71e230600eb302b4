// The house's referee: programs under test are child processes that speak JSON lines; their time and processor time are taken from outside, in turns.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { createInterface } from "node:readline";

/** A small seeded generator (mulberry32). */
export function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Processor seconds and the peak of resident memory (MiB) of a process and all that descend from it, from /proc. */
export function usageOfTree(pid) {
  const parents = new Map();
  const ticks = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // The name of a program may hold blanks and brackets: fields are counted from the last bracket on.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(name), Number(fields[1]));
      // Those of children that have ended and were waited for as well.
      ticks.set(
        Number(name),
        fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0),
      );
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOfTree = (each) => {
    for (let at = each; at !== undefined && at > 1; at = parents.get(at)) if (at === pid) return true;
    return false;
  };
  let cpuSeconds = 0;
  let peakMiB = 0;
  for (const [each, used] of ticks) {
    if (!isOfTree(each)) continue;
    cpuSeconds += used / 100;
    try {
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, "utf8"));
      peakMiB += Number(peak?.[1] ?? 0) / 1024;
    } catch {
      // It has ended meanwhile.
    }
  }
  return { cpuSeconds, peakMiB };
}

/** Starts a program under test. */
export function startPeer({ name, command, args = [], env = {} }) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  const answers = [];
  let waiting;
  let errors = "";
  child.stderr.on("data", (data) => (errors = (errors + data).slice(-4000)));
  const give = (line) => {
    // Libraries print what they like: only lines of ours count.
    if (line !== undefined && !line.startsWith("{")) return;
    if (waiting === undefined) answers.push(line);
    else waiting(line);
    waiting = undefined;
  };
  createInterface({ input: child.stdout })
    .on("line", give)
    .on("close", () => give(undefined));
  const next = async () => (answers.length > 0 ? answers.shift() : await new Promise((resolve) => (waiting = resolve)));
  return {
    name,
    pid: child.pid,
    /** Sends a request and waits for its answer. @returns it with wall and processor seconds. */
    async ask(request) {
      const before = usageOfTree(child.pid);
      const started = performance.now();
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await next();
      const wallSeconds = (performance.now() - started) / 1000;
      if (line === undefined) throw new Error(`${name} ended at ${JSON.stringify(request)}:\n${errors}`);
      const after = usageOfTree(child.pid);
      const answer = JSON.parse(line);
      if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}\n${errors}`);
      return { answer, wallSeconds, cpuSeconds: after.cpuSeconds - before.cpuSeconds, peakMiB: after.peakMiB };
    },
    async stop() {
      child.stdin.end(`${JSON.stringify({ op: "stop" })}\n`);
      const timer = setTimeout(() => child.kill(), 10_000);
      await new Promise((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve()));
      clearTimeout(timer);
    },
  };
}

export const median = (values) => {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** The median of paired ratios theirs : ours (above 1: ours is faster), with a 95 % interval from 10,000 resamplings. */
export function pairedRatio(theirs, ours) {
  const ratios = theirs.map((value, index) => value / ours[index]);
  const random = seededRandom(1);
  const resampled = Array.from({ length: 10_000 }, () =>
    median(ratios.map(() => ratios[Math.floor(random() * ratios.length)])),
  ).toSorted((one, other) => one - other);
  return { ratio: median(ratios), low: resampled[250], high: resampled[9750] };
}

/** A fixed loop of integers and a fixed copy of 64 MiB: how fast the machine is at this moment, in milliseconds. */
export function calibrate() {
  const started = performance.now();
  let value = 1;
  for (let step = 0; step < 50_000_000; step++) value = Math.imul(value ^ step, 0x9e3779b1);
  const from = new Uint8Array(64 * 2 ** 20).fill(value & 1);
  new Uint8Array(from.length).set(from);
  return performance.now() - started;
}

/** What a result must say of where it came from. */
export const machine = () => ({
  cpu: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
  kernel: release(),
  node: process.version,
  load: loadavg().map((each) => Number(each.toFixed(1))),
});
