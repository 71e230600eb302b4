import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Tensors } from "@millwright/contracts";
import { expect, type TestContext } from "vitest";
import type { OnnxModelFiles } from "../src/onnx.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import onnx, onnxruntime"]).status === 0;
const missing = `${python} cannot import onnx and onnxruntime: pip install onnx onnxruntime, and name that Python in MILLWRIGHT_PYTHON`;
export const needPython = (context: TestContext): void => context.skip(!found && process.env["CI"] !== "true", missing);

export interface Said {
  readonly shape: readonly number[];
  readonly inputs: readonly (readonly [string, string, readonly unknown[]])[];
  readonly outputs: readonly (readonly [string, string, readonly unknown[]])[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly operators: readonly string[];
}

/** What ONNX Runtime answers, once ONNX's checker has nothing against the file. */
export async function ask(
  { files }: OnnxModelFiles,
  inputs: Tensors,
): Promise<{ readonly said: Said; readonly answer: Float32Array }> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-onnx-"));
  try {
    await writeFile(join(folder, "model.onnx"), files["model.onnx"]);
    const request: Record<string, unknown> = {};
    for (const [at, [name, { dtype, shape, data }]] of Object.entries(inputs).entries()) {
      request[name] =
        dtype === "string" ? { type: dtype, values: data } : { type: dtype, file: `${at}.bin`, width: shape[1] };
      if (dtype !== "string")
        await writeFile(
          join(folder, `${at}.bin`),
          new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
        );
    }
    await writeFile(join(folder, "request.json"), JSON.stringify({ inputs: request }));
    const script = fileURLToPath(new URL("./fixtures/onnx_run.py", import.meta.url));
    const { stdout } = await promisify(execFile)(python, [script, folder], { maxBuffer: 2 ** 26 });
    const bytes = await readFile(join(folder, "answer.bin"));
    const answer = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    return { said: JSON.parse(stdout) as Said, answer };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The largest difference, for numbers beyond 1 in their own measure. */
export const farthest = (actual: Float32Array, expected: Float32Array): number => {
  expect(actual.length).toBe(expected.length);
  return actual.reduce((most, value, at) => {
    const wanted = expected[at] as number;
    return Math.max(most, Object.is(value, wanted) ? 0 : Math.abs(value - wanted) / Math.max(1, Math.abs(wanted)));
  }, 0);
};
