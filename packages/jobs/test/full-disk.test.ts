import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { work } from "./setting.ts";
import { mountSmallDisk } from "./small-disk.ts";

for (const leaveBytes of [0, 20_480]) {
  const title = `with ${leaveBytes} bytes left, a job that the disk has no room for is refused and leaves nothing; with room it runs`;
  test(title, { timeout: 300_000 }, async ({ skip }) => {
    await using disk = await mountSmallDisk(1_024);
    if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
    const directory = join(disk.directory, "jobs");
    await using jobs = await openJobs({ directory, maxCpus: 1 });
    const before = await readdir(directory);
    const spec = work("large", { do: "tell", ballast: "x".repeat(100_000) });
    await disk.fill(leaveBytes);
    await expect(jobs.launch(spec)).rejects.toMatchObject({
      code: "JOBS_WRITE_FAILED",
      category: "capacity",
      retryable: true,
      cause: { code: "ENOSPC" },
    });
    expect(await readdir(directory)).toEqual(before);
    await disk.free();
    const job = await jobs.launch(spec);
    expect((await job.result()).state).toBe("completed");
  });
}
