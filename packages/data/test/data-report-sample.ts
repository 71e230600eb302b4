import { createRandom, type Batch } from "@millwright/contracts";
import { batchOf, column } from "../src/index.ts";

/** A table with something of everything: nulls, tails, dates, long and hostile texts, one value only. */
export function sample(rows = 5000, seed = 7, lateShare = 0.2): Batch {
  const random = createRandom(seed);
  const make = <Each>(value: (row: number) => Each): Each[] => Array.from({ length: rows }, (_, row) => value(row));
  return batchOf({
    distance: column(
      "float64",
      make((row) => (row % 9 === 0 ? null : Math.exp(6 + random.normal()))),
    ),
    delay: column(
      "int32",
      make(() => (random.next() < 0.002 ? 90_000 : Math.round(random.normal() * 30))),
    ),
    departed: column(
      "timestamp",
      make(() => 1_357_034_400_000_000n + BigInt(random.integer(2 ** 31)) * 14_000n),
    ),
    flown: column(
      "date",
      make(() => 15_706 + random.integer(365)),
    ),
    carrier: column(
      "dictionary",
      make(() => ["UA", "AA", "B6", "<script>alert(1)</script>", ""][random.integer(5)]!),
    ),
    tail: column(
      "utf8",
      make(() => (random.next() < 0.3 ? null : `N${random.integer(200)}`)),
    ),
    note: column(
      "utf8",
      make((row) =>
        row % 2 === 0 ? `see https://example.com/"quoted"&'more' ${"long ".repeat(30)}` : "naïve 🛫\u0007",
      ),
    ),
    late: column(
      "bool",
      make(() => random.next() < lateShare),
    ),
    constant: column(
      "float64",
      make(() => 1.5),
    ),
    ratio: column(
      "float32",
      make((row) => (row % 50 === 0 ? Number.NaN : random.next())),
    ),
    nothing: column(
      "float64",
      make(() => null),
    ),
    raw: column(
      "binary",
      make(() => Uint8Array.of(1)),
    ),
  });
}
