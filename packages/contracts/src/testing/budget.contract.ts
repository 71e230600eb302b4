import assert from "node:assert/strict";
import type { Budget } from "../budget.ts";
import { hasCode } from "../error.ts";
import { abortedSignal, rejectsWithCode, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** What each budget promises. Every case takes a fresh budget limited to `{ usd: 10, trials: 3 }`. */
export const budgetContract: readonly ContractCase<Budget>[] = [
  {
    name: "a fresh budget has its limits left",
    run: async (budget) => assert.deepEqual(budget.remaining(), { usd: 10, trials: 3 }),
  },
  {
    name: "what is reserved is no longer left, and what is released is left again",
    run: async (budget) => {
      const reservation = await budget.reserve({ usd: 4, trials: 1 });
      assert.deepEqual(reservation.amount, { usd: 4, trials: 1 });
      assert.deepEqual(budget.remaining(), { usd: 6, trials: 2 });
      await reservation.release();
      assert.deepEqual(budget.remaining(), { usd: 10, trials: 3 });
    },
  },
  {
    name: "commit counts what was really spent, less than was reserved or more",
    run: async (budget) => {
      await (await budget.reserve({ usd: 4 })).commit({ usd: 1 });
      assert.equal(budget.remaining()["usd"], 9);
      await (await budget.reserve({ usd: 4 })).commit({ usd: 6 });
      assert.equal(budget.remaining()["usd"], 3);
      await (await budget.reserve({ usd: 3 })).commit({ usd: 8 });
      await rejectsWithCode(budget.reserve({ usd: 0.01 }), "PORT_BUDGET_EXHAUSTED");
    },
  },
  {
    name: "everything that is left can be reserved, and nothing beyond it",
    run: async (budget) => {
      await budget.reserve({ usd: 10 });
      await budget.reserve({ usd: 0 });
      await rejectsWithCode(budget.reserve({ usd: 0.01 }), "PORT_BUDGET_EXHAUSTED");
    },
  },
  {
    name: "decimal fractions add up: a limit of 10 is ten times ten tenths",
    run: async (budget) => {
      for (let turn = 0; turn < 100; turn += 1) await (await budget.reserve({ usd: 0.1 })).commit({ usd: 0.1 });
      await rejectsWithCode(budget.reserve({ usd: 0.1 }), "PORT_BUDGET_EXHAUSTED");
    },
  },
  {
    name: "a refusal sets nothing aside, of no unit",
    run: async (budget) => {
      await rejectsWithCode(budget.reserve({ usd: 1, trials: 4 }), "PORT_BUDGET_EXHAUSTED");
      assert.deepEqual(budget.remaining(), { usd: 10, trials: 3 });
    },
  },
  {
    name: "units without a limit can always be reserved and are absent from what remains",
    run: async (budget) => {
      const reservation = await budget.reserve({ seconds: 1e9, usd: 1 });
      await reservation.commit({ seconds: 2e9, usd: 1 });
      assert.deepEqual(budget.remaining(), { usd: 9, trials: 3 });
    },
  },
  {
    name: "a reservation is a budget: what is spent within it is counted once",
    run: async (budget) => {
      const outer = await budget.reserve({ usd: 6 });
      const inner = await outer.reserve({ usd: 4 });
      assert.equal(budget.remaining()["usd"], 4);
      assert.equal(outer.remaining()["usd"], 2);
      await inner.commit({ usd: 3 });
      assert.equal(outer.remaining()["usd"], 3);
      assert.equal(budget.remaining()["usd"], 4);
      await outer.commit({ usd: 3 });
      assert.equal(budget.remaining()["usd"], 7);
    },
  },
  {
    name: "within a reservation no more can be reserved than it set aside",
    run: async (budget) => {
      const outer = await budget.reserve({ usd: 2 });
      await outer.reserve({ usd: 1.5 });
      await rejectsWithCode(outer.reserve({ usd: 1 }), "PORT_BUDGET_EXHAUSTED");
    },
  },
  {
    name: "a unit the reservation did not set aside is taken from the budget above it",
    run: async (budget) => {
      const outer = await budget.reserve({ usd: 2 });
      const inner = await outer.reserve({ trials: 2 });
      assert.equal(budget.remaining()["trials"], 1);
      await rejectsWithCode(outer.reserve({ trials: 2 }), "PORT_BUDGET_EXHAUSTED");
      await inner.commit({ trials: 1 });
      assert.equal(budget.remaining()["trials"], 2);
    },
  },
  {
    name: "releasing a reservation keeps what was committed within it counted",
    run: async (budget) => {
      const outer = await budget.reserve({ usd: 6 });
      await (await outer.reserve({ usd: 2 })).commit({ usd: 2 });
      await outer.release();
      assert.equal(budget.remaining()["usd"], 8);
    },
  },
  {
    name: "a reservation ends once: a second ending rejects with PORT_TRANSITION_ILLEGAL and counts nothing",
    run: async (budget) => {
      const reservation = await budget.reserve({ usd: 4 });
      await reservation.commit({ usd: 1 });
      await rejectsWithCode(reservation.commit({ usd: 1 }), "PORT_TRANSITION_ILLEGAL");
      await rejectsWithCode(reservation.release(), "PORT_TRANSITION_ILLEGAL");
      await rejectsWithCode(reservation.reserve({ usd: 1 }), "PORT_CLOSED");
      assert.equal(budget.remaining()["usd"], 9);
    },
  },
  {
    name: "of many who reserve at once no more get through than the limit allows",
    run: async (budget) => {
      const settled = await Promise.allSettled(
        Array.from({ length: 20 }, () => budget.reserve({ trials: 1, usd: 0.1 })),
      );
      assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 3);
      for (const result of settled) {
        if (result.status === "rejected") assert.ok(hasCode(result.reason, "PORT_BUDGET_EXHAUSTED"));
      }
    },
  },
  {
    name: "amounts below zero and amounts that are no number are a RangeError",
    run: async (budget) => {
      await assert.rejects(budget.reserve({ usd: -1 }), RangeError);
      await assert.rejects(budget.reserve({ usd: Number.NaN }), RangeError);
      assert.deepEqual(budget.remaining(), { usd: 10, trials: 3 });
    },
  },
  {
    name: "an aborted signal rejects with its reason and sets nothing aside",
    run: async (budget) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(budget.reserve({ usd: 1 }, { signal }), reason);
      assert.deepEqual(budget.remaining(), { usd: 10, trials: 3 });
    },
  },
];
