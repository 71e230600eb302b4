import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fewest, runJob, temporaryFolder } from "./job-process.ts";

/** What the job refuses before it does anything. */
export function refusals(): void {
  for (const { args, says } of [
    { args: ["--rows", "5"], says: "--rows 5 is not a whole number from 20,000." },
    { args: ["--rows", "many"], says: "--rows many" },
    { args: ["--rows", "1e9.5"], says: "--rows 1e9.5" },
    { args: ["--port", "70000"], says: "--port 70000 is not a port." },
    { args: ["--trials", "0"], says: "--trials 0 is not a whole number from 2 to 100." },
    { args: ["--row", "20000"], says: "--row" },
    { args: ["output"], says: "output" },
  ]) {
    test(`${args.join(" ")} is refused with the usage`, async () => {
      const { status, output } = await runJob(args);
      expect(status).toBe(2);
      expect(output).toContain(says);
      expect(output).toContain("npm start -- [options]");
      expect(output).not.toMatch(/^\s+at /m);
    });
  }

  test("--help gives the usage and succeeds", async () => {
    const { status, output } = await runJob(["--help"]);
    expect(status).toBe(0);
    expect(output).toContain("--output DIR");
  });

  test("an output path that is a file is named", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "file");
    await writeFile(file, "mine");
    const { status, output } = await runJob([...fewest, "--output", file]);
    expect(status).toBe(1);
    expect(output).toMatch(new RegExp(`^FLIGHT_DELAYS_FOLDER_UNUSABLE: ${file} cannot be written.*--output\\.\n$`));
    expect(await readFile(file, "utf8")).toBe("mine");
  });

  test("a folder with somebody's files in it is left as it is", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "thesis.tex"), "years of work");
    const { status, output } = await runJob([...fewest, "--output", folder.path]);
    expect(status).toBe(1);
    expect(output).toMatch(/^FLIGHT_DELAYS_FOLDER_FOREIGN: .*"thesis\.tex".*--output/);
    expect(await readdir(folder.path)).toEqual(["thesis.tex"]);
  });

  test("a folder that this user may not write is named", async ({ skip }) => {
    const root = process.getuid?.() === 0;
    if (process.platform === "win32") skip("Windows has no such modes");
    await using folder = await temporaryFolder();
    const locked = join(folder.path, "locked");
    await mkdir(locked, { mode: 0o555 });
    // Modes do not bind root: the job runs as nobody, who must be able to reach the folder.
    if (root) await import("node:fs/promises").then(({ chmod }) => chmod(folder.path, 0o755));
    const { status, output } = await runJob([...fewest, "--output", locked], root ? { uid: 65_534 } : {});
    expect(status, output).toBe(1);
    expect(output).toMatch(/^FLIGHT_DELAYS_FOLDER_UNUSABLE: .*EACCES/);
  });
}
