import type { JobSpec, JsonValue } from "@millwright/contracts";
import { createRandom } from "@millwright/contracts";
import { openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { collect, openTestJobs, temporaryFolder, work } from "./setting.ts";

const faults = (
  id: string,
  names: readonly string[],
  more: Partial<JobSpec> = {},
  sizes?: readonly number[],
): JobSpec =>
  work(id, { do: "faults", faults: [...names], ...(sizes === undefined ? {} : { sizes: [...sizes] }) }, more);

/** Whether the kernel says how many processes it killed for memory: without, SIGKILL may have been one of those. */
const onLinux = process.platform === "linux";

/** What the documented policy does with a row of faults, said a second time. */
function expected(
  names: readonly string[],
  max: number,
  categories: Readonly<Record<string, number>>,
): { readonly attempts: number; readonly completed: boolean } {
  const kinds: Readonly<Record<string, string>> = { sigkill: "killed", sigsegv: "bug" };
  const defaults: Readonly<Record<string, number>> = { transient: max, killed: max };
  const used: Record<string, number> = {};
  for (let attempt = 1; ; attempt += 1) {
    const name = names[attempt - 1] ?? "done";
    if (name === "done") return { attempts: attempt, completed: true };
    const kind = kinds[name] ?? name;
    used[kind] = (used[kind] ?? 0) + 1;
    const most = kind === "user" ? 0 : (categories[kind] ?? defaults[kind] ?? 0);
    if (attempt > max || used[kind] > most) return { attempts: attempt, completed: false };
  }
}

test("TR-12: under a fault injector each category is retried as the policy says, user errors never, and the counts are exact", async ({
  skip,
}) => {
  skip(!onLinux, "SIGKILL can be told from the kernel's memory kills only on Linux");
  const random = createRandom(12);
  const names = ["transient", "transient", "sigkill", "sigsegv", "user", "quota", "data", "done"];
  await using opened = await openTestJobs({ retryDelayMs: 1 });
  const rounds = Array.from({ length: 14 }, (_, round) => {
    const row = Array.from({ length: 5 }, () => names[random.integer(names.length)] ?? "done");
    const categories: Record<string, number> = round % 2 === 0 ? {} : { bug: 1, killed: 1, quota: 2, transient: 2 };
    return { row, max: 1 + random.integer(4), categories };
  });
  const results = await Promise.all(
    rounds.map(async ({ row, max, categories }, round) => {
      const job = await opened.jobs.launch(faults(`round-${round}`, row, { retries: { max, categories } }));
      return job.result();
    }),
  );
  for (const [round, { row, max, categories }] of rounds.entries()) {
    const { attempts, completed } = expected(row, max, categories);
    expect(results[round], JSON.stringify({ row, max, categories })).toMatchObject({
      attempts,
      state: completed ? "completed" : "failed",
    });
  }
  // Both ends are among the rounds.
  expect(new Set(results.map(({ state }) => state))).toEqual(new Set(["completed", "failed"]));
});

test("TR-12: a SIGKILL from outside is retried by default, with what it was told to the next attempt", async ({
  skip,
}) => {
  skip(!onLinux, "SIGKILL can be told from the kernel's memory kills only on Linux");
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(faults("killed", ["sigkill"], { retries: 1 }));
  expect(await job.result()).toMatchObject({ state: "completed", attempts: 2 });
  const told = (await collect(job.events())).flatMap((event) => (event.kind === "message" ? [event.body] : []));
  expect(told[1]).toMatchObject({ attempt: 2, previous: { category: "transient", cause: "killed" } });
  const never = faults("never", ["sigkill"], { retries: { max: 3, categories: { killed: 0 } } });
  const result = await (await opened.jobs.launch(never)).result();
  expect(result).toMatchObject({ state: "failed", attempts: 1, failureCause: "killed" });
});

test("TR-12: an attempt out of memory is tried again only with a smaller size", async () => {
  await using opened = await openTestJobs();
  const run = async (id: string, names: readonly string[], sizes: readonly number[] | undefined, max = 5) =>
    (await opened.jobs.launch(faults(id, names, { retries: max }, sizes))).result();
  const [unsaid, smaller, same] = await Promise.all([
    run("unsaid", ["cuda"], undefined),
    run("smaller", ["cuda", "cuda"], [64, 32, 16]),
    run("same", ["cuda", "done"], [64, 64]),
  ]);
  expect(unsaid).toMatchObject({
    state: "failed",
    attempts: 1,
    failureCategory: "capacity",
    failureCause: "gpu-out-of-memory",
  });
  expect(smaller).toMatchObject({ state: "completed", attempts: 3 });
  expect(same).toMatchObject({ state: "failed", attempts: 2, failureCause: "same-size" });
  expect(same.failureReason).toContain("64");
});

test.for<[string, JobSpec["run"] | string, JsonValue]>([
  ["V8's heap", "heap", { failureCategory: "capacity", failureCause: "heap-out-of-memory" }],
  ["a module on a GPU", "cuda", { failureCategory: "capacity", failureCause: "gpu-out-of-memory" }],
  ["a crash", "sigsegv", { failureCategory: "bug", failureCause: "crashed" }],
  [
    "a Python program on a GPU",
    {
      command: [
        "sh",
        "-c",
        "echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB' >&2; exit 1",
      ],
    },
    { failureCategory: "capacity", failureCause: "gpu-out-of-memory" },
  ],
  [
    "a Python program",
    { command: ["sh", "-c", "echo MemoryError >&2; exit 1"] },
    { failureCategory: "capacity", failureCause: "host-out-of-memory" },
  ],
  [
    "a child of a shell that crashed",
    { command: ["sh", "-c", "exit 139"] },
    { failureCategory: "bug", failureCause: "crashed" },
  ],
  [
    "a command that may be tried again",
    { command: ["sh", "-c", "exit 75"] },
    { failureCategory: "transient", failureCause: "exit-code" },
  ],
  ["no program", { command: ["/no/such/program"] }, { failureCategory: "user", failureCause: "not-started" }],
])("what an attempt failed of is told to programs: %s", async ([name, what, told]) => {
  await using opened = await openTestJobs();
  const environment = { NODE_OPTIONS: "--max-old-space-size=40" };
  const spec = typeof what === "string" ? faults(name, [what], { environment }) : { id: name, run: what };
  expect(await (await opened.jobs.launch(spec)).result()).toMatchObject({ state: "failed", ...(told as object) });
  const entry = (await opened.jobs.history(name)).at(-1);
  expect(entry).toMatchObject({ cause: (told as { readonly failureCause: string }).failureCause });
});

test("retries and times that cannot be are refused by the name of their field", async () => {
  await using opened = await openTestJobs();
  const run = { command: ["true"] } as const;
  for (const [more, field] of [
    [{ retries: -1 }, "retries"],
    [{ retries: { max: 1.5 } }, "retries.max"],
    [{ retries: { max: 1, categories: { user: 1 } } }, "retries.categories.user"],
    [{ retries: { max: 1, categories: { bug: -1 } } }, "retries.categories.bug"],
    [{ retries: { max: 1, delayMs: Number.NaN } }, "retries.delayMs"],
    [{ spot: { maxRuntimeMs: 0, maxWaitMs: 1 } }, "spot.maxRuntimeMs"],
    [{ spot: { maxRuntimeMs: 10, maxWaitMs: 9 } }, "spot.maxWaitMs"],
    [{ spot: { maxRuntimeMs: 10, maxWaitMs: 10, priceRatio: 2 } }, "spot.priceRatio"],
  ] as const) {
    const spec = { id: "job", run, ...more } as unknown as JobSpec;
    const error: unknown = await opened.jobs.launch(spec).catch((caught: unknown) => caught);
    expect(error, field).toMatchObject({ code: "JOBS_SPEC_INVALID" });
    expect(String(error)).toContain(`"${field}"`);
  }
});

test("counts of failures outlive the launcher", async () => {
  await using folder = await temporaryFolder();
  const spec = faults("counted", ["transient", "transient", "transient"], { retries: { max: 2, delayMs: 60_000 } });
  for (const attempts of [1, 2]) {
    await using jobs = await openJobs({ directory: folder.path });
    const job = await jobs.launch(spec);
    // Those of the launcher before are among them.
    const isWaiting = async (): Promise<boolean> => {
      const states = (await jobs.history("counted")).map(({ state }) => state);
      return states.filter((state) => state === "starting").length === attempts && states.at(-1) === "interrupted";
    };
    await expect.poll(isWaiting, { timeout: 100_000 }).toBe(true);
    expect(job.state).toBe("interrupted");
  }
  await using jobs = await openJobs({ directory: folder.path });
  expect(await (await jobs.launch(spec)).result()).toMatchObject({ state: "failed", attempts: 3 });
});
