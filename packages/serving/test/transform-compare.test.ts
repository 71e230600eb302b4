import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compareScores, compareTransforms } from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { denseRuntime, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";

test("BT-15: two outputs are compared number by number", async () => {
  await using files = await folder();
  const champion = join(files.root, "champion.out");
  const candidate = join(files.root, "candidate.out");
  await writeFile(champion, "a,0.25\nb,0.5\nc,0.75\nd,1\ne,null\nf,0\n");
  await writeFile(candidate, "a,0.5\nb,0.25\nc,0.75\nd,0.875\ne,null\nf,x\n");
  // Differences: 0.25, −0.25, 0, −0.125 over four records where both are numbers.
  const comparison = await compareScores(champion, candidate, { examples: 2 });
  expect(comparison).toEqual({
    records: 6,
    equal: 2,
    different: 4,
    unreadable: 2,
    meanDifference: -0.125 / 4,
    meanAbsoluteDifference: 0.625 / 4,
    rootMeanSquaredDifference: Math.sqrt((0.0625 + 0.0625 + 0.015625) / 4),
    largestDifference: 0.25,
    // Means 0.625 and 0.59375; products of deviations over the squares of both.
    correlation: expect.closeTo(0.203125 / Math.sqrt(0.3125 * 0.23046875), 12),
    raised: 1,
    lowered: 1,
    examples: [
      { record: 0, champion: 0.25, candidate: 0.5 },
      { record: 1, champion: 0.5, candidate: 0.25 },
    ],
  });
  expect(await compareScores(champion, candidate, { tolerance: 0.25, threshold: 0.8 })).toMatchObject({
    equal: 5,
    raised: 0,
    lowered: 0,
    examples: [],
  });
  await writeFile(candidate, "1\n2\n");
  await expect(compareScores(champion, candidate)).rejects.toMatchObject({ code: "SERVING_TRANSFORM_INVALID" });
  await expect(compareScores(champion, join(files.root, "none"))).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_INPUT_MISSING",
  });
});

test("BT-15: scores of JSON are found by name", async () => {
  await using files = await folder();
  const [champion, candidate] = [join(files.root, "a"), join(files.root, "b")];
  await writeFile(champion, '{"score":1,"id":7}\n{"score":2}\n');
  await writeFile(candidate, '{"score":3,"id":8}\n{"score":2}\n');
  const contentType = "application/jsonlines";
  expect(await compareScores(champion, candidate, { contentType, score: "score" })).toMatchObject({
    equal: 1,
    largestDifference: 2,
    meanDifference: 1,
  });
  expect(await compareScores(champion, champion, { contentType, score: "id" })).toMatchObject({
    equal: 2,
    unreadable: 1,
  });
});

test("BT-15: two versions take the same records, and what they differ in is exact", async () => {
  await using models = await packFolder(2);
  await using files = await folder();
  const rows = Array.from({ length: 400 }, (_, at) => [at / 40, -at / 30, (at % 13) / 3, at % 5]);
  for (const [name, part] of [
    ["a.csv", rows.slice(0, 250)],
    ["b.csv", rows.slice(250)],
  ] as const)
    await writeFile(join(files.input, name), part.map((row) => `${row.join(",")}\n`).join(""));
  const version = (number: number) => ({
    model: { source: models.source, runtimes: [denseRuntime()], model: `late/${number}` },
  });
  const compared = await compareTransforms({
    champion: version(1),
    candidate: version(2),
    input: files.input,
    output: files.output,
  });
  expect(Object.keys(compared.objects)).toEqual(["a.csv", "b.csv"]);
  expect([compared.champion, compared.candidate].map(({ manifest }) => manifest?.model?.version)).toEqual([1, 2]);
  for (const [name, comparison] of Object.entries(compared.objects)) {
    const [x, y] = (await Promise.all(
      ["champion", "candidate"].map(async (side) =>
        (await readFile(join(files.output, side, `${name}.out`), "utf8")).trimEnd().split("\n").map(Number),
      ),
    )) as [number[], number[]];
    const differences = x.map((value, at) => (y[at] as number) - value);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const raised = x.filter((value, at) => value < 0.5 && (y[at] as number) >= 0.5).length;
    expect(comparison).toMatchObject({
      records: x.length,
      equal: differences.filter((each) => each === 0).length,
      meanDifference: expect.closeTo(mean(differences), 14),
      meanAbsoluteDifference: expect.closeTo(mean(differences.map(Math.abs)), 14),
      rootMeanSquaredDifference: expect.closeTo(Math.sqrt(mean(differences.map((each) => each * each))), 14),
      largestDifference: Math.max(...differences.map(Math.abs)),
      raised,
    });
    expect(comparison.examples[0]).toEqual({
      record: differences.findIndex((each) => Math.abs(each) === comparison.largestDifference),
      champion: expect.any(Number),
      candidate: expect.any(Number),
    });
  }
  const same = await compareTransforms({
    champion: version(1),
    candidate: version(1),
    input: files.input,
    output: files.output,
    name: "same",
  });
  expect(Object.values(same.objects).map(({ different }) => different)).toEqual([0, 0]);
});
