import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import type { TestContext } from "vitest";
import type { OnnxLibrary } from "../src/onnx.ts";

/** A folder in which `npm install --ignore-scripts onnxruntime-node` was run. */
const folder = process.env["MILLWRIGHT_ONNXRUNTIME"];
const missing =
  "onnxruntime-node is looked for in the folder that MILLWRIGHT_ONNXRUNTIME names: npm install --ignore-scripts onnxruntime-node";

/** ONNX Runtime for Node, or the test is skipped. */
export function onnxRuntimeNode(context: TestContext): OnnxLibrary {
  context.skip(folder === undefined && process.env["CI"] !== "true", missing);
  return createRequire(join(resolve(folder ?? "."), "package.json"))("onnxruntime-node") as OnnxLibrary;
}
