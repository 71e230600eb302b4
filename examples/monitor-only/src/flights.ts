import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Batch } from "@millwright/contracts";
import { createRandom } from "@millwright/contracts";
import { asFloat64, batchOf, fromIpc, sliceBatch, takeRows } from "@millwright/data";

/** What callers say of a flight: miles, and the hour of the day that it leaves at. */
export const features = ["distance", "time"] as const;
export type Flight = Readonly<Record<(typeof features)[number], number>>;

/** 231,083 US flights of 2001, shuffled: those that the model learns from, and those that come later. `late`: 15 minutes or more. */
export async function readFlights(): Promise<{ readonly train: Batch; readonly later: Batch }> {
  const path = fileURLToPath(new URL("../data/flights-200k.arrow", import.meta.resolve("vega-datasets")));
  const batches = fromIpc(await readFile(path));
  const flights = batchOf(
    Object.fromEntries(
      ["distance", "time", "delay"].map((name) => [
        name,
        Float64Array.from(batches.flatMap((batch) => Array.from(asFloat64(batch.columns[name]!)))),
      ]),
    ),
  );
  const delays = asFloat64(flights.columns["delay"]!);
  const whole = batchOf({
    distance: flights.columns["distance"]!,
    time: flights.columns["time"]!,
    late: Float64Array.from(delays, (delay) => (delay >= 15 ? 1 : 0)),
  });
  const random = createRandom(2001);
  const order = Int32Array.from({ length: whole.length }, (_, row) => row);
  for (let row = order.length - 1; row > 0; row -= 1) {
    const other = random.integer(row + 1);
    [order[row], order[other]] = [order[other]!, order[row]!];
  }
  const shuffled = takeRows(whole, order);
  return { train: sliceBatch(shuffled, 0, 100_000), later: sliceBatch(shuffled, 100_000, whole.length) };
}
