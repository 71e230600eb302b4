import { createBudget } from "@millwright/contracts";
import { budgetContract } from "@millwright/contracts/testing";
import { expect, test } from "vitest";

for (const { name, run } of budgetContract) {
  test(name, () => run(createBudget({ usd: 10, trials: 3 })));
}

test("a limit below zero is a RangeError", () => {
  expect(() => createBudget({ usd: -1 })).toThrow(RangeError);
});

test("what is committed within a reservation after that has ended is still counted", async () => {
  const budget = createBudget({ usd: 10 });
  const outer = await budget.reserve({ usd: 6 });
  const inner = await outer.reserve({ usd: 3 });
  await outer.commit({ usd: 1 });
  await inner.commit({ usd: 2 });
  expect(budget.remaining()).toEqual({ usd: 7 });
});

test("reservations three deep count once at every depth", async () => {
  const budget = createBudget({ usd: 10 });
  const study = await budget.reserve({ usd: 8 });
  const trial = await study.reserve({ usd: 4 });
  const step = await trial.reserve({ usd: 2 });
  await step.commit({ usd: 2.5 });
  await trial.commit({ usd: 3 });
  expect(study.remaining()).toEqual({ usd: 5 });
  await study.commit({ usd: 3 });
  expect(budget.remaining()).toEqual({ usd: 7 });
});
