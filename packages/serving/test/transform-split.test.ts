import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Invocation,
  startTransform,
  type TransformOptions,
  type TransformTarget,
} from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { folder } from "./transforms-of-files.ts";

type Shape = Omit<TransformOptions, "input" | "output" | "target" | "model">;

/** Transforms one object by a target that answers a line for each line it is sent. @returns the bodies it was sent, and the output. */
async function transformed(
  content: string | Uint8Array,
  shape: Shape,
  answer: (body: Buffer) => string = (body) => body.toString("latin1"),
): Promise<{ readonly sent: readonly string[]; readonly output: string }> {
  await using files = await folder();
  const sent: Invocation[] = [];
  const target: TransformTarget = {
    name: "echo",
    async invoke(invocation) {
      const pieces: Uint8Array[] = [];
      if (invocation.body instanceof Uint8Array) pieces.push(invocation.body);
      else for await (const piece of invocation.body) pieces.push(piece);
      const body = Buffer.concat(pieces);
      sent.push({ ...invocation, body });
      return { status: 200, body: Buffer.from(answer(body), "latin1") };
    },
  };
  await writeFile(join(files.input, "x"), content);
  await startTransform({ target, input: join(files.input, "x"), output: files.output, ...shape }).result();
  return {
    sent: sent.map(({ body }) => Buffer.from(body as Uint8Array).toString("latin1")),
    output: await readFile(join(files.output, "x.out"), "latin1"),
  };
}

/** So many bytes, in SageMaker's unit. */
const bytes = (count: number): number => count / 2 ** 20;

const framed = (content: string | Buffer): Buffer => {
  const body = Buffer.from(content as string, "latin1");
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0xced7230a, 0);
  header.writeUInt32LE(body.length, 4);
  return Buffer.concat([header, body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
};

const lines = "aaaa\nbb\ncccccc\nd\n";
const frames = Buffer.concat(["aaaa", "bb", "cccccc", "d"].map(framed));
// What a payload of 8 bytes holds, and of one more or less: lines count with their ends when they go together, without them when alone.
const boundaries: readonly (readonly [string, string | Buffer, Shape, readonly string[] | "refused"])[] = [
  [
    "Line, MultiRecord, 7",
    lines,
    { splitType: "Line", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(7) },
    ["aaaa\n", "bb\n", "cccccc\n", "d\n"],
  ],
  [
    "Line, MultiRecord, 8",
    lines,
    { splitType: "Line", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(8) },
    ["aaaa\nbb\n", "cccccc\n", "d\n"],
  ],
  [
    "Line, MultiRecord, 9",
    lines,
    { splitType: "Line", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(9) },
    ["aaaa\nbb\n", "cccccc\nd\n"],
  ],
  [
    "Line, MultiRecord, 6",
    lines,
    { splitType: "Line", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(6) },
    "refused",
  ],
  [
    "Line, MultiRecord, all",
    lines,
    { splitType: "Line", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(17) },
    [lines],
  ],
  [
    "Line, MultiRecord, all but one",
    lines,
    { splitType: "Line", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(16) },
    ["aaaa\nbb\ncccccc\n", "d\n"],
  ],
  [
    "Line, SingleRecord, 6",
    lines,
    { splitType: "Line", batchStrategy: "SingleRecord", maxPayloadInMB: bytes(6) },
    ["aaaa", "bb", "cccccc", "d"],
  ],
  [
    "Line, SingleRecord, 5",
    lines,
    { splitType: "Line", batchStrategy: "SingleRecord", maxPayloadInMB: bytes(5) },
    "refused",
  ],
  [
    "Line, SingleRecord, no limit",
    lines,
    { splitType: "Line", batchStrategy: "SingleRecord", maxPayloadInMB: 0 },
    ["aaaa", "bb", "cccccc", "d"],
  ],
  ["Line, MultiRecord, streamed", lines, { splitType: "Line", maxPayloadInMB: 0 }, [lines]],
  ["None, 17", lines, { splitType: "None", maxPayloadInMB: bytes(17) }, [lines]],
  ["None, 16", lines, { splitType: "None", maxPayloadInMB: bytes(16) }, "refused"],
  ["None, streamed", lines, { splitType: "None", maxPayloadInMB: 0 }, [lines]],
  // Frames of 12, 12, 16 and 12 bytes.
  [
    "RecordIO, MultiRecord, 23",
    frames,
    { splitType: "RecordIO", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(23) },
    ["aaaa", "bb", "cccccc", "d"].map((each) => framed(each).toString("latin1")),
  ],
  [
    "RecordIO, MultiRecord, 24",
    frames,
    { splitType: "RecordIO", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(24) },
    [frames.subarray(0, 24), frames.subarray(24, 40), frames.subarray(40)].map((each) => each.toString("latin1")),
  ],
  [
    "RecordIO, MultiRecord, 28",
    frames,
    { splitType: "RecordIO", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(28) },
    [frames.subarray(0, 24), frames.subarray(24)].map((each) => each.toString("latin1")),
  ],
  [
    "RecordIO, MultiRecord, 15",
    frames,
    { splitType: "RecordIO", batchStrategy: "MultiRecord", maxPayloadInMB: bytes(15) },
    "refused",
  ],
  [
    "RecordIO, SingleRecord, 6",
    frames,
    { splitType: "RecordIO", batchStrategy: "SingleRecord", maxPayloadInMB: bytes(6) },
    ["aaaa", "bb", "cccccc", "d"],
  ],
  [
    "RecordIO, SingleRecord, 5",
    frames,
    { splitType: "RecordIO", batchStrategy: "SingleRecord", maxPayloadInMB: bytes(5) },
    "refused",
  ],
];

for (const [name, content, shape, wanted] of boundaries) {
  test(`BT-2: what a payload holds, ± 1 byte: ${name}`, async () => {
    const run = transformed(content, { contentType: "application/x-bytes", ...shape });
    if (wanted === "refused") {
      await expect(run).rejects.toMatchObject({ code: "SERVING_TRANSFORM_RECORD_TOO_LARGE", category: "data" });
      return;
    }
    expect((await run).sent).toEqual(wanted);
  });
}

test("BT-2: AssembleWith Line ends every answer with one line feed, None writes them as they come", async () => {
  const alone: Shape = { contentType: "text/csv", splitType: "Line", batchStrategy: "SingleRecord" };
  const answers = async (shape: Shape, answer: (body: Buffer) => string): Promise<string> =>
    (await transformed("1\n2\r\n\n3", { ...alone, ...shape }, answer)).output;
  expect(await answers({ assembleWith: "Line" }, (body) => `<${String(body)}>`)).toBe("<1>\n<2>\n<3>\n");
  expect(await answers({ assembleWith: "Line" }, (body) => `<${String(body)}>\n`)).toBe("<1>\n<2>\n<3>\n");
  expect(await answers({ assembleWith: "None" }, (body) => `<${String(body)}>`)).toBe("<1><2><3>");
  const together: Shape = { contentType: "text/csv", splitType: "Line" };
  expect((await transformed("1\n2\n3", { ...together, assembleWith: "None" })).output).toBe("1\n2\n3");
  expect((await transformed("1\n2\n3", { ...together, assembleWith: "Line" })).output).toBe("1\n2\n3\n");
  expect((await transformed("1\n2\n3\n", together)).output).toBe("1\n2\n3\n");
});

test("BT-2: the limits are SageMaker's: from 0 to 100 MB of payload, 100 MB under way at once, 6 MB where nobody says", async () => {
  const target: TransformTarget = { name: "none", invoke: () => Promise.reject(new Error("Not to be asked.")) };
  const refused = { code: "SERVING_TRANSFORM_INVALID" };
  await using files = await folder();
  await writeFile(join(files.input, "x"), "1\n");
  for (const shape of [
    { maxPayloadInMB: 101 },
    { maxPayloadInMB: -1 },
    { maxPayloadInMB: 20, maxConcurrentTransforms: 6 },
  ])
    await expect(
      startTransform({ target, input: files.input, output: files.output, ...shape }).result(),
    ).rejects.toMatchObject(refused);
  const line = `${"7".repeat(1023)}\n`;
  const six = await transformed(line.repeat(6 * 1024 + 1), { contentType: "text/csv" });
  expect(six.sent.map(({ length }) => length)).toEqual([6 * 2 ** 20, 1024]);
});

test("BT-2: a RecordIO record in several parts, because its content holds the mark, is one record", async () => {
  const mark = Buffer.from([0x0a, 0x23, 0xd7, 0xce]);
  const part = (kind: number, content: string): Buffer => {
    const frame = framed(content);
    frame.writeUInt32LE((kind << 29) | content.length, 4);
    return frame;
  };
  const several = Buffer.concat([framed("first"), part(1, "abcd"), part(2, "efgh"), part(3, "ij"), framed("last")]);
  const shape: Shape = { contentType: "application/x-recordio", splitType: "RecordIO", batchStrategy: "SingleRecord" };
  const { sent } = await transformed(several, shape);
  expect(sent).toEqual(["first", `abcd${mark.toString("latin1")}efgh${mark.toString("latin1")}ij`, "last"]);
});

/** What `MXRecordIO` of mxnet 1.9.1 and `_write_recordio` of the SageMaker Python SDK 2.257 wrote of these contents. */
const written: readonly (readonly [string, string, readonly string[]])[] = [
  [
    "mxnet",
    "0a23d7ce000000000a23d7ce01000000610000000a23d7ce04000020616263640a23d7ce04000040656667680a23d7ce02000060696a00000a23d7ce000000200a23d7ce000000600a23d7ce05000000780a23d7ce0000000a23d7ce040000006c617374",
    ["", "a", "abcd\x0a\x23\xd7\xceefgh\x0a\x23\xd7\xceij", "\x0a\x23\xd7\xce", "x\x0a\x23\xd7\xce", "last"],
  ],
  [
    "sagemaker",
    "0a23d7ce000000000a23d7ce01000000610000000a23d7ce02000000616200000a23d7ce03000000616263000a23d7ce04000000616263640a23d7ce070000007a77c3b66c660a00",
    ["", "a", "ab", "abc", "abcd", "zw\xc3\xb6lf\n"],
  ],
];

test("BT-2: what mxnet and SageMaker's SDK wrote as RecordIO falls into the records that they were given", async () => {
  for (const [writer, hex, contents] of written) {
    const file = Buffer.from(hex, "hex");
    const shape: Shape = { contentType: "application/x-recordio-protobuf", splitType: "RecordIO" };
    const alone = await transformed(file, { ...shape, batchStrategy: "SingleRecord" });
    expect([writer, alone.sent]).toEqual([writer, contents]);
    // Together they keep their framing: the bodies are the file again.
    const together = await transformed(file, { ...shape, maxBatchRecords: 2 });
    expect(together.sent).toHaveLength(contents.length / 2);
    expect(together.sent.join("")).toBe(file.toString("latin1"));
  }
});

test("BT-2: RecordIO that is cut off or out of step fails its object and says where", async () => {
  const shape: Shape = { contentType: "application/x-recordio", splitType: "RecordIO" };
  const code = "SERVING_TRANSFORM_RECORD_INVALID";
  const message = (text: string): unknown => expect.stringContaining(text);
  await expect(transformed(frames.subarray(0, -4), shape)).rejects.toMatchObject({
    code,
    message: message('record 3 of "x" (byte 40)'),
  });
  await expect(transformed(frames.subarray(0, 5), shape)).rejects.toMatchObject({ code, message: message("cut off") });
  await expect(transformed("not framed at all", shape)).rejects.toMatchObject({ code, message: message("mark") });
  await expect(
    transformed(Buffer.concat([framed("a"), Buffer.from([0x0a, 0x23, 0xd7, 0xce, 0, 0, 0, 0x60])]), shape),
  ).rejects.toMatchObject({ code, message: message("out of place") });
});

test("BT-2: an answer that has not as many records as it was sent fails the object", async () => {
  await expect(transformed("1\n2\n3\n", { contentType: "text/csv" }, () => "1\n2\n")).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_ANSWER_INVALID",
    message: expect.stringContaining("2 records for 3"),
  });
});

test("an empty object has an empty output, and nobody is asked", async () => {
  for (const splitType of ["Line", "None", "RecordIO"] as const) {
    const { sent, output } = await transformed("", { contentType: "text/csv", splitType });
    expect([sent, output]).toEqual([[], ""]);
  }
});
