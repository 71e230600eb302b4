import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { recordsOf, torture } from "./csv-torture.ts";

test("BT-6: records of CSV with line feeds within quotes are cut where RFC 4180 ends them, whatever the line ends", async () => {
  for (const end of ["\n", "\r\n"]) {
    expect(await recordsOf(torture.join(end) + end)).toEqual(torture);
    expect(await recordsOf(torture.join(end))).toEqual(torture);
  }
  expect(await recordsOf(`\ufeff${torture.slice(1).join("\n")}`)).toEqual([`\ufeff${torture[1]}`, ...torture.slice(2)]);
});

test("BT-6: a file of such records is cut the same however it falls into pieces and chunks", async () => {
  const random = createRandom(7);
  const records = Array.from(
    { length: 3000 },
    (_, at) => `${torture[random.integer(torture.length)]},${at},${"x".repeat(random.integer(2000))}`,
  );
  const text = records.join("\n");
  // Pieces of a file are of 1 MiB: this has several, and quotes across their edges.
  expect(Buffer.byteLength(text)).toBeGreaterThan(2 ** 21);
  expect(await recordsOf(text, 100_000)).toEqual(records);
});

test("BT-6: a quote that never ends fails the object and says where", async () => {
  await expect(recordsOf('1,2\n3,"4\n5,6\n')).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_RECORD_INVALID",
    message: expect.stringContaining('record 1 of "x.csv" (byte 4)'),
  });
});
