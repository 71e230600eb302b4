// Compiles the tuner's AssemblyScript to packages/tuner/src/simd/kernels.generated.ts.
//   node scripts/wasm.mjs [--check]      --check: fails where the file is not what the source compiles to
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const tuner = new URL("../packages/tuner/", import.meta.url);
const target = new URL("src/simd/kernels.generated.ts", tuner);
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });

const { default: asc } = await import(new URL("node_modules/assemblyscript/dist/asc.js", tuner).href);
const source = readFileSync(new URL("assembly/kernels.ts", tuner), "utf8");
let wasm;
const { error, stderr } = await asc.main(
  ["kernels.ts", "-O3", "--runtime", "stub", "--enable", "simd", "--noAssert", "--outFile", "kernels.wasm"],
  {
    readFile: (name) => (name === "kernels.ts" ? source : null),
    writeFile: (name, content) => {
      if (name === "kernels.wasm") wasm = content;
    },
    listFiles: () => [],
  },
);
if (error !== null)
  throw new Error(`${fileURLToPath(tuner)}assembly/kernels.ts does not compile:\n${stderr.toString()}`);

const lines = Buffer.from(wasm)
  .toString("base64")
  .match(/.{1,110}/g)
  .map((line) => `  "${line}"`);
const text = `// Made by \`node scripts/wasm.mjs\` from assembly/kernels.ts.\nexport const KERNELS: string = [\n${lines.join(",\n")},\n].join("");\n`;
if (!values.check) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error(
    "packages/tuner/src/simd/kernels.generated.ts is not what assembly/kernels.ts compiles to. Run node scripts/wasm.mjs.",
  );
  process.exitCode = 1;
}
