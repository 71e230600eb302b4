import {
  type CapturedLabel,
  type CapturedPrediction,
  createManualClock,
  digestOf,
  type JsonObject,
} from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { type AnswerSource, type CaptureWriter, type MonitorOptions, openMonitor } from "../src/index.ts";

const start = Date.UTC(2026, 0, 5);
const hourMs = 3_600_000;
const quality = { late: { output: "late", kind: "binary" } } as const;

interface Log extends CaptureWriter, AnswerSource {
  readonly rows: JsonObject[];
}

/** A log in memory. @param reading Called after each row that is read. */
function memoryLog(reading: (row: JsonObject) => void = () => {}): Log {
  const rows: JsonObject[] = [];
  return {
    rows,
    async write(added) {
      rows.push(...added);
    },
    async *findAll(requestIds) {
      for (const row of rows) {
        if (!requestIds.includes(row["requestId"] as string)) continue;
        yield row;
        reading(row);
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

const asked = (requestId: string, timeMs = start): CapturedPrediction => ({
  requestId,
  endpoint: "late",
  variant: "main",
  model: { name: "late", digest: digestOf("v1") },
  timeMs,
  latencyMs: 4,
  features: batchOf({ km: [1, 2] }),
  outputs: { late: { dtype: "float64", shape: [2], data: Float64Array.of(0.25, 0.75) } },
});

const label = (requestId: string, value = true, timeMs = start + hourMs): CapturedLabel => ({
  requestId,
  row: 1,
  value,
  timeMs,
});

function openSmall(log: Log, more: MonitorOptions = {}) {
  const clock = createManualClock(start);
  const monitor = openMonitor({ clock, quality, capture: log, answers: log, maxWaitingForLabels: 1, ...more });
  const lookUp = async (): Promise<void> => {
    await monitor.flush();
    await clock.advance(61_000);
    await monitor.evaluate();
    await monitor.flush();
  };
  return { clock, monitor, lookUp };
}

test("rows that are kept take the labels of answers that were looked up, in windows and in hours", async () => {
  const { clock, monitor, lookUp } = openSmall(memoryLog(), { rows: {} });
  await using _ = monitor;
  for (let at = 0; at < 10; at += 1) monitor.capture(asked(`r${at}`));
  const told = () => {
    const { requestIds, requestRows, labels } = monitor.read("late", "main").rows!;
    return Object.fromEntries(requestIds.map((id, at) => [`${id} ${requestRows[at]}`, labels[at]]));
  };
  monitor.label(label("r2"));
  await lookUp();
  expect(monitor.counts().labels).toMatchObject({ joined: 1, held: 0 });
  expect(told()).toMatchObject({ "r2 0": undefined, "r2 1": true, "r3 1": undefined });
  await clock.advance(4 * hourMs);
  await monitor.evaluate();
  monitor.label(label("r3", false));
  await lookUp();
  expect(monitor.counts().labels).toMatchObject({ joined: 2, held: 0 });
  expect(told()).toMatchObject({ "r2 1": true, "r3 0": undefined, "r3 1": false, "r4 1": undefined });
});

test("an answer that claimed to come from the future is found again at the time it counted for, and its label counts once", async () => {
  const log = memoryLog();
  const { clock, monitor, lookUp } = openSmall(log);
  await using _ = monitor;
  const { features: __, ...rest } = asked("tensors", start + 5 * hourMs);
  const inputs = { km: { dtype: "float64", shape: [2], data: Float64Array.of(1, 2) } } as const;
  monitor.capture(asked("columns", start + 5 * hourMs));
  monitor.label(label("columns"));
  monitor.captureTensors({ ...rest, inputs });
  monitor.label(label("tensors"));
  await monitor.flush();
  expect(monitor.counts().labels).toMatchObject({ joined: 2 });
  expect(log.rows.map(({ timeMs }) => timeMs)).toEqual([start, start]);
  monitor.capture(asked("other"));
  await clock.advance(hourMs);
  for (const requestId of ["columns", "tensors"]) monitor.label(label(requestId));
  await lookUp();
  expect(monitor.counts().labels).toMatchObject({ joined: 2, duplicated: 2, held: 0 });
  expect(monitor.read("late", "main").quality).toMatchObject({ labels: 2, recovered: 0 });
});

test("a label that is asked for while its answer was just read is asked for again", async () => {
  const correction = label("r0", false, start + 2 * hourMs);
  let isRead = false;
  const log = memoryLog(({ requestId }) => {
    if (requestId !== "r0" || isRead) return;
    isRead = true;
    monitor.label(correction);
    // Beyond the most that are held, the oldest is looked up at once.
    monitor.label(label("nobody"));
    monitor.read("late", "main");
  });
  const { monitor, lookUp } = openSmall(log, { maxHeldLabels: 1 });
  await using _ = monitor;
  for (let at = 0; at < 3; at += 1) monitor.capture(asked(`r${at}`));
  await monitor.flush();
  monitor.label(label("r0"));
  monitor.label(label("r1"));
  await lookUp();
  await lookUp();
  expect(monitor.counts().labels).toMatchObject({ joined: 2, corrected: 1, held: 0 });
});
