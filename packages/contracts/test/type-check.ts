import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
const declarations = fileURLToPath(new URL("../dist/index.d.ts", import.meta.url));

/** What `tsc` says about each program, one `line: code` per error; empty where it compiles. One run for all of them. */
export async function typeErrors(programs: readonly string[]): Promise<string[][]> {
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
      files: programs.map((_, index) => `program-${index}.mts`),
    };
    await writeFile(join(directory, "tsconfig.json"), JSON.stringify(config));
    for (const [index, program] of programs.entries())
      await writeFile(join(directory, `program-${index}.mts`), program);
    const run = promisify(execFile)(process.execPath, [tsc, "--pretty", "false", "-p", "."], { cwd: directory });
    const output = await run.then(
      ({ stdout }) => stdout,
      (failure: { stdout: string }) => failure.stdout,
    );
    const errors = programs.map((): string[] => []);
    for (const line of output.split("\n").filter((text) => text.includes("error TS"))) {
      const match = /^program-(\d+)\.mts\((\d+),\d+\): error (TS\d+)/.exec(line);
      if (match === null) throw new Error(`The programs could not be compiled: ${line}`);
      errors[Number(match[1])]?.push(`${match[2]}: ${match[3]}`);
    }
    return errors;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
