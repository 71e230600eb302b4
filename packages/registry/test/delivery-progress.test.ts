import { expect, test } from "vitest";
import { createProgress } from "../src/delivery/delivery-progress.ts";
import type { DeliveryStep } from "../src/delivery/webhook-records.ts";

/** Writes that end when a test says so. */
function slowWrites() {
  const steps: DeliveryStep[] = [];
  const ends: ((kept: boolean | Error) => void)[] = [];
  const progress = createProgress((step) => {
    steps.push(step);
    return new Promise((resolve, reject) => {
      ends.push((kept) => (kept instanceof Error ? reject(kept) : resolve(kept)));
    });
  });
  return { progress, steps, end: (kept: boolean | Error) => ends.shift()?.(kept) };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

test("while one write is under way others gather in the next, and each delivered event is counted once", async () => {
  const { progress, steps, end } = slowWrites();
  expect(await progress.take(1, "delivered")).toBe(true);
  expect(await progress.take(2, "delivered")).toBe(true);
  expect(await progress.take(3, "skipped")).toBe(true);
  expect(steps).toEqual([{ cursor: 1, outcome: "delivered", delivered: 1 }]);
  end(true);
  await turn();
  expect(steps[1]).toEqual({ cursor: 3, outcome: "skipped", delivered: 1 });
  end(true);
  await progress.settle();
  expect(steps).toHaveLength(2);
});

test("what could not be delivered is kept by a write of its own, after all before it and before the next", async () => {
  const { progress, steps, end } = slowWrites();
  await progress.take(1, "delivered");
  await progress.take(2, "delivered");
  const taken = progress.take(3, "undelivered");
  let isTaken = false;
  void taken.then(() => (isTaken = true));
  for (const length of [1, 2, 3]) {
    expect(steps).toHaveLength(length);
    expect(isTaken).toBe(false);
    end(true);
    await turn();
  }
  expect(await taken).toBe(true);
  expect(steps[2]).toEqual({ cursor: 3, outcome: "undelivered", delivered: 0 });
});

test("a receiver that was rewound or is gone is sent nothing more, and a write that fails is told of", async () => {
  const rewound = slowWrites();
  await rewound.progress.take(1, "delivered");
  rewound.end(false);
  await turn();
  expect(await rewound.progress.take(2, "delivered")).toBe(false);
  expect(rewound.steps).toHaveLength(1);
  const gone = createProgress(async () => true);
  expect(await gone.take(1, "gone")).toBe(false);
  const failing = slowWrites();
  await failing.progress.take(1, "delivered");
  failing.end(new Error("disk full"));
  await turn();
  await expect(failing.progress.take(2, "delivered")).rejects.toThrowError("disk full");
  await expect(failing.progress.settle()).rejects.toThrowError("disk full");
});
