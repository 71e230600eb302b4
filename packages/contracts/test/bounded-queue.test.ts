import { type Batch, abortable, createBoundedQueue } from "@millwright/contracts";
import { describe, expect, test } from "vitest";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a bounded queue", () => {
  test("gives the items in the order they were put, and ends when it is closed", async () => {
    const queue = createBoundedQueue<number>(3);
    const producing = (async () => {
      for (let item = 0; item < 100; item += 1) await queue.put(item);
      queue.close();
    })();
    const taken: number[] = [];
    for await (const item of queue) taken.push(item);
    await producing;
    expect(taken).toEqual(Array.from({ length: 100 }, (_, item) => item));
  });

  test("never holds more than its capacity: who puts more waits", async () => {
    const queue = createBoundedQueue<number>(2);
    await queue.put(1);
    await queue.put(2);
    expect(queue.tryPut(3)).toBe(false);
    let placed = false;
    const putting = queue.put(3).then(() => {
      placed = true;
    });
    await turn();
    expect([placed, queue.size]).toEqual([false, 2]);
    const items = queue[Symbol.asyncIterator]();
    expect((await items.next()).value).toBe(1);
    await putting;
    expect([placed, queue.size]).toEqual([true, 2]);
  });

  test("many producers keep each their own order", async () => {
    const queue = createBoundedQueue<readonly [number, number]>(4);
    const produce = async (producer: number): Promise<void> => {
      for (let item = 0; item < 50; item += 1) await queue.put([producer, item]);
    };
    const all = Promise.all(Array.from({ length: 8 }, (_, producer) => produce(producer))).then(() => queue.close());
    const next = new Array<number>(8).fill(0);
    for await (const [producer, item] of queue) {
      expect(item).toBe(next[producer]);
      next[producer] = item + 1;
    }
    await all;
    expect(next).toEqual(new Array(8).fill(50));
  });

  test("an aborted put leaves nothing behind", async () => {
    const queue = createBoundedQueue<string>(1);
    await queue.put("first");
    const controller = new AbortController();
    const putting = queue.put("never", { signal: controller.signal });
    controller.abort(new Error("no longer needed"));
    await expect(putting).rejects.toThrow("no longer needed");
    queue.close();
    const taken: string[] = [];
    for await (const item of queue) taken.push(item);
    expect(taken).toEqual(["first"]);
  });

  test("closing with an error reaches the reader and those who wait to put", async () => {
    const queue = createBoundedQueue<number>(1);
    await queue.put(1);
    const putting = queue.put(2);
    queue.close(new Error("the source broke"));
    await expect(putting).rejects.toThrow("the source broke");
    await expect(queue[Symbol.asyncIterator]().next()).rejects.toThrow("the source broke");
  });

  test("a reader that leaves closes the queue: putters are refused", async () => {
    const queue = createBoundedQueue<number>(1);
    await queue.put(1);
    const putting = queue.put(2).then(() => queue.put(3));
    for await (const item of queue) {
      expect(item).toBe(1);
      break;
    }
    await expect(putting).rejects.toMatchObject({ code: "PORT_CLOSED" });
    expect(queue.size).toBe(0);
  });

  test("a capacity that is no positive integer is a RangeError", () => {
    for (const capacity of [0, -1, 1.5, Number.NaN]) expect(() => createBoundedQueue(capacity)).toThrow(RangeError);
  });

  test("callers that do not wait for put are refused before they pile up", async () => {
    const queue = createBoundedQueue<number>(2, { maxPutters: 10 });
    const puts = Array.from({ length: 100 }, (_, item) => queue.put(item));
    const settled = Promise.allSettled(puts);
    await turn();
    queue.close();
    const outcomes = await settled;
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    const refused = outcomes.filter((outcome) => outcome.status === "rejected" && outcome.reason instanceof RangeError);
    expect(refused).toHaveLength(88);
  });

  test("CT-12: a fast producer of 10 million rows and a slow consumer keep memory flat, and who does not wait is refused", async () => {
    const rowsPerBatch = 50_000;
    const batches = 200;
    const queue = createBoundedQueue<Batch>(4);
    let produced = 0;
    const producing = (async () => {
      for (let index = 0; index < batches; index += 1) {
        const column = (): Batch["columns"][string] => ({
          type: "float64",
          length: rowsPerBatch,
          values: new Float64Array(rowsPerBatch).fill(index),
        });
        const columns = Object.fromEntries(Array.from({ length: 8 }, (_, name) => [`c${name}`, column()]));
        produced += 1;
        await queue.put({ length: rowsPerBatch, columns });
      }
      queue.close();
    })();
    const start = process.memoryUsage().rss;
    let rows = 0;
    let consumed = 0;
    let mostAhead = 0;
    let mostBytes = 0;
    for await (const batch of queue) {
      // Many turns of the event loop for each batch: the producer could run far ahead.
      for (let wait = 0; wait < 20; wait += 1) await turn();
      consumed += 1;
      rows += batch.length;
      mostAhead = Math.max(mostAhead, produced - consumed);
      mostBytes = Math.max(mostBytes, process.memoryUsage().rss - start);
    }
    await producing;
    expect(rows).toBe(10_000_000);
    // Four in the queue and one that waits to be put.
    expect(mostAhead).toBeLessThanOrEqual(5);
    // All rows together are 640 MB; without bounds they would all be held. Room is left for what the collector has not freed yet.
    expect(mostBytes).toBeLessThan(200_000_000);

    // Nor can a producer that does not wait fill the memory: its items are refused.
    const heedless = createBoundedQueue<Batch>(4, { maxPutters: 8 });
    const puts = Array.from({ length: 1000 }, () =>
      heedless.put({ length: 0, columns: {} }).catch((error: unknown) => error),
    );
    const refused = puts.slice(12);
    expect(await Promise.all(refused)).toEqual(refused.map(() => expect.any(RangeError)));
    heedless.close();
  }, 600_000);
});

describe("abortable", () => {
  test("gives the outcome, or the reason when the signal aborts first", async () => {
    await expect(abortable(Promise.resolve(1), undefined)).resolves.toBe(1);
    const { signal } = new AbortController();
    await expect(abortable(Promise.resolve(2), signal)).resolves.toBe(2);
    await expect(abortable(Promise.reject(new Error("broke")), signal)).rejects.toThrow("broke");
    const reason = new Error("enough");
    const never = new Promise<never>(() => {});
    await expect(abortable(never, AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(abortable(Promise.reject(new Error("late")), AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = abortable(never, controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});
