import * as capture from "../../packages/serving/dist/capture.js";
import { type Subjects, methods, well } from "./subjects.ts";

const { signal } = new AbortController();
const key = new Uint8Array(32).fill(7);
const exchange = {
  endpoint: "late",
  variant: "main",
  input: { contentType: "text/csv", bytes: Buffer.from("1,2") },
  output: { contentType: "text/csv", bytes: "3" },
};

/** What `@millwright/serving/capture` exports. */
export async function capturing(folder: string): Promise<Subjects> {
  const vault = capture.createTokenVault({ key });
  const token = vault.tokenize("card", "4111");
  const opened = await capture.openDataCapture({ directory: `${folder}/captured`, sampleShare: 1 });
  return {
    openDataCapture: well(
      async (given: capture.DataCaptureOptions) => {
        const mine = await capture.openDataCapture(given);
        await mine[Symbol.asyncDispose]();
      },
      () => [{ directory: `${folder}/captures`, sampleShare: 0.5, content: "input", flushMs: 10, signal }],
      { SERVING_CAPTURE_REFUSED: () => capture.openDataCapture({ directory: "/dev/null/captures" }) },
      20,
    ),
    ...methods("openDataCapture()", () => opened, {
      exchange: [() => [exchange], {}, 0],
      counts: [() => []],
      flush: [() => [{ signal }]],
    }),
    createRedactor: well(capture.createRedactor, () => [
      { fields: { email: "hash", age: { buckets: [18] }, card: "tokenize" }, otherwise: "mask", key, vault },
    ]),
    ...methods("createRedactor()", () => capture.createRedactor({ fields: { email: "hash" }, key }), {
      redact: [() => ["email", "ada@example.org"], {}, 0],
    }),
    createTokenVault: well(capture.createTokenVault, () => [{ key }]),
    ...methods("createTokenVault()", () => vault, {
      tokenize: [() => ["card", "4111"], {}, 0],
      reveal: [() => ["card", token], { SERVING_TOKEN_UNREADABLE: () => vault.reveal("card", "tok:x") }],
    }),
  };
}
