import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Batch, createRandom, type Dataset } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  createDataset,
  createRowOrder,
  datasetOf,
  type IterateOptions,
  iterateDataset,
  type IteratorState,
  sliceBatch,
} from "../src/index.ts";

const numbers = (rows: number): Batch => batchOf({ id: Int32Array.from({ length: rows }, (_, row) => row) });

/** The same rows, reached only by walking, in batches of odd sizes, with their number known or not. */
function walked(rows: number, known: boolean): Dataset {
  const whole = numbers(rows);
  return createDataset({
    schema: [{ name: "id", type: "int32" }],
    ...(known ? { rows } : {}),
    async *walk() {
      for (let row = 0, size = 1; row < rows; row += size, size = (size * 7 + 3) % 50 || 1) {
        await Promise.resolve();
        yield sliceBatch(whole, row, row + size);
      }
    },
  });
}

const idsOf = (batch: Batch): number[] => [...(batch.columns["id"] as { readonly values: Int32Array }).values];

async function batchesOf(dataset: Dataset, options: IterateOptions = {}): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const batch of iterateDataset(dataset, options)) batches.push(idsOf(batch));
  return batches;
}

/** What the formula of the order says, row by row. */
function orderOf(
  rows: number,
  { seed = 1, bufferRows = 65_536, blockRows }: NonNullable<IterateOptions["shuffle"]>,
  epoch: number,
) {
  const order = createRowOrder({ rows, seed, epoch, bufferRows, blockRows });
  return Array.from({ length: order.windows }, (_, index) => order.window(index)).flatMap(
    ({ ranges, order: within }) => {
      const read = ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at));
      return [...(within ?? read.keys())].map((at) => read[at] as number);
    },
  );
}

interface Case {
  readonly rows: number;
  readonly dataset: Dataset;
  readonly options: IterateOptions;
}

/** Cases from all over the options' ranges. */
function randomCase(random: ReturnType<typeof createRandom>): Case {
  const rows = random.integer(400);
  const sliced = random.integer(2) === 0;
  const bufferRows = [1, 1 + random.integer(rows + 10), Infinity][random.integer(3)] ?? 1;
  const blockRows = sliced && random.integer(2) === 0 ? 1 + random.integer(60) : undefined;
  return {
    rows,
    dataset: sliced
      ? datasetOf([sliceBatch(numbers(rows), 0, rows >> 1), sliceBatch(numbers(rows), rows >> 1)])
      : walked(rows, random.integer(2) === 0),
    options: {
      batchRows: 1 + random.integer(50),
      epoch: random.integer(3),
      skip: random.integer(3) === 0 ? random.integer(rows + 5) : 0,
      ...(random.integer(3) === 0 ? { take: random.integer(rows + 5) } : {}),
      ...(random.integer(4) === 0 ? {} : { shuffle: { seed: random.integer(1_000), bufferRows, blockRows } }),
      prefetch: random.integer(4),
      dropLast: random.integer(4) === 0,
      parallel: 1 + random.integer(3),
    },
  };
}

test("TR-32: rows come in the order of the formula: each once, a function of seed and epoch, whatever the data can do", async () => {
  const random = createRandom(32);
  for (let round = 0; round < 150; round += 1) {
    const { rows, dataset, options } = randomCase(random);
    const { shuffle, epoch = 0, skip = 0, take = Infinity, batchRows = 1, dropLast } = options;
    const whole = shuffle === undefined ? Array.from({ length: rows }, (_, row) => row) : orderOf(rows, shuffle, epoch);
    expect(whole.toSorted((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, row) => row));
    const kept = whole.slice(skip, skip + take);
    const wanted: number[][] = [];
    for (let at = 0; at < kept.length; at += batchRows) wanted.push(kept.slice(at, at + batchRows));
    if (dropLast === true && (wanted.at(-1)?.length ?? batchRows) < batchRows) wanted.pop();
    expect(await batchesOf(dataset, options), JSON.stringify({ rows, ...options })).toEqual(wanted);
  }
});

test("TR-32: one to seven workers share the batches of a single one, whose order theirs make up in turn", async () => {
  const random = createRandom(7);
  for (let count = 1; count <= 7; count += 1) {
    for (let round = 0; round < 12; round += 1) {
      const { dataset, options } = randomCase(random);
      const single = await batchesOf(dataset, options);
      const workers = await Promise.all(
        Array.from({ length: count }, (_, index) => batchesOf(dataset, { ...options, worker: { index, count } })),
      );
      const inTurn = single.map((_, number) => workers[number % count]?.[Math.floor(number / count)]);
      expect(inTurn).toEqual(single);
      expect(workers.flat()).toHaveLength(single.length);
    }
  }
});

test("TR-32: broken off at random places and gone on from the saved state, on other numbers of workers, no row is lost, twice or elsewhere", async () => {
  const random = createRandom(99);
  for (let round = 0; round < 60; round += 1) {
    const { dataset, options } = randomCase(random);
    const single = await batchesOf(dataset, options);
    const seen: number[][] = [];
    let state: IteratorState | undefined;
    for (let left = single.length > 0; left;) {
      const count = 1 + random.integer(7);
      const rounds = random.integer(4);
      const workers = Array.from({ length: count }, (_, index) =>
        iterateDataset(dataset, { ...options, worker: { index, count }, state }),
      );
      for (let step = 0; step < rounds && left; step += 1) {
        for (const worker of workers) {
          const { value } = await worker.next();
          if (value === undefined) left = false;
          else seen.push(idsOf(value));
        }
      }
      state = JSON.parse(JSON.stringify(workers[random.integer(count)]?.state())) as IteratorState;
      for (const worker of workers) await worker[Symbol.asyncDispose]();
    }
    expect(seen).toEqual(single);
  }
});

test("the order is what it was in the first release: states that were saved stay good", async () => {
  const dataset = datasetOf([numbers(23)]);
  const shuffle = { seed: 3, bufferRows: 8, blockRows: 4 };
  expect((await batchesOf(dataset, { shuffle, epoch: 1 })).join()).toMatchInlineSnapshot(
    `"14,0,3,12,1,2,13,15,20,9,8,10,22,11,21,17,7,18,4,5,6,19,16"`,
  );
  expect((await batchesOf(dataset, { shuffle: { seed: 3, bufferRows: 8 }, epoch: 1 })).join()).toMatchInlineSnapshot(
    `"6,0,3,4,1,2,5,7,10,12,8,15,9,11,14,13,17,18,20,21,22,19,16"`,
  );
  expect((await batchesOf(dataset, { shuffle: { seed: 3, bufferRows: Infinity } })).join()).toMatchInlineSnapshot(
    `"6,12,22,3,18,15,5,13,10,16,2,4,0,20,1,14,9,19,21,11,17,8,7"`,
  );
});

test("a state of another order is refused, with what differs", () => {
  const dataset = datasetOf([numbers(100)]);
  const options = { batchRows: 10, shuffle: { seed: 1 } };
  const state = iterateDataset(dataset, options).state();
  const diverged =
    (more: IterateOptions, other = dataset) =>
    () =>
      iterateDataset(other, { ...options, ...more, state });
  expect(diverged({ batchRows: 20 })).toThrow(/batchRows was 10 and is 20/);
  expect(diverged({ shuffle: { seed: 2 } })).toThrow(
    expect.objectContaining({ code: "DATA_ITERATOR_DIVERGED" }) as Error,
  );
  expect(diverged({ epoch: 1 })).toThrow(/epoch was 0 and is 1/);
  expect(diverged({ shuffle: undefined })).toThrow(/seed was 1 and is absent/);
  expect(diverged({}, datasetOf([numbers(99)]))).toThrow(/rows was 100 and is 99/);
  expect(diverged({ prefetch: 9, worker: { index: 1, count: 2 } })).not.toThrow();
  expect(() => iterateDataset(dataset, { state: { ...state, formatVersion: 2 as 1 } })).toThrow(/format version 2/);
});

test("batches are changed several at once, and come in order; as many are ahead as were asked for", async () => {
  const dataset = walked(200, true);
  let running = 0;
  let most = 0;
  let begun = 0;
  const map = async (batch: Batch, { batch: number }: { readonly batch: number }) => {
    begun += 1;
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, (number * 7) % 5));
    running -= 1;
    return { number, ids: idsOf(batch) };
  };
  const iterator = iterateDataset(dataset, { batchRows: 10, map, parallel: 3, prefetch: 4 });
  const first = await iterator.next();
  expect(first.value).toEqual({ number: 0, ids: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(begun).toBe(5); // the one that was given, and four ahead
  const rest = [];
  for await (const each of iterator) rest.push(each.number);
  expect(rest).toEqual(Array.from({ length: 19 }, (_, at) => at + 1));
  expect(most).toBe(3);
  // Nothing is done before it is asked for where nothing is to be ahead.
  begun = 0;
  const lazy = iterateDataset(dataset, { batchRows: 10, map, prefetch: 0 });
  await lazy.next();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(begun).toBe(1);
  await lazy[Symbol.asyncDispose]();
});

test("a failure comes in its batch's place and ends the iterator, which lets go of the dataset; so do leaving and aborting", async () => {
  let open = 0;
  const dataset = createDataset({
    schema: [{ name: "id", type: "int32" }],
    async *walk() {
      open += 1;
      try {
        for (let row = 0; row < 1_000; row += 10) {
          await new Promise((resolve) => setImmediate(resolve));
          yield sliceBatch(numbers(1_000), row, row + 10);
        }
      } finally {
        open -= 1;
      }
    },
  });
  const failing = iterateDataset(dataset, {
    batchRows: 10,
    map: (_, { batch }) => {
      if (batch === 3) throw new Error("three");
      return batch;
    },
  });
  const seen: number[] = [];
  await expect(async () => {
    for await (const each of failing) seen.push(each);
  }).rejects.toThrow("three");
  expect(seen).toEqual([0, 1, 2]);
  expect(await failing.next()).toEqual({ done: true, value: undefined });
  expect(open).toBe(0);
  for await (const _ of iterateDataset(dataset, { batchRows: 10, shuffle: { bufferRows: 50 } })) break;
  expect(open).toBe(0);
  const controller = new AbortController();
  const reason = new Error("enough");
  await expect(async () => {
    for await (const _ of iterateDataset(dataset, { batchRows: 10, signal: controller.signal }))
      controller.abort(reason);
  }).rejects.toBe(reason);
  expect(open).toBe(0);
});

test("TR-32: memory is that of the buffers, not of the data", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const rows = 4_000_000; // of 32 bytes: 128 MB
  const dataset = createDataset({
    schema: ["a", "b", "c", "d"].map((name) => ({ name, type: "float64" })),
    rows,
    *walk() {
      for (let row = 0; row < rows; row += 20_000) {
        const values = new Float64Array(20_000).fill(row);
        yield batchOf({ a: values, b: values.slice(), c: values.slice(), d: values.slice() });
      }
    },
  });
  /** Buffers are freed beside, when the machine comes to it: until no more of them are. */
  const held = async (): Promise<number> => {
    let least = Number.POSITIVE_INFINITY;
    for (let still = 0; still < 2; still += 1) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 1));
      const bytes = process.memoryUsage().arrayBuffers;
      if (bytes < least) still = 0;
      least = Math.min(least, bytes);
    }
    return least;
  };
  const before = await held();
  let most = 0;
  let seen = 0;
  let batches = 0;
  for await (const batch of iterateDataset(dataset, {
    batchRows: 2_000,
    shuffle: { bufferRows: 40_000 },
    prefetch: 4,
  })) {
    seen += batch.length;
    batches += 1;
    if (batches % 50 === 0) most = Math.max(most, (await held()) - before);
  }
  expect(seen).toBe(rows);
  // This buffer, the next one, what that is put together of, and a few batches are 3.5 times 1.28 MB; the rest is left to the collector.
  expect(most).toBeLessThan(7 * 40_000 * 32);
});

test("what cannot be is said at once", () => {
  const dataset = datasetOf([numbers(10)]);
  for (const options of [
    { batchRows: 0 },
    { prefetch: -1 },
    { parallel: 0 },
    { skip: 0.5 },
    { worker: { index: 2, count: 2 } },
    { shuffle: { bufferRows: 0 } },
    { shuffle: { blockRows: 0.5 } },
    { shuffle: { seed: Number.NaN } },
  ] satisfies IterateOptions[])
    expect(() => iterateDataset(dataset, options), JSON.stringify(options)).toThrow(RangeError);
  expect(() => createRowOrder({ rows: 1, seed: 1, epoch: 0, bufferRows: 0 })).toThrow(RangeError);
});

test("blocks of a dataset that has no slices are refused when they are asked for", async () => {
  await expect(batchesOf(walked(10, true), { shuffle: { blockRows: 2, bufferRows: 4 } })).rejects.toThrow(
    /leave blockRows out/,
  );
});
