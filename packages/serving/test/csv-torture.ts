import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startTransform, type TransformTarget } from "@millwright/serving/transform";
import { folder } from "./transforms-of-files.ts";

/** Writes each record back in brackets, one request a record, so that the output tells where the records were cut. */
const bracketing: TransformTarget = {
  name: "brackets",
  invoke: ({ body }) =>
    Promise.resolve({ status: 200, body: Buffer.from(`"[${Buffer.from(body as Uint8Array).toString("base64")}]"`) }),
};

/** The records that a job finds in a file of CSV. */
export async function recordsOf(content: string, chunkBytes = 512): Promise<readonly string[]> {
  await using files = await folder();
  await writeFile(join(files.input, "x.csv"), content);
  const shape = { batchStrategy: "SingleRecord", maxConcurrentTransforms: 4, chunkBytes } as const;
  await startTransform({ target: bracketing, input: files.input, output: files.output, ...shape }).result();
  const text = await readFile(join(files.output, "x.csv.out"), "utf8");
  return [...text.matchAll(/"\[(.*)\]"\n/g)].map(([, record]) => Buffer.from(record ?? "", "base64").toString("utf8"));
}

/** What RFC 4180 allows and what it does not forbid, each a record. */
export const torture: readonly string[] = [
  "plain,1",
  '"quoted",2',
  '"line\nfeed",3',
  '"carriage return\r\nline feed",4',
  '"two\n\nfeeds",5',
  '"a ""quoted"" word",6',
  '""",\n"",""",7',
  '"","",8',
  ",,9",
  '"ends with a quote""",10',
  '"""",11',
  '"""\n""",12',
  'a quote " within,13',
  'a "quoted" word,14',
  '5" disk,"6""\ndisk",15',
  ' "space before",16',
  '"comma, comma",17',
  'ümläut ✓,"日本\n語",18',
  '"last\n",19',
];
