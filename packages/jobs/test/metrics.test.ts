import { join } from "node:path";
import type { JobEvent, JobSpec, MetricDefinition } from "@millwright/contracts";
import { openJobs, readMetrics, runProcessing } from "@millwright/jobs";
import { expect, test } from "vitest";
import { collect, openTestJobs, temporaryFolder } from "./setting.ts";

const printing = (id: string, lines: readonly string[], metrics: readonly MetricDefinition[]): JobSpec => ({
  id,
  run: { command: [process.execPath, "-e", `process.stdout.write(${JSON.stringify(`${lines.join("\n")}\n`)})`] },
  metrics,
});

const number = String.raw`([-+]?(?:\d+\.?\d*|\.\d+|nan|inf)(?:[eE][-+]?\d+)?)`;
const table: readonly {
  readonly what: string;
  readonly regex: string;
  readonly line: string;
  readonly points: readonly (readonly [value: number, step?: number | undefined, epoch?: number])[];
}[] = [
  {
    what: "SageMaker's own example",
    regex: "Train_error=(.*?);",
    line: "Train_error=0.138318;  Valid_error=0.324557;",
    points: [[0.138318]],
  },
  { what: "scientific notation", regex: `loss: ${number}`, line: "loss: 1.5e-07 ok", points: [[1.5e-7]] },
  { what: "a large exponent and a sign", regex: `loss: ${number}`, line: "loss: -2E+3", points: [[-2000]] },
  { what: "a number without a digit before the point", regex: `loss: ${number}`, line: "loss: .5", points: [[0.5]] },
  { what: "NaN as Python prints it", regex: "loss=(\\S+)", line: "loss=nan", points: [[NaN]] },
  { what: "NaN as JavaScript prints it", regex: "loss=(\\S+)", line: "loss=NaN", points: [[NaN]] },
  { what: "infinities", regex: "x=(\\S+)", line: "x=inf x=-Infinity", points: [[Infinity], [-Infinity]] },
  {
    what: "several matches in a line",
    regex: "acc=([0-9.]+)",
    line: "acc=0.1 acc=0.2 acc=0.3",
    points: [[0.1], [0.2], [0.3]],
  },
  { what: "what is no number", regex: "loss=(\\S+)", line: "loss=high loss=1_0 loss= 0x10", points: [] },
  {
    what: "Python's named groups",
    regex: "step (?P<step>\\d+) .*loss=(?P<value>\\S+)",
    line: "step 12 of 20: loss=0.5",
    points: [[0.5, 12]],
  },
  {
    what: "an epoch before an unnamed value",
    regex: "epoch=(?<epoch>\\d+); loss=(.*?);",
    line: "epoch=3; loss=0.25;",
    points: [[0.25, undefined, 3]],
  },
  { what: "Python's inline flags", regex: "(?i)LOSS=(\\S+)", line: "Loss=4", points: [[4]] },
  {
    what: "groups that do not capture",
    regex: "(?:train|test) \\(loss\\)[(]? (\\d+)",
    line: "train (loss) 7",
    points: [[7]],
  },
  { what: "a match of nothing", regex: "(\\d*)", line: "a1", points: [[1]] },
];

test("TR-28: metrics are read off lines by regular expressions: exponents, NaN, several in a line, step and epoch", async () => {
  await using opened = await openTestJobs();
  const metrics = table.map(({ what, regex }) => ({ name: what, regex }));
  for (const { what, line, points } of table) {
    const definitions = metrics.filter(({ name }) => name === what);
    const job = await opened.jobs.launch(printing(what, ["before", line, "after"], definitions));
    const series = (await readMetrics(job))[what] ?? [];
    expect(
      series.map(({ value, step, epoch }) => [value, step, epoch]),
      what,
    ).toEqual(points.map(([value, step, epoch]) => [value, step, epoch]));
  }
});

test("TR-28: several metrics of one line come as events with their time, after their line", async () => {
  await using opened = await openTestJobs();
  const startedMs = Date.now();
  const metrics = ["train_loss", "test_loss"].map((name) => ({
    name,
    regex: `epoch=(?<epoch>\\d+);.* ${name}=(.*?);`,
  }));
  const lines = [1, 2].map((epoch) => `epoch=${epoch}; train_loss=${epoch / 4}; test_loss=${epoch / 2};`);
  const job = await opened.jobs.launch(printing("two", lines, metrics));
  const events = await collect(job.events());
  const told = events.flatMap((event) => (event.kind === "metric" ? [event] : []));
  expect(told.map(({ name, value, epoch }) => [name, value, epoch])).toEqual([
    ["train_loss", 0.25, 1],
    ["test_loss", 0.5, 1],
    ["train_loss", 0.5, 2],
    ["test_loss", 1, 2],
  ]);
  for (const { timeMs } of told) {
    expect(timeMs).toBeGreaterThanOrEqual(startedMs);
    expect(timeMs).toBeLessThanOrEqual(Date.now());
  }
  const lineOf = (event: JobEvent): boolean => event.kind === "log" && event.line === lines[0];
  expect(events.findIndex((event) => event.kind === "metric")).toBeGreaterThan(events.findIndex(lineOf));
});

test("TR-28: an expression that backtracks without end is given up, and the others go on", async () => {
  await using opened = await openTestJobs();
  const metrics = [
    { name: "endless", regex: "((a+)+)$" },
    { name: "loss", regex: "loss=(\\S+)" },
  ];
  const lines = ["loss=1", `${"a".repeat(60)}b loss=2`, `${"a".repeat(60)}b loss=3`, `loss=4${" ".repeat(100_000)}`];
  const startedMs = Date.now();
  const job = await opened.jobs.launch(printing("backtracks", lines, metrics));
  const events = await collect(job.events());
  expect(events.flatMap((event) => (event.kind === "metric" ? [event.value] : []))).toEqual([1, 2, 3, 4]);
  const said = events.flatMap((event) =>
    event.kind === "log" && event.line.startsWith("[millwright") ? [event.line] : [],
  );
  expect(said).toEqual([
    '[millwright: the regular expression of the metric "endless" took too long, and is used no more]',
  ]);
  // Left alone, it would take longer than the universe has been there.
  expect(Date.now() - startedMs).toBeLessThan(60_000);
});

test("metrics outlive the lines around them, and the launcher; what is not finite comes back from the disk", async () => {
  await using folder = await temporaryFolder();
  const options = { directory: folder.path, maxEventBytes: 100_000 };
  const script = `console.log("loss=nan"); for (let i = 0; i < 20000; i += 1) console.log("nothing to see here " + i); console.log("loss=2")`;
  const spec: JobSpec = {
    id: "long",
    run: { command: [process.execPath, "-e", script] },
    metrics: [{ name: "loss", regex: "loss=(\\S+)" }],
  };
  const valuesOf = (events: readonly JobEvent[]): readonly number[] =>
    events.flatMap((event) => (event.kind === "metric" ? [event.value] : []));
  {
    await using jobs = await openJobs(options);
    const job = await jobs.launch(spec);
    await job.result();
    expect(valuesOf(await collect(job.events()))).toEqual([NaN, 2]);
  }
  await using jobs = await openJobs(options);
  expect(valuesOf(await collect((await jobs.attach("long")).events()))).toEqual([NaN, 2]);
});

test("a processing job's metrics are in its result", async () => {
  await using opened = await openTestJobs();
  await using folder = await temporaryFolder();
  const spec = {
    ...printing("rows", ["rows=12"], [{ name: "rows", regex: "rows=(\\d+)" }]),
    directory: join(folder.path, "p"),
  };
  const { metrics } = await runProcessing(opened.jobs, spec);
  expect(metrics).toEqual({ rows: [{ value: 12, timeMs: expect.any(Number) }] });
});

test("of very many points of a metric every second one goes, and the newest stays", async () => {
  async function* events(): AsyncGenerator<JobEvent> {
    for (let step = 0; step < 25_000; step += 1)
      yield { kind: "metric", name: "loss", value: step, step, timeMs: step };
  }
  const { loss } = await readMetrics({ events });
  expect(loss!.length).toBeGreaterThan(5_000);
  expect(loss!.length).toBeLessThanOrEqual(10_000);
  expect(loss!.at(-1)!.value).toBe(24_999);
  expect(loss![0]!.value).toBe(0);
});

test("wrong definitions are refused by name", async () => {
  await using opened = await openTestJobs();
  const refused = async (metrics: unknown): Promise<string> =>
    opened.jobs.launch(printing("wrong", [], metrics as readonly MetricDefinition[])).then(
      () => "accepted",
      (error: Error) => error.message,
    );
  expect(await refused([{ name: "loss", regex: "loss" }])).toMatch(/metrics\.0\.regex.*with a group/);
  expect(await refused([{ name: "loss", regex: "loss=(" }])).toMatch(/metrics\.0\.regex.*nterminated group/);
  expect(await refused([{ name: "", regex: "(a)" }])).toMatch(/metrics\.0\.name/);
  expect(await refused(Array.from({ length: 41 }, () => ({ name: "a", regex: "(a)" })))).toMatch(/at most 40/);
});
