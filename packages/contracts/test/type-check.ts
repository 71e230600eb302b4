import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
const declarations = fileURLToPath(new URL("../dist/index.d.ts", import.meta.url));

/** What `tsc` says about the program, one `line: code` per error; empty where it compiles. */
export async function typeErrors(program: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "millwright-types-"));
  try {
    const config = {
      compilerOptions: {
        noEmit: true,
        strict: true,
        exactOptionalPropertyTypes: true,
        target: "es2023",
        lib: ["es2023", "dom", "esnext.disposable"],
        module: "nodenext",
        types: [],
        paths: { "@millwright/contracts": [declarations] },
      },
      files: ["program.mts"],
    };
    await writeFile(join(directory, "tsconfig.json"), JSON.stringify(config));
    await writeFile(join(directory, "program.mts"), program);
    const run = promisify(execFile)(process.execPath, [tsc, "--pretty", "false", "-p", "."], { cwd: directory });
    const output = await run.then(
      ({ stdout }) => stdout,
      (failure: { stdout: string }) => failure.stdout,
    );
    return [...output.matchAll(/^program\.mts\((\d+),\d+\): error (TS\d+)|^.*error (TS\d+).*$/gm)].map((match) =>
      match[1] === undefined ? match[0] : `${match[1]}: ${match[2]}`,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
