import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startTransform, type TransformOptions } from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { folder } from "./transforms-of-files.ts";

interface Run {
  readonly content: string;
  readonly contentType?: string;
  /** What the model answers to a body. */
  readonly answer: (body: string) => string;
}

/** @returns what the model was sent, and the output. */
async function processed(
  { content, contentType = "application/jsonlines", answer }: Run,
  options: Partial<TransformOptions>,
): Promise<{ readonly sent: readonly string[]; readonly output: string }> {
  await using files = await folder();
  await writeFile(join(files.input, "x"), content);
  const sent: string[] = [];
  const target: NonNullable<TransformOptions["target"]> = {
    name: "told",
    invoke({ body }) {
      sent.push(Buffer.from(body as Uint8Array).toString("utf8"));
      return Promise.resolve({ status: 200, body: Buffer.from(answer(sent.at(-1) ?? "")) });
    },
  };
  await startTransform({
    target,
    input: join(files.input, "x"),
    output: files.output,
    contentType,
    ...options,
  }).result();
  return { sent, output: await readFile(join(files.output, "x.out"), "utf8") };
}

// The examples of "Associate Prediction Results with Input Records" in SageMaker's developer guide.
test("BT-4: the guide's first example: inferences alone, said or not said", async () => {
  const run: Run = { content: '{"key":1}\n', answer: () => '{"label":1}' };
  for (const options of [{}, { inputFilter: "$", joinSource: "None", outputFilter: "$" }] as const)
    expect(await processed(run, options)).toEqual({ sent: ['{"key":1}\n'], output: '{"label":1}\n' });
});

test("BT-4: the guide's second example: the answer joins an object as SageMakerOutput, stands beside other JSON, follows cells", async () => {
  const join = { joinSource: "Input" } as const;
  const label = (): string => '{"label":1}';
  expect((await processed({ content: '{"key":1}\n', answer: label }, join)).output).toBe(
    '{"key":1,"SageMakerOutput":{"label":1}}\n',
  );
  expect((await processed({ content: "[1,2]\n", answer: label }, join)).output).toBe(
    '{"SageMakerInput":[1,2],"SageMakerOutput":{"label":1}}\n',
  );
  const csv: Run = { content: "1,2,3\n", contentType: "text/csv", answer: () => "1\n" };
  expect((await processed(csv, join)).output).toBe("1,2,3,1\n");
  // What the input calls SageMakerOutput is overwritten, as the guide warns.
  expect((await processed({ content: '{"SageMakerOutput":0,"key":1}\n', answer: label }, join)).output).toBe(
    '{"key":1,"SageMakerOutput":{"label":1}}\n',
  );
});

test("BT-4: the guide's third example: a column of ids is not sent, and is in the output (CSV)", async () => {
  const run: Run = { content: "id-1,1,2,3,4\nid-2,5,6,7,8\n", contentType: "text/csv", answer: () => "0.1\n0.9\n" };
  const ids = { inputFilter: "$[1:]", joinSource: "Input" } as const;
  expect(await processed(run, { ...ids, outputFilter: "$" })).toEqual({
    sent: ["1,2,3,4\n5,6,7,8\n"],
    output: "id-1,1,2,3,4,0.1\nid-2,5,6,7,8,0.9\n",
  });
  expect((await processed(run, { ...ids, outputFilter: "$[0,-1]" })).output).toBe("id-1,0.1\nid-2,0.9\n");
});

test("BT-4: the guide's fourth example: an id is not sent, and is in the output (JSON)", async () => {
  const run: Run = {
    content: '{"id":1,"features":[1,2]}\n{"id":2,"features":[3,4]}\n',
    answer: () => '{"score":0.1}\n{"score":0.9}\n',
  };
  const options = {
    inputFilter: "$.features",
    joinSource: "Input",
    outputFilter: "$['id','SageMakerOutput']",
  } as const;
  expect(await processed(run, options)).toEqual({
    sent: ["[1,2]\n[3,4]\n"],
    output: '{"id":1,"SageMakerOutput":{"score":0.1}}\n{"id":2,"SageMakerOutput":{"score":0.9}}\n',
  });
});

/** What a path takes of a value, or how it fails. The first lines are the guide's table of operators. */
const paths: readonly (readonly [path: string, value: string, taken: string])[] = [
  ["$", '{"id":1}', '{"id":1}'],
  ["$.id", '{"id":{"a":1}}', '{"a":1}'],
  ["$.id.*", '{"id":{"a":1,"b":[2]}}', "[1,[2]]"],
  ["$['id','SageMakerOutput']", '{"SageMakerOutput":2,"x":0,"id":1}', '{"id":1,"SageMakerOutput":2}'],
  ["$[1]", "[0,1,2]", "1"],
  ["$[1,3,5]", "[0,1,2,3,4,5]", "[1,3,5]"],
  ["$[2:5]", "[0,1,2,3,4,5]", "[2,3,4]"],
  ["$[:5]", "[0,1,2,3,4,5]", "[0,1,2,3,4]"],
  ["$[2:]", "[0,1,2,3,4,5]", "[2,3,4,5]"],
  ["$.field1.['child1','child2']", '{"field1":{"child1":1,"child2":2,"child3":3}}', '{"child1":1,"child2":2}'],
  ["$[-1]", "[0,1,2]", "2"],
  ["$[-2:]", "[0,1,2]", "[1,2]"],
  ["$[*]", "[0,1]", "[0,1]"],
  ["$.*", '{"a":1,"b":2}', "[1,2]"],
  ["$[0:2].a", '[{"a":1},{"b":2},{"a":3}]', "[1]"],
  ["$['a b']", '{"a b":1}', "1"],
  ["$['it\\'s']", '{"it\'s":1}', "1"],
  ["$.a[0].b", '{"a":[{"b":7}]}', "7"],
  // The text of what passes is not written anew.
  ["$.id", '{"id":12345678901234567890}', "12345678901234567890"],
  ["$", '{ "x" : 1.0, "y":1e3 }', '{ "x" : 1.0, "y":1e3 }'],
  ["$['x']", '{"x":1.0}', "1.0"],
  ["$.t", '{"t":"a \\"b\\" , ] } \\\\"}', '"a \\"b\\" , ] } \\\\"'],
  ["$.id", '{"x":1}', "nothing"],
  ["$[3]", "[0,1]", "nothing"],
  ["$.a", "[1]", "nothing"],
  ["$[0]", '{"a":1}', "nothing"],
  ["id", "{}", "invalid"],
  ["$..id", "{}", "invalid"],
  ["$[?(@.a>1)]", "{}", "invalid"],
  ["$['a", "{}", "invalid"],
  ["$.", "{}", "invalid"],
  [`$.${"x".repeat(62)}`, "{}", "invalid"],
];

test("BT-4: the operators of the guide's table take what Jayway's JsonPath takes", async () => {
  for (const [inputFilter, value, taken] of paths) {
    const run = processed({ content: `${value}\n`, answer: () => "1" }, { inputFilter });
    if (taken === "nothing")
      await expect(run, inputFilter).rejects.toMatchObject({ code: "SERVING_TRANSFORM_RECORD_INVALID" });
    else if (taken === "invalid")
      await expect(run, inputFilter).rejects.toMatchObject({ code: "SERVING_TRANSFORM_INVALID" });
    else expect((await run).sent, inputFilter).toEqual([`${taken}\n`]);
  }
});

test("BT-4: rows of CSV are filtered by place alone, and keep their quotes where they need them", async () => {
  const run: Run = { content: '"a, b","line\nfeed",3\n', contentType: "text/csv", answer: () => '"x ""y""",2\n' };
  const options = { inputFilter: "$[1:]", joinSource: "Input", outputFilter: "$[0,1,3]" } as const;
  expect(await processed(run, options)).toEqual({
    sent: ['"line\nfeed",3\n'],
    output: '"a, b","line\nfeed","x ""y"""\n',
  });
  for (const inputFilter of ["$.features", "$['a','b']", "$[0].x"])
    await expect(processed(run, { inputFilter })).rejects.toMatchObject({ code: "SERVING_TRANSFORM_INVALID" });
  await expect(processed(run, { joinSource: "Input", accept: "application/json" })).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_INVALID",
  });
  await expect(
    processed({ ...run, contentType: "image/png" }, { splitType: "Line", inputFilter: "$[1]" }),
  ).rejects.toMatchObject({ code: "SERVING_TRANSFORM_INVALID" });
});

test("BT-4: an answer of one JSON document for many records falls into its predictions", async () => {
  const run: Run = { content: "[1]\n[2]\n", answer: () => '{"predictions":[[0.10], [0.90]]}' };
  const options = { accept: "application/json", joinSource: "Input" } as const;
  expect((await processed(run, options)).output).toBe(
    '{"SageMakerInput":[1],"SageMakerOutput":[0.10]}\n{"SageMakerInput":[2],"SageMakerOutput":[0.90]}\n',
  );
  await expect(processed({ ...run, answer: () => '{"predictions":[1]}' }, options)).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_ANSWER_INVALID",
  });
});
