import { drawChart, palette } from "./charts.ts";
import type { ReportData } from "./report-data.ts";

export interface ReportCharts {
  readonly months: string;
  readonly trials: string;
  readonly epochs: string;
  readonly calibration: string;
  readonly days: string;
  readonly drift: string;
}

const width = 560;

export async function drawCharts(data: ReportData): Promise<ReportCharts> {
  const [months, trials, epochs, calibration, days, drift] = await Promise.all([
    drawMonths(data),
    drawTrials(data),
    drawEpochs(data),
    drawCalibration(data),
    drawDays(data),
    drawDrift(data),
  ]);
  return { months, trials, epochs, calibration, days, drift };
}

const drawMonths = ({ data }: ReportData): Promise<string> =>
  drawChart({
    title: "Share of flights at least 15 minutes late, by month",
    width,
    height: 140,
    data: { values: [...data.months] },
    mark: { type: "bar", color: palette.ours },
    encoding: {
      x: { field: "month", type: "ordinal", sort: null, title: null, axis: { labelAngle: 0 } },
      y: { field: "lateShare", type: "quantitative", title: "late", axis: { format: "%" } },
    },
  });

function drawTrials({ training }: ReportData): Promise<string> {
  return drawChart({
    title: "Log loss on May by trial",
    width,
    height: 160,
    data: {
      values: training.trials
        .map(({ study, state, value }, at) => ({ at, study, state, value }))
        .filter(({ value }) => value !== undefined),
    },
    mark: { type: "point", filled: true, size: 70 },
    encoding: {
      x: { field: "at", type: "quantitative", title: "trial" },
      shape: { field: "study", type: "nominal", title: null },
      y: { field: "value", type: "quantitative", title: "log loss", scale: { zero: false } },
      color: {
        field: "state",
        type: "nominal",
        scale: { domain: ["completed", "pruned"], range: [palette.ours, palette.warm] },
        title: null,
      },
    },
  });
}

const drawEpochs = ({ training }: ReportData): Promise<string> =>
  drawChart({
    title: "Log loss on May while training",
    width,
    height: 140,
    data: { values: [...training.epochs] },
    mark: { type: "line", point: true, color: palette.ours },
    encoding: {
      x: { field: "epoch", type: "ordinal", axis: { labelAngle: 0 } },
      y: { field: "logLoss", type: "quantitative", title: "log loss", scale: { zero: false } },
    },
  });

function drawCalibration({ training, replay }: ReportData): Promise<string> {
  const points = [
    ...training.model.bins.map((bin) => ({ ...bin, month: "May" })),
    ...replay.june.bins.map((bin) => ({ ...bin, month: "June" })),
  ];
  return drawChart({
    title: "Calibration: what was said, and what came true",
    width: 320,
    height: 320,
    layer: [
      {
        data: { values: [{ at: 0 }, { at: 1 }] },
        mark: { type: "line", color: palette.other, strokeDash: [4, 4] },
        encoding: { x: { field: "at", type: "quantitative" }, y: { field: "at", type: "quantitative" } },
      },
      {
        data: { values: points },
        mark: { type: "line", point: true },
        encoding: {
          x: { field: "meanProbability", type: "quantitative", title: "mean probability" },
          y: { field: "observedShare", type: "quantitative", title: "share late" },
          color: {
            field: "month",
            type: "nominal",
            title: null,
            scale: { domain: ["May", "June"], range: [palette.ours, palette.warm] },
          },
        },
      },
    ],
  });
}

function drawDays({ replay }: ReportData): Promise<string> {
  const values = replay.days.flatMap(({ day, lateShare, meanProbability }) => [
    { day, share: lateShare, what: "came true" },
    { day, share: meanProbability, what: "predicted" },
  ]);
  return drawChart({
    title: "Late flights by day of June",
    width,
    height: 160,
    data: { values },
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "day", type: "temporal", title: null, axis: { format: "%e", tickCount: 15 } },
      y: { field: "share", type: "quantitative", title: "late", axis: { format: "%" }, scale: { zero: false } },
      color: {
        field: "what",
        type: "nominal",
        title: null,
        scale: { domain: ["predicted", "came true"], range: [palette.ours, palette.warm] },
      },
    },
  });
}

function drawDrift({ watch }: ReportData): Promise<string> {
  const most = watch.drift.toSorted((a, b) => b.psi - a.psi).slice(0, 15);
  return drawChart({
    title: "Population stability index, the 15 columns that moved most",
    width,
    height: { step: 16 },
    data: { values: most.map(({ column, psi, drifted }) => ({ column, psi, drifted })) },
    mark: "bar",
    encoding: {
      y: { field: "column", type: "nominal", sort: "-x", title: null },
      x: { field: "psi", type: "quantitative", title: "PSI" },
      color: {
        field: "drifted",
        type: "nominal",
        title: "drifted",
        scale: { domain: [false, true], range: [palette.calm, palette.warm] },
      },
    },
  });
}
