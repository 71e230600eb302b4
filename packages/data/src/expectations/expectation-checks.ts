import type { Batch } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { isNull } from "../column.ts";
import { asFloat64 } from "../float64.ts";
import { jointKeys } from "../key-text.ts";
import { type CheckLimits, type CheckState, createTally, emptyCheck, isInOrder } from "./check-state.ts";
import { columnsOf, type Expectation } from "./expectation.ts";
import type { ReferenceKeys } from "./reference-keys.ts";
import { type RowExpectation, rowTest } from "./row-tests.ts";

/** Looks at the rows for one expectation. */
export interface Check {
  update(batch: Batch, firstRow: number): void;
  state(): CheckState;
}

export function createCheck(
  expectation: Expectation,
  limits: CheckLimits,
  references: Readonly<Record<string, ReferenceKeys>>,
): Check {
  switch (expectation.kind) {
    case "rowCount":
    case "statistic":
    case "distribution":
      // These read the number of rows and the profile, which all expectations share.
      return { update: () => undefined, state: () => emptyCheck };
    case "unique":
      return uniqueCheck(expectation, limits);
    case "monotonic":
      return monotonicCheck(expectation, limits);
    case "fresh":
      return freshCheck(expectation);
    case "references":
      return rowCheck(expectation, limits, references[expectation.reference]);
    default:
      return rowCheck(expectation, limits, undefined);
  }
}

function rowCheck(expectation: RowExpectation, limits: CheckLimits, references: ReferenceKeys | undefined): Check {
  const tally = createTally(limits);
  return {
    update(batch, firstRow) {
      const test = rowTest(expectation, batch, references);
      const columns =
        expectation.kind === "complete" ? [] : columnsOf(expectation).map((name) => columnOf(batch, name));
      for (let row = 0; row < batch.length; row += 1) {
        if (columns.some((column) => isNull(column, row))) continue;
        const holds = test(row);
        if (holds === true) tally.hold();
        else if (holds === false) tally.violate(firstRow + row);
        else tally.leaveOpen();
      }
    },
    state: tally.state,
  };
}

function uniqueCheck(expectation: Extract<Expectation, { kind: "unique" }>, limits: CheckLimits): Check {
  const tally = createTally(limits);
  const keys = new Map<string, number>();
  return {
    update(batch, firstRow) {
      const keyAt = jointKeys(expectation.columns.map((name) => [name, columnOf(batch, name)] as const));
      for (let row = 0; row < batch.length; row += 1) {
        const key = keyAt(row);
        if (key === undefined) continue;
        if (keys.has(key)) tally.violate(firstRow + row);
        else if (keys.size >= limits.maxKeys) tally.leaveOpen();
        else {
          keys.set(key, firstRow + row);
          tally.hold();
        }
      }
    },
    state: () => ({ ...tally.state(), keys: new Map(keys) }),
  };
}

function monotonicCheck(expectation: Extract<Expectation, { kind: "monotonic" }>, limits: CheckLimits): Check {
  const tally = createTally(limits);
  let ends: CheckState["ends"];
  return {
    update(batch, firstRow) {
      const column = columnOf(batch, expectation.column);
      const values = asFloat64(column);
      for (let row = 0; row < batch.length; row += 1) {
        if (isNull(column, row)) continue;
        const value = values[row] as number;
        if (Number.isNaN(value)) {
          tally.violate(firstRow + row);
          continue;
        }
        if (ends !== undefined && !isInOrder(expectation, ends.last, value)) tally.violate(firstRow + row);
        else tally.hold();
        ends = ends === undefined ? { first: value, firstRow: firstRow + row, last: value } : { ...ends, last: value };
      }
    },
    state: () => ({ ...tally.state(), ...(ends === undefined ? {} : { ends }) }),
  };
}

function freshCheck(expectation: Extract<Expectation, { kind: "fresh" }>): Check {
  let evaluated = 0;
  let newest = Number.NEGATIVE_INFINITY;
  let millisecondsPerUnit = 1;
  return {
    update(batch) {
      const column = columnOf(batch, expectation.column);
      millisecondsPerUnit = column.type === "date" ? 86_400_000 : 1 / 1000;
      const values = asFloat64(column);
      for (let row = 0; row < batch.length; row += 1) {
        if (isNull(column, row)) continue;
        evaluated += 1;
        if ((values[row] as number) > newest) newest = values[row] as number;
      }
    },
    state: () => ({ ...emptyCheck, evaluated, ...(evaluated === 0 ? {} : { newestMs: newest * millisecondsPerUnit }) }),
  };
}
