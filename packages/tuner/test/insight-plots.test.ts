import {
  type Objective,
  type Space,
  categorical,
  float,
  int,
  openStudy,
  randomSampler,
  tpeSampler,
  when,
} from "@millwright/tuner";
import {
  type StudyRecord,
  chartOf,
  contourPlot,
  curvesPlot,
  drawPlot,
  historyPlot,
  importancePlot,
  parallelPlot,
  paretoPlot,
  slicePlot,
  spaceHealth,
  studyReport,
} from "@millwright/tuner/insight";
import * as vega from "vega";
import { compile } from "vega-lite";
import { expect, test } from "vitest";

const library = { ...vega, compile };

async function record<const S extends Space>(
  space: S,
  objective: Objective<S>,
  trials: number,
  directions: readonly ("minimize" | "maximize")[] = ["minimize"],
  sampler = randomSampler(),
): Promise<StudyRecord> {
  await using study = await openStudy({
    name: "seen",
    space,
    directions,
    sampler,
    pruner: false,
    seed: 4,
  });
  await study.optimize(objective, { trials });
  return { ...study, trials: await study.trials() };
}

const mixed = {
  rate: float(1e-4, 1, { log: true }),
  layers: int(1, 4),
  kind: categorical(["a", "b"]),
  extra: when("kind", ["b"], float(0, 1)),
};

const bowl: Objective<typeof mixed> = async ({ params, report }) => {
  for (let step = 0; step < 3; step += 1) await report(step, params.rate + 1 / (step + 1));
  return (Math.log10(params.rate) + 2) ** 2 + params.layers + (params.extra ?? 0);
};

test("a study is seen as data: history, slice, contour, parallel coordinates, learning curves", async () => {
  const seen = await record(mixed, bowl, 30);
  const history = historyPlot(seen);
  expect(history.points).toHaveLength(30);
  const values = history.best.map(({ value }) => value);
  expect(values).toEqual(values.toSorted((a, b) => b - a));
  expect(values.at(-1)).toBe(Math.min(...history.points.map(({ value }) => value)));
  const slice = slicePlot(seen, "extra");
  expect(slice.points).toHaveLength(seen.trials.filter(({ params }) => params["kind"] === "b").length);
  const contour = contourPlot(seen, "rate", "layers");
  expect(contour.cells).toHaveLength(24 * 4);
  const [least, most] = [
    Math.min(...history.points.map(({ value }) => value)),
    Math.max(...history.points.map(({ value }) => value)),
  ];
  for (const { value } of contour.cells) expect(value >= least && value <= most).toBe(true);
  expect(parallelPlot(seen).parameters).toEqual(["rate", "layers", "kind", "extra"]);
  expect(curvesPlot(seen).curves[0]?.points.map(({ step }) => step)).toEqual([0, 1, 2]);
  expect(() => slicePlot(seen, "depth")).toThrow('no parameter "depth"');
});

test("the front of two objectives has no dominated trial", async () => {
  const seen = await record({ x: float(0, 1), y: float(0, 1) }, ({ params: { x, y } }) => [x + y, x - y], 50, [
    "minimize",
    "maximize",
  ]);
  const { points } = paretoPlot(seen);
  const front = points.filter((point) => point.front);
  expect(front.length).toBeGreaterThan(0);
  for (const point of points)
    expect(
      points.some((other) => other.x <= point.x && other.y >= point.y && (other.x < point.x || other.y > point.y)),
    ).toBe(!point.front);
});

test("every plot is drawn by the real Vega, and the report is one page that asks for nothing from outside", async () => {
  const seen = await record(mixed, bowl, 12);
  const two = await record({ x: float(0, 1) }, ({ params: { x } }) => [x, 1 - x], 6, ["minimize", "minimize"]);
  const plots = [
    historyPlot(seen),
    slicePlot(seen, "kind"),
    contourPlot(seen, "rate", "kind"),
    parallelPlot(seen),
    curvesPlot(seen),
    importancePlot({ rate: 0.7, layers: 0.3 }),
    paretoPlot(two),
  ];
  for (const plot of plots) {
    expect(JSON.parse(JSON.stringify(chartOf(plot)))).toEqual(chartOf(plot));
    const svg = await drawPlot(plot, library);
    expect(svg).toMatch(/^<svg[\s\S]*<\/svg>$/);
    expect(svg).toMatch(/<path|<text/);
    expect(svg).not.toContain("NaN");
  }
  const advice = spaceHealth(seen);
  const page = await studyReport(seen, library, { title: "Late <flights>", importances: { rate: 1 }, advice });
  expect(page).toContain("Late &lt;flights&gt;");
  expect(page.match(/<svg/g)).toHaveLength(9);
  expect(page).not.toMatch(/<script|(src|href)="http/);
});

test("HT-25: where the optimum lies beyond a bound, the advice names the parameter and the direction", async () => {
  const space = { x: float(0, 1), y: float(0, 1), z: float(1e-3, 10, { log: true }) };
  const seen = await record(
    space,
    ({ params: { x, y, z } }) => (x - 1.4) ** 2 + (y - 0.5) ** 2 + (Math.log10(z) + 4) ** 2 / 8,
    120,
    ["minimize"],
    tpeSampler(),
  );
  const found = spaceHealth(seen).filter(({ problem }) => problem === "best-at-bound");
  expect(found.map(({ parameter, advice }) => [parameter, advice])).toEqual([
    ["x", "raise-high"],
    ["z", "lower-low"],
  ]);
  expect(found[0]?.text).toContain("raise its high above 1");
});

test("HT-25: dead dimensions, coarse steps, linear scales over decades and misleading priors are named, and a sound space is left in peace", async () => {
  const space = {
    dead: float(0, 1),
    rate: float(1e-5, 1),
    units: int(0, 100, { step: 25 }),
    live: float(0, 1),
  };
  const objective: Objective<typeof space> = ({ params: { rate, units, live } }) =>
    4 * Math.max(0, Math.log10(rate) + 1.4) + (units === 50 ? 0 : 3) + 0.3 * (live - 0.5) ** 2;
  const advice = spaceHealth(await record(space, objective, 200)).map(
    ({ parameter, problem }) => `${parameter}: ${problem}`,
  );
  expect(advice).toContain("dead: no-effect");
  expect(advice).toContain("rate: wrong-scale");
  expect(advice).toContain("units: coarse-step");
  expect(advice).not.toContain("live: best-at-bound");
  const sound = await record(
    { x: float(0, 1), y: float(0, 1) },
    ({ params: { x, y } }) => (x - 0.5) ** 2 + (y - 0.4) ** 2,
    100,
  );
  expect(spaceHealth(sound)).toEqual([]);
  const led = {
    ...sound,
    trials: sound.trials.map((trial) =>
      (trial.value as number) > 0.3 ? { ...trial, explanation: { sampler: "enqueued" } } : trial,
    ),
  };
  expect(spaceHealth(led).map(({ problem }) => problem)).toEqual(["prior-conflict"]);
});
