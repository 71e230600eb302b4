import { createRandom } from "@millwright/contracts";
import * as grpc from "@grpc/grpc-js";
import { listenGrpc } from "../src/grpc.ts";
import { type Message, client, features, oip, raw, typeOf } from "./grpc-client.ts";
import { denseRuntime, expected, packFolder } from "./models.ts";
import { openModelServer } from "@millwright/serving";
import { type DataCaptureOptions, type Exchange, createRedactor, openDataCapture } from "@millwright/serving/capture";
import { describe, expect, it } from "vitest";
import { mountSmallDisk } from "../../monitor/test/small-disk.ts";
import { capturedLines, filesBelow, temporary } from "./capture-files.ts";

const row = [0.1, -0.2, 0.3, 0.4];

async function serve(options: DataCaptureOptions) {
  const folder = await packFolder(1);
  const capture = await openDataCapture({ maxDiskShare: 1, ...options });
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    exchanges: capture,
  });
  const post = (body: string, type = "application/json", headers: Readonly<Record<string, string>> = {}) =>
    server.handle(
      new Request("http://localhost/invocations", {
        method: "POST",
        body,
        headers: { "content-type": type, ...headers },
      }),
    );
  return {
    capture,
    server,
    post,
    async [Symbol.asyncDispose]() {
      await server.drain();
      await capture[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const exchange: Exchange = {
  endpoint: "late",
  variant: "main",
  input: { contentType: "text/csv", bytes: Buffer.from("1,2") },
  output: { contentType: "text/csv", bytes: "3" },
};

describe("data capture", () => {
  it("SV-39: writes SageMaker's records into SageMaker's folders, of the bytes that came and went", async () => {
    await using directory = await temporary();
    await using open = await serve({ directory: directory.path, sampleShare: 1 });
    const json = JSON.stringify({ instances: [row] });
    const answer = await (await open.post(json, undefined, { "x-amzn-sagemaker-inference-id": "i-1" })).text();
    const csv = `${row.join(",")}\n`;
    await open.post(csv, "text/csv", { accept: "application/json" });
    await open.post(Buffer.from(json).toString(), "application/json", { accept: "application/x-npy" });
    expect((await open.post('{"instances":[[1]]}')).status).toBe(400);
    await open.capture.flush();
    const [[path = ""] = []] = await filesBelow(directory.path);
    expect(path).toMatch(/^late\/main\/\d{4}\/\d\d\/\d\d\/\d\d\/\d\d-\d\d-\d{3}-[\w-]{36}\.jsonl$/);
    const [first, second, third, ...rest] = await capturedLines(directory.path);
    expect(rest).toEqual([]);
    expect(first).toEqual({
      captureData: {
        endpointInput: { observedContentType: "application/json", mode: "INPUT", data: json, encoding: "JSON" },
        endpointOutput: { observedContentType: "application/json", mode: "OUTPUT", data: answer, encoding: "JSON" },
      },
      eventMetadata: {
        eventId: expect.stringMatching(/^[\da-f-]{36}$/),
        inferenceId: "i-1",
        inferenceTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      },
      eventVersion: "0",
    });
    expect(JSON.parse(answer)).toEqual({ predictions: [expect.closeTo(expected(1, row), 6)] });
    expect(second?.captureData.endpointInput).toEqual({
      observedContentType: "text/csv",
      mode: "INPUT",
      data: csv,
      encoding: "CSV",
    });
    expect(third?.captureData.endpointOutput?.encoding).toBe("BASE64");
    expect(
      Buffer.from(third?.captureData.endpointOutput?.data ?? "", "base64")
        .subarray(1, 6)
        .toString(),
    ).toBe("NUMPY");
    expect(open.capture.counts()).toMatchObject({ seen: 3, sampled: 3, written: 3 });
  });

  it("SV-39: takes the share it is told, within three standard deviations, and one side where it is told so", async () => {
    for (const [share, seed] of [
      [0.2, 1],
      [0.5, 2],
      [0.01, 3],
      [0, 4],
      [1, 5],
    ] as const) {
      await using directory = await temporary();
      await using capture = await openDataCapture({
        directory: directory.path,
        maxDiskShare: 1,
        random: createRandom(seed),
        content: "output",
        ...(share === 0.2 ? {} : { sampleShare: share }),
      });
      const total = 5_000;
      for (let at = 0; at < total; at += 1) capture.exchange(exchange);
      await capture.flush();
      const lines = await capturedLines(directory.path);
      expect(Math.abs(lines.length - share * total)).toBeLessThanOrEqual(3 * Math.sqrt(total * share * (1 - share)));
      expect(lines.every(({ captureData }) => Object.keys(captureData).join() === "endpointOutput")).toBe(true);
    }
  });

  it("SV-39: drops what it has no time for, and counts it; each request is answered", async () => {
    await using directory = await temporary();
    await using open = await serve({
      directory: directory.path,
      sampleShare: 1,
      maxQueueBytes: 5_000,
      flushMs: 60_000,
    });
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => open.post(JSON.stringify({ instances: [row] }))),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await open.capture.flush();
    const { written, sampled, dropped } = open.capture.counts();
    expect(sampled).toBe(50);
    expect(written).toBeGreaterThan(0);
    expect(dropped.queue).toBe(50 - written);
    expect(dropped.queue).toBeGreaterThan(30);
    expect(await capturedLines(directory.path)).toHaveLength(written);
  });

  it("SV-39: stops at its share of the disk and at a full disk; serving goes on, drops are counted, and it goes on when there is room", async (context) => {
    await using disk = await mountSmallDisk(256);
    if (disk === undefined) return context.skip("this process may not mount a tmpfs: run it as root on Linux");
    for (const maxDiskShare of [0.75, 1]) {
      await using open = await serve({ directory: `${disk.directory}/${maxDiskShare}`, sampleShare: 1, maxDiskShare });
      const ask = async (): Promise<void> => {
        const answers = await Promise.all(
          Array.from({ length: 20 }, () => open.post(JSON.stringify({ instances: [row] }))),
        );
        expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
        await open.capture.flush();
      };
      await ask();
      expect(open.capture.counts()).toMatchObject({ written: 20, dropped: { disk: 0 } });
      await disk.fill(maxDiskShare === 1 ? 0 : 32_768);
      await ask();
      await ask();
      const { written, dropped } = open.capture.counts();
      // On the full disk what fits into the last block is still written.
      expect(dropped.disk).toBeGreaterThanOrEqual(20);
      expect(written + dropped.disk).toBe(60);
      await disk.free();
      await ask();
      expect(open.capture.counts()).toMatchObject({ written: written + 20, dropped });
      // Every line is whole.
      expect(await capturedLines(`${disk.directory}/${maxDiskShare}`)).toHaveLength(written + 20);
    }
  });

  it("SV-39: captures what is asked over gRPC, call by call and in a stream, and what is answered line by line; masked where a redactor says so", async () => {
    for (const redactor of [undefined, createRedactor({ fields: { probability: "keep", predictions: "keep" } })]) {
      await using directory = await temporary();
      const options =
        redactor === undefined ? {} : { redactor, inputColumns: ["a", "b", "c", "d"], outputColumns: ["predictions"] };
      await using open = await serve({ directory: directory.path, sampleShare: 1, ...options });
      await using listener = await listenGrpc(open.server, { grpc, port: 0 });
      using to = client(listener);
      const asked = { model_name: "late", inputs: [features], raw_input_contents: [raw(row)] };
      await to.infer({ ...asked, id: "g-1" }, { metadata: { "x-request-id": "g-1" } });
      await expect(to.infer({ ...asked, model_name: "nobody" })).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
      expect(
        await streamed(to, [
          { ...asked, id: "s-1" },
          { ...asked, model_name: "nobody" },
          { ...asked, id: "s-2" },
        ]),
      ).toBe(3);
      const lines = `${JSON.stringify(row)}\n`;
      for (const [accept, id] of [
        ["application/jsonlines", "l-1"],
        ["text/event-stream", "e-1"],
      ] as const) {
        const pieces = new ReadableStream({
          start(controller) {
            controller.enqueue(Buffer.from(lines));
            controller.close();
          },
        });
        const headers = { "content-type": "application/jsonlines", accept, "x-request-id": id };
        const init = { method: "POST", body: pieces, duplex: "half", headers } as RequestInit;
        const answer = await open.server.handle(new Request("http://localhost/invocations", init));
        expect([answer.status, (await answer.text()).includes(String(expected(1, row)).slice(0, 4))]).toEqual([
          200,
          true,
        ]);
      }
      await open.capture.flush();
      expect(open.capture.counts()).toMatchObject({ seen: 5, written: 5, dropped: { redaction: 0 } });
      const found = new Map(
        (await capturedLines(directory.path)).map((line) => [line.eventMetadata.inferenceId, line.captureData]),
      );
      expect(new Set(found.keys())).toEqual(new Set(["e-1", "g-1", "l-1", "s-1", "s-2"]));
      for (const id of ["g-1", "s-1", "s-2"]) {
        const { endpointInput, endpointOutput } = found.get(id) ?? {};
        expect(JSON.parse(endpointInput?.data ?? "")).toEqual({
          id,
          inputs: [
            {
              name: "features",
              datatype: "FP32",
              shape: [1, 4],
              data:
                redactor === undefined
                  ? row.map(Math.fround)
                  : ["[redacted]", "[redacted]", "[redacted]", "[redacted]"],
            },
          ],
        });
        expect(endpointOutput?.encoding).toBe("JSON");
        expect(JSON.parse(endpointOutput?.data ?? "")).toMatchObject({
          model_name: "late",
          outputs: [{ name: "probability", data: [expect.closeTo(expected(1, row), 6)] }],
        });
      }
      for (const id of ["l-1", "e-1"]) {
        const { endpointInput, endpointOutput } = found.get(id) ?? {};
        expect(endpointInput?.data.trim()).toBe(
          redactor === undefined ? lines.trim() : JSON.stringify(Array(4).fill("[redacted]")),
        );
        expect(Number(JSON.parse(endpointOutput?.data ?? ""))).toBeCloseTo(expected(1, row), 6);
      }
      if (redactor !== undefined) {
        const bytes = Buffer.concat([...(await filesBelow(directory.path)).values()]).toString("latin1");
        for (const value of row) expect(bytes).not.toContain(String(Math.fround(value)));
      }
    }
  });
});

/** @returns how many answers a stream of requests had. */
function streamed({ connection }: ReturnType<typeof client>, messages: readonly Message[]): Promise<number> {
  const encode = (message: Message): Buffer =>
    Buffer.from(typeOf("InferRequest").encode(typeOf("InferRequest").fromObject(message)).finish());
  return new Promise((resolve, reject) => {
    const call = connection.makeBidiStreamRequest(`${oip}/ModelStreamInfer`, encode, (bytes) => bytes);
    let answers = 0;
    call
      .on("data", () => (answers += 1))
      .on("error", reject)
      .on("end", () => resolve(answers));
    for (const message of messages) call.write(message);
    call.end();
  });
}
