import * as grpc from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { listenGrpc } from "../src/grpc.ts";
import { type Message, client, features, floats, late, oip, raw, row } from "./grpc-client.ts";
import { expected } from "./models.ts";
import { echoed, openProtocolServer } from "./protocol-server.ts";

test("SV-3: every method of the gRPC service answers as the protocol says", async () => {
  await using served = await openProtocolServer();
  await using listener = await listenGrpc(served.server, { grpc, port: 0 });
  using to = client(listener);
  const { ask, infer } = to;
  expect(await ask(`${oip}/ServerLive`, ["Empty", "Live"])).toEqual({ live: true });
  expect(await ask(`${oip}/ServerReady`, ["Empty", "Ready"])).toEqual({ ready: true });
  for (const version of ["", "1", "2"])
    expect(await ask(`${oip}/ModelReady`, ["Named", "Ready"], { name: "late", version })).toEqual({ ready: true });
  expect(await ask(`${oip}/ServerMetadata`, ["Empty", "ServerMetadata"])).toEqual({
    name: "millwright",
    version: "1",
    extensions: ["binary_tensor_data", "model_configuration", "statistics", "model_repository"],
  });
  expect(await ask(`${oip}/ModelMetadata`, ["Named", "ModelMetadata"], { name: "late" })).toEqual({
    name: "late",
    versions: ["2", "1"],
    platform: "millwright_dense",
    inputs: [{ name: "features", datatype: "FP32", shape: ["-1", "4"] }],
    outputs: [{ name: "probability", datatype: "FP32", shape: ["-1", "1"] }],
    properties: {},
  });
  const answer = await infer({ ...late, id: "7", outputs: [{ name: "probability" }] });
  expect(answer).toMatchObject({
    model_name: "late",
    model_version: "2",
    id: "7",
    parameters: { request_id: { string_param: "7" }, variant: { string_param: "main" } },
    outputs: [{ name: "probability", datatype: "FP32", shape: ["1", "1"] }],
  });
  expect(floats((answer["raw_output_contents"] as Buffer[])[0])).toEqual([expect.closeTo(expected(2, row), 6)]);
  const old = await infer({
    ...late,
    model_version: "1",
    raw_input_contents: [],
    inputs: [{ ...features, contents: { fp32_contents: row } }],
  });
  expect(old).toMatchObject({
    model_version: "1",
    outputs: [{ contents: { fp32_contents: [expect.closeTo(expected(1, row), 6)] } }],
    raw_output_contents: [],
  });

  const index = (ready = false): Promise<Message> =>
    ask(`${oip}/RepositoryIndex`, ["IndexRequest", "IndexResponse"], { ready });
  const names = async (): Promise<readonly string[]> =>
    ((await index(true))["models"] as Message[]).map(({ name, version, state }) => `${name} ${version} ${state}`);
  expect(await names()).toContain("late 2 READY");
  expect(await names()).not.toContain("late/1 1 READY");
  await ask(`${oip}/RepositoryModelLoad`, ["RepositoryModel", "Empty"], { model_name: "late/1" });
  await ask(`${oip}/RepositoryModelLoad`, ["RepositoryModel", "Empty"], { model_name: "late/1" });
  expect(await names()).toContain("late/1 1 READY");
  expect(await infer({ ...late, model_name: "late/1" })).toMatchObject({ model_name: "late/1", model_version: "1" });
  await ask(`${oip}/RepositoryModelUnload`, ["RepositoryModel", "Empty"], { model_name: "late/1" });
  expect(await names()).not.toContain("late/1 1 READY");
});

const wide: Readonly<Record<string, readonly unknown[]>> = {
  string: ["ü€😀", "x".repeat(300)],
  int64: ["9223372036854775807", "-9223372036854775808"],
  uint64: ["18446744073709551615", "0"],
  int32: [-2147483648, 2147483647],
  uint32: [4294967295, 0],
  int16: [-32768, 32767],
  uint16: [65535, 0],
  int8: [-128, 127],
  uint8: [255, 0],
  float32: [0.5, -0.25],
  float64: [0.1, 1e300],
  bool: [true, false],
};
const fieldOf: Readonly<Record<string, string>> = {
  string: "bytes_contents",
  int64: "int64_contents",
  uint64: "uint64_contents",
  uint32: "uint_contents",
  uint16: "uint_contents",
  uint8: "uint_contents",
  float32: "fp32_contents",
  float64: "fp64_contents",
  bool: "bool_contents",
};
const nameOf: Readonly<Record<string, string>> = { string: "BYTES", float32: "FP32", float64: "FP64" };

test("SV-3: every element type comes back from gRPC bit by bit, as contents and raw; FP16 and BF16 raw", async () => {
  await using served = await openProtocolServer();
  await using listener = await listenGrpc(served.server, { grpc, port: 0 });
  using to = client(listener);
  const field = (type: string): string => fieldOf[type] ?? "int_contents";
  const items = (type: string): readonly unknown[] =>
    type === "string" ? (wide[type] as string[]).map((text) => Buffer.from(text)) : (wide[type] ?? []);
  const inputs = echoed.map(({ name }) => ({
    name,
    datatype: nameOf[name] ?? name.toUpperCase(),
    shape: [1, 2],
    contents: { [field(name)]: items(name) },
  }));
  const answer = await to.infer({ model_name: "echo", inputs });
  for (const [at, output] of (answer["outputs"] as Message[]).entries()) {
    const name = echoed[at]?.name ?? "";
    expect(output).toMatchObject({ name, datatype: inputs[at]?.datatype, shape: ["1", "2"] });
    expect((output["contents"] as Message)[field(name)], name).toEqual(items(name));
  }
  // 1, -2, the largest, the smallest below 1, infinity, and one that is no number of 8 bits of exponent alone.
  for (const [datatype, values] of [
    ["FP16", [0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0x3555]],
    ["BF16", [0x3f80, 0xc000, 0x7f7f, 0x0001, 0x7f80, 0x3eab]],
  ] as const) {
    const bytes = Buffer.from(Uint16Array.from(values).buffer);
    const parameters = { output_datatype: { string_param: datatype } };
    const half = await to.infer({
      model_name: "halves",
      parameters,
      inputs: [{ name: "x", datatype, shape: [1, 6] }],
      raw_input_contents: [bytes],
    });
    expect(half).toMatchObject({ outputs: [{ name: "x", datatype, shape: ["1", "6"] }], raw_output_contents: [bytes] });
  }
});

test("SV-3: what goes wrong has the status of gRPC, and the house's own code beside", async () => {
  await using served = await openProtocolServer();
  await using listener = await listenGrpc(served.server, { grpc, port: 0 });
  using to = client(listener);
  const x = { name: "x", datatype: "FP32", shape: [1, 1] };
  const one = { inputs: [x], raw_input_contents: [raw([1])] };
  const cases: readonly (readonly [Message | Buffer, grpc.status, string | undefined, RegExp])[] = [
    [{ ...late, model_name: "early" }, grpc.status.NOT_FOUND, "PORT_MODEL_UNKNOWN", /early/],
    [{ ...late, model_version: "9" }, grpc.status.NOT_FOUND, "SERVING_VERSION_UNKNOWN", /"9"/],
    [{ model_name: "late" }, grpc.status.INVALID_ARGUMENT, "SERVING_INPUT_INVALID", /it is missing/],
    [
      { ...late, raw_input_contents: [raw([1])] },
      grpc.status.INVALID_ARGUMENT,
      "SERVING_INPUT_INVALID",
      /4 bytes for the shape/,
    ],
    [
      { ...late, raw_input_contents: [raw(row), raw(row)] },
      grpc.status.INVALID_ARGUMENT,
      "SERVING_BODY_INVALID",
      /1 inputs and 2 raw/,
    ],
    [
      { ...late, inputs: [{ ...features, contents: { fp32_contents: row } }] },
      grpc.status.INVALID_ARGUMENT,
      "SERVING_INPUT_INVALID",
      /beside raw contents/,
    ],
    [
      { ...late, inputs: [{ ...features, datatype: "FP8" }] },
      grpc.status.INVALID_ARGUMENT,
      "SERVING_INPUT_INVALID",
      /"FP8"/,
    ],
    [
      { ...late, inputs: [{ ...features, shape: [-1, 4] }] },
      grpc.status.INVALID_ARGUMENT,
      "SERVING_INPUT_INVALID",
      /list of sizes/,
    ],
    [
      { model_name: "late", inputs: [{ ...features, contents: { fp32_contents: [1] } }] },
      grpc.status.INVALID_ARGUMENT,
      "SERVING_INPUT_INVALID",
      /1 elements/,
    ],
    [{ ...late, outputs: [{ name: "nothing" }] }, grpc.status.INVALID_ARGUMENT, "SERVING_OUTPUT_UNKNOWN", /nothing/],
    [{ ...one, model_name: "broken" }, grpc.status.INTERNAL, "SERVING_MODEL_FAILED", /failed to answer/],
    [
      Buffer.from([0x0a, 0x7f, 0x41]),
      grpc.status.INVALID_ARGUMENT,
      "SERVING_BODY_INVALID",
      /no message of Protocol Buffers/,
    ],
    [Buffer.from([0x0d, 1, 2, 3, 4]), grpc.status.INVALID_ARGUMENT, "SERVING_BODY_INVALID", /wire type 5/],
    [Buffer.from([0x0a, 2, 0xff, 0xfe]), grpc.status.INVALID_ARGUMENT, "SERVING_BODY_INVALID", /not UTF-8/],
  ];
  for (const [message, code, own, details] of cases) {
    const error = (await to.infer(message).catch((thrown: unknown) => thrown)) as grpc.ServiceError;
    expect([error.code, error.metadata?.get("x-millwright-code")[0]], error.details).toEqual([code, own]);
    expect(error.details).toMatch(details);
  }
  const refused = (path: string, name: string): Promise<unknown> =>
    to
      .ask(`${oip}/${path}`, ["RepositoryModel", "Empty"], { model_name: name })
      .catch((error: grpc.ServiceError) => error.code);
  expect(await refused("RepositoryModelLoad", "late")).toBe(grpc.status.INVALID_ARGUMENT);
  expect(await refused("RepositoryModelLoad", "nobody/1")).toBe(grpc.status.NOT_FOUND);
  expect(await refused("RepositoryModelUnload", "late/2")).toBe(grpc.status.NOT_FOUND);
  await expect(to.ask(`${oip}/ModelReady`, ["Named", "Ready"], { name: "early" })).rejects.toMatchObject({
    code: grpc.status.NOT_FOUND,
  });
  await expect(to.ask(`${oip}/Nothing`, ["Empty", "Empty"])).rejects.toMatchObject({ code: grpc.status.UNIMPLEMENTED });
  // No broken message ends the server.
  expect(await to.infer(late)).toMatchObject({ model_name: "late" });
});
