import assert from "node:assert/strict";
import type { IdSource } from "../id-source.ts";
import type { ContractCase } from "./contract-case.ts";

/** What each source of ids promises. */
export const idSourceContract: readonly ContractCase<IdSource>[] = [
  {
    name: "ids are unique and sort by the order they were made in",
    run: async (ids) => {
      const made = Array.from({ length: 20_000 }, () => ids.next());
      assert.equal(new Set(made).size, made.length);
      assert.deepEqual(made.toSorted(), made);
    },
  },
];
