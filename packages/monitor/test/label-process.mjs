// Answers a request a second, takes labels of those before, and writes its monitor's state every so often, until it is killed: `node label-process.mjs STATE FROM`. Requests and labels follow
// from their numbers, so that the one who kills knows them all. What came after the last state is lost with the process; who sends labels sends all of them again after a restart.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createManualClock, digestOf } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { openMonitor } from "../dist/index.js";

export const startMs = 1_767_225_600_000;
const names = ["early", "on time", "late"];
/** Each process names the classes in an order of its own. @param from The request that it begins with. */
const orderOf = (from) => names.map((_, place) => names[(place + from) % 3]);
export const optionsOf = (from) => ({
  quality: {
    late: { output: "late", kind: "binary", segments: ["carrier"] },
    when: { output: "when", kind: "classes", classes: orderOf(from), top: 2 },
  },
});
const wave = (at) => Math.abs(Math.sin(at * 12.9898) * 43758.5453) % 1;

export const predictionOf = (at) => ({
  requestId: `request-${at}`,
  endpoint: "late",
  variant: at % 3 === 0 ? "candidate" : "main",
  model: { name: "late", digest: digestOf("model") },
  timeMs: startMs + at * 1000,
  latencyMs: 5,
  features: batchOf({ carrier: at % 2 === 0 ? ["AA", "UA"] : ["UA"] }),
  outputs: {
    late: { dtype: "float64", shape: [at % 2 === 0 ? 2 : 1], data: Float64Array.of(wave(at), wave(at + 0.5)) },
  },
});

/** The same request asks for one class of three. @param from The request that its process began with. */
export function classPredictionOf(at, from) {
  const data = Float64Array.from(orderOf(from), (name) => wave(at * 3 + names.indexOf(name)));
  const outputs = { when: { dtype: "float64", shape: [1, 3], data } };
  return { ...predictionOf(at), requestId: `class-${at}`, endpoint: "when", features: undefined, outputs };
}

/** A label each row, for four of five requests, and for every fourth of these another one later. */
export function labelsOf(at, corrected) {
  const rows = at % 2 === 0 ? [0, 1] : [0];
  if (at % 5 === 4 || (corrected && at % 4 !== 0)) return [];
  const timeMs = startMs + at * 1000 + (corrected ? 700_000 : 90_000);
  const labels = rows.map((row) => ({
    requestId: `request-${at}`,
    row,
    value: wave(at * 7 + row) < 0.4 !== corrected ? 1 : 0,
    timeMs,
  }));
  return [...labels, { requestId: `class-${at}`, value: names[(at + (corrected ? 1 : 0)) % 3], timeMs }];
}

const [, program, path, from] = process.argv;
if (path !== undefined && program?.endsWith("label-process.mjs") === true) {
  const clock = createManualClock(startMs + Number(from) * 1000);
  const state = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).state : undefined;
  const monitor = openMonitor({ ...optionsOf(Number(from)), clock, state });
  for (let at = 0; at < Number(from); at += 1) for (const label of labelsOf(at, false)) monitor.label(label);
  for (let at = Number(from); ; at += 1) {
    process.stdout.write(`${at}\n`);
    await clock.advance(1000);
    monitor.capture(predictionOf(at));
    monitor.capture(classPredictionOf(at, Number(from)));
    if (at >= 30) for (const label of labelsOf(at - 30, false)) monitor.label(label);
    if (at >= 60) for (const label of labelsOf(at - 60, true)) monitor.label(label);
    if (at % 20 !== 19) continue;
    // A file is there whole, or as it was before.
    writeFileSync(`${path}.part`, JSON.stringify({ done: at + 1, state: monitor.state() }));
    renameSync(`${path}.part`, path);
  }
}
