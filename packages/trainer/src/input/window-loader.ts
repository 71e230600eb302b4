import type { RowWindow } from "@millwright/data";
import { RowReader, type ReadableRows } from "./row-reader.ts";
import type { WindowLoader } from "./streamed-rows.ts";
import type { StepRows } from "./training-rows.ts";

/** Reads in this thread, one window after another. */
export function createWindowLoader(rows: ReadableRows): WindowLoader {
  const reader = new RowReader(rows);
  const left = new AbortController();
  let last: Promise<void> = Promise.resolve();
  const load = async (ranges: RowWindow["ranges"], target: StepRows): Promise<void> => {
    let at = 0;
    for (const range of ranges) {
      left.signal.throwIfAborted();
      await reader.read(range, target, at, left.signal);
      at += range.end - range.start;
    }
  };
  return {
    load(ranges, target) {
      const loading = last.then(() => load(ranges, target));
      last = loading.catch(() => {});
      return loading;
    },
    async [Symbol.asyncDispose]() {
      left.abort();
      await last;
      await reader.close();
    },
  };
}
