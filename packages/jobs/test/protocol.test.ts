import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  encodeFrame,
  parseSupervisorFrame,
  parseWorkerFrame,
  type SupervisorFrame,
  type WorkerFrame,
} from "@millwright/jobs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";

const schemaPath = createRequire(import.meta.url).resolve("@millwright/jobs/protocol.schema.json");
const schema = JSON.parse(readFileSync(schemaPath, "utf8")) as { readonly $id: string };
const ajv = new Ajv2020({ strict: false }).addSchema(schema);
const valid = (part: "workerFrame" | "supervisorFrame", value: unknown): boolean =>
  ajv.validate(`${schema.$id}#/$defs/${part}`, value);

const workerFrames: readonly WorkerFrame[] = [
  { type: "hello", protocol: 1, pid: 7, node: "v20.19.0" },
  { type: "heartbeat", rssBytes: 1e8 },
  { type: "phase", state: "uploading" },
  { type: "message", body: null },
  { type: "message", body: { a: [1, "two"] } },
  { type: "metric", name: "loss", value: 0.25, step: 3, epoch: 1 },
  { type: "metric", name: "loss", value: "NaN" },
  { type: "result" },
  { type: "result", value: [1] },
  { type: "result", value: 1, stays: true },
  { type: "size", size: 64 },
  { type: "notice", reason: "The process was sent SIGTERM." },
  { type: "interrupted", reason: "The process was sent SIGTERM." },
  { type: "failure", error: { name: "Error", message: "It broke.", category: "data", retryable: false } },
];
const supervisorFrames: readonly SupervisorFrame[] = [
  {
    type: "start",
    protocol: 1,
    jobId: "a",
    attempt: 1,
    module: "file:///a.js",
    directory: "/d",
    heartbeatMs: 5,
    graceMs: 9,
  },
  {
    type: "start",
    protocol: 1,
    jobId: "a",
    attempt: 1,
    module: "file:///a.js",
    directory: "/d",
    heartbeatMs: 5,
    graceMs: 9,
    gpus: [{ id: "GPU-a", share: 0.5, memoryBytes: 1_024, fences: { "gpu/GPU-a/0": 3 } }],
  },
  { type: "message", body: 0 },
  { type: "stop", reason: "enough", graceMs: 10 },
  { type: "stop", reason: "reclaimed", graceMs: 10, interruption: true },
  {
    type: "start",
    protocol: 1,
    jobId: "a",
    attempt: 2,
    module: "file:///a.js",
    directory: "/d",
    heartbeatMs: 5,
    graceMs: 9,
    previous: { category: "capacity", cause: "gpu-out-of-memory", reason: "CUDA out of memory", size: 64 },
    noticeSignals: ["SIGTERM", "SIGUSR1"],
    stayMark: "m",
    again: { workingDirectory: "/d", environment: { A: "b" } },
  },
];
const wrong: readonly unknown[] = [
  {},
  null,
  [],
  "hello",
  { type: "unheard-of" },
  { type: "toString" },
  { type: "hello", protocol: "1", pid: 7, node: "v" },
  { type: "heartbeat" },
  { type: "heartbeat", rssBytes: -1 },
  { type: "size" },
  { type: "size", size: -1 },
  { type: "notice" },
  { type: "interrupted", reason: 5 },
  { type: "phase", state: "completed" },
  { type: "message" },
  { type: "metric", name: "loss" },
  { type: "metric", name: "loss", value: "much" },
  { type: "metric", name: "loss", value: 1, step: "first" },
  { type: "failure", error: { name: "Error" } },
  { type: "start", protocol: 1 },
  { type: "stop", reason: 5, graceMs: 1 },
];

test.each(workerFrames)("the worker frame %j passes the parser and the schema", (frame) => {
  expect(parseWorkerFrame(encodeFrame(frame))).toEqual(frame);
  expect(valid("workerFrame", frame)).toBe(true);
});

test.each(supervisorFrames)("the supervisor frame %j passes the parser and the schema", (frame) => {
  expect(parseSupervisorFrame(encodeFrame(frame))).toEqual(frame);
  expect(valid("supervisorFrame", frame)).toBe(true);
});

test.each(wrong.map((value) => ({ value })))("neither takes $value", ({ value }) => {
  const code = { code: "JOBS_PROTOCOL_INVALID" };
  expect(() => parseWorkerFrame(JSON.stringify(value))).toThrow(expect.objectContaining(code));
  expect(() => parseSupervisorFrame(JSON.stringify(value))).toThrow(expect.objectContaining(code));
  expect(valid("workerFrame", value)).toBe(false);
  expect(valid("supervisorFrame", value)).toBe(false);
});

test("a line that is not JSON is told as such", () => {
  expect(() => parseWorkerFrame("Segmentation fault")).toThrow(/Segmentation fault/);
});
