import { createRandom, isMillwrightError } from "@millwright/contracts";
import { expect, test } from "vitest";
import { readInferMessage } from "../src/grpc/infer-messages.ts";
import { modelInferRequest } from "../src/grpc/messages.ts";
import { decode } from "../src/grpc/wire.ts";
import { late, typeOf } from "./grpc-client.ts";

test("20,000 messages with bytes changed, cut or put in are read or refused by listed codes, and none takes long", () => {
  const random = createRandom(11);
  const type = typeOf("InferRequest");
  const contents = {
    fp32_contents: [1, 2],
    bytes_contents: [Buffer.from("ü")],
    int64_contents: [1, -1],
    bool_contents: [true],
  };
  const whole = { ...late, id: "7", parameters: { timeout: { int64_param: 5 } }, outputs: [{ name: "probability" }] };
  const seeds = [
    whole,
    { ...whole, raw_input_contents: [], inputs: [{ name: "x", datatype: "BYTES", shape: [1, 2], contents }] },
  ].map((message) => Buffer.from(type.encode(type.fromObject(message)).finish()));
  const codes = new Set<string>();
  let read = 0;
  let longestMicroseconds = 0;
  for (let round = 0; round < 20_000; round += 1) {
    let bytes = Buffer.from(seeds[round % seeds.length] as Buffer);
    for (let change = random.integer(4); change >= 0; change -= 1) {
      const at = random.integer(bytes.length + 1);
      const kind = random.integer(3);
      if (kind === 0 && at < bytes.length) bytes[at] = random.integer(256);
      else if (kind === 1) bytes = bytes.subarray(0, at);
      else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([random.integer(256), 0xff]), bytes.subarray(at)]);
    }
    // Of processor time: others have the machine, too.
    const start = process.cpuUsage();
    try {
      readInferMessage(decode(modelInferRequest, bytes));
      read += 1;
    } catch (error) {
      if (!isMillwrightError(error)) throw error;
      codes.add(error.code);
    }
    const { user, system } = process.cpuUsage(start);
    longestMicroseconds = Math.max(longestMicroseconds, user + system);
  }
  expect([...codes].toSorted()).toEqual(["SERVING_BODY_INVALID", "SERVING_INPUT_INVALID"]);
  expect(read).toBeGreaterThan(100);
  expect(longestMicroseconds).toBeLessThan(500_000);
});
