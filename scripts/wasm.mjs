// Compiles the AssemblyScript of the packages that have some, assembly/kernels.ts, to their src/simd/kernels.generated.ts.
//   node scripts/wasm.mjs [--check]      --check: fails where a file is not what its source compiles to
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const packages = new URL("../packages/", import.meta.url);
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });

// The tuner is who depends on the compiler.
const { default: asc } = await import(new URL("tuner/node_modules/assemblyscript/dist/asc.js", packages).href);

async function compile(folder) {
  const source = readFileSync(new URL("assembly/kernels.ts", folder), "utf8");
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
    throw new Error(`${fileURLToPath(folder)}assembly/kernels.ts does not compile:\n${stderr.toString()}`);
  const lines = Buffer.from(wasm)
    .toString("base64")
    .match(/.{1,110}/g)
    .map((line) => `  "${line}"`);
  return `// Made by \`node scripts/wasm.mjs\` from assembly/kernels.ts.\nexport const KERNELS: string = [\n${lines.join(",\n")},\n].join("");\n`;
}

for (const name of readdirSync(packages)) {
  const folder = new URL(`${name}/`, packages);
  if (!existsSync(new URL("assembly/kernels.ts", folder))) continue;
  const text = await compile(folder);
  const target = new URL("src/simd/kernels.generated.ts", folder);
  if (!values.check) writeFileSync(target, text);
  else if (readFileSync(target, "utf8") !== text) {
    console.error(
      `packages/${name}/src/simd/kernels.generated.ts is not what assembly/kernels.ts compiles to. Run node scripts/wasm.mjs.`,
    );
    process.exitCode = 1;
  }
}
