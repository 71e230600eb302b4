import { spawnSync } from "node:child_process";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { recordsOf, torture } from "./csv-torture.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const hasPython = spawnSync(python, ["-c", "import csv"]).status === 0;

test("BT-6: Python's csv module finds the same records in the same torture", async (context) => {
  context.skip(!hasPython && process.env["CI"] !== "true", `MILLWRIGHT_PYTHON names no Python that runs: ${python}`);
  const random = createRandom(11);
  const text = Array.from({ length: 400 }, () => torture[random.integer(torture.length)]).join("\r\n");
  const read = "csv.reader(io.StringIO(text, newline=''))";
  const script = `import csv, io, json, sys; print(json.dumps([list(${read}) for text in json.load(sys.stdin)]))`;
  /** The rows of each text. */
  const rowsOf = (texts: readonly string[]): readonly (readonly unknown[])[] =>
    JSON.parse(spawnSync(python, ["-c", script], { input: JSON.stringify(texts), encoding: "utf8" }).stdout);
  const [rows] = rowsOf([text]);
  const ours = await recordsOf(text);
  // Each of our records, read alone, is the row that Python found in its place.
  expect(rowsOf(ours)).toEqual(rows?.map((row) => [row]));
});
