import { threadId, Worker } from "node:worker_threads";
import type { Batch } from "@millwright/contracts";
import { expect, test } from "vitest";
import { batchOf, copyBatch, datasetOf, iterateDataset, transferables } from "../src/index.ts";

/** A thread that squares the numbers of batches, those of odd ids more slowly. */
const script = `const { parentPort, threadId } = require("node:worker_threads");
parentPort.on("message", ({ id, batch }) => setTimeout(() => {
  const { values } = batch.columns.id;
  for (let row = 0; row < batch.length; row += 1) values[row] *= values[row];
  parentPort.postMessage({ id, batch, threadId }, [values.buffer]);
}, id % 2 === 0 ? 0 : 5));`;

interface Reply {
  readonly id: number;
  readonly batch: Batch;
  readonly threadId: number;
}

test("TR-32: batches are changed in worker threads, several at once, and come in the order of one", async () => {
  const workers = [new Worker(script, { eval: true }), new Worker(script, { eval: true })];
  const waiting = new Map<number, (reply: Reply) => void>();
  for (const worker of workers) {
    worker.on("message", (reply: Reply) => {
      waiting.get(reply.id)?.(reply);
      waiting.delete(reply.id);
    });
  }
  const map = (batch: Batch, { batch: id }: { readonly batch: number }): Promise<Reply> =>
    new Promise((resolve) => {
      waiting.set(id, resolve);
      const own = copyBatch(batch);
      workers[id % workers.length]?.postMessage({ id, batch: own }, transferables(own));
    });
  const dataset = datasetOf([batchOf({ id: Float64Array.from({ length: 500 }, (_, row) => row) })]);
  const shuffle = { seed: 2, bufferRows: 100 };
  const numbersOf = ({ columns }: Batch): number[] => [...(columns["id"] as { readonly values: Float64Array }).values];
  const plain: number[] = [];
  for await (const batch of iterateDataset(dataset, { batchRows: 7, shuffle })) plain.push(...numbersOf(batch));
  const changed: number[] = [];
  const threads = new Set<number>();
  for await (const reply of iterateDataset(dataset, { batchRows: 7, shuffle, map, parallel: 4 })) {
    changed.push(...numbersOf(reply.batch));
    threads.add(reply.threadId);
  }
  for (const worker of workers) await worker.terminate();
  expect(changed).toEqual(plain.map((value) => value * value));
  expect(threads.size).toBe(2);
  expect(threads.has(threadId)).toBe(false);
});
