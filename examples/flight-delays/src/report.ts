import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ReportCharts, drawCharts } from "./report-charts.ts";
import type { ReportData } from "./report-data.ts";
import { count } from "./terminal.ts";

/** Writes report.json and report.html into `directory`. The page needs nothing from outside. @returns the path of the page. */
export async function writeReport(directory: string, data: ReportData): Promise<string> {
  const page = join(directory, "report.html");
  await writeWhole(join(directory, "report.json"), JSON.stringify(data, null, 2));
  await writeWhole(page, await reportPage(data));
  return page;
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.partial`, text);
  await rename(`${path}.partial`, path);
}

async function reportPage(data: ReportData): Promise<string> {
  const charts = await drawCharts(data);
  const { training, replay } = data;
  const sections = [...learningSections(data, charts), ...productionSections(data, charts)];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Flight delays</title><style>${style}</style>
<h1>Will this flight be at least 15 minutes late?</h1>
<p class="headline">AUC <b>${training.model.auc.toFixed(3)}</b> on May, <b>${replay.june.auc.toFixed(3)}</b> on June; log loss <b>${training.model.logLoss.toFixed(3)}</b> and <b>${replay.june.logLoss.toFixed(3)}</b>.</p>
${sections.join("\n")}
</html>
`;
}

/** From the raw file to the model. */
function learningSections(data: ReportData, charts: ReportCharts): readonly string[] {
  const { training, leakage } = data;
  return [
    section(
      "The data",
      `${count(data.data.flights)} flights between ${data.data.airports} airports on ${count(data.data.routes)} routes.`,
      charts.months,
    ),
    section(
      "No feature knows the future",
      `${count(leakage.values)} feature values of ${count(leakage.labels)} departures were computed again from the raw flights that were known before each departure:
       ${leakage.different} differ. The newest outcome that any of them used was known ${leakage.closestMinutes} min before its departure.`,
    ),
    section(
      "Tuning",
      `${training.trials.length} trials, of which ${training.trials.filter(({ state }) => state === "pruned").length} were stopped early.`,
      charts.trials,
      trialTable(data),
    ),
    section(
      "The model on May, which it never saw",
      `${count(training.model.rows)} flights.`,
      qualityTable(data),
      worthTable(data),
      charts.epochs,
      charts.calibration,
    ),
  ];
}

/** From the registry to what should be done. */
function productionSections(data: ReportData, charts: ReportCharts): readonly string[] {
  const { replay, canary, watch, registry } = data;
  return [
    section(
      "Registered",
      `Version <b>${text(registry.version)}</b>, approved by ${text(registry.approvedBy)}, digest <code>${text(registry.digest)}</code>. Made from:`,
      table(
        ["what", "name", "id"],
        registry.lineage.map(({ kind, name = "", id }) => [
          text(kind),
          text(name),
          `<code>${text(id.slice(0, 23))}</code>`,
        ]),
      ),
    ),
    section(
      "June, replayed as requests",
      `${count(replay.requests)} requests in time order, ${count(replay.requestsPerSecond)} a second, with features that were brought up to date by ${count(replay.outcomes)} outcomes on the way.
       ${count(replay.parity.values)} online feature values were compared with the offline ones: ${replay.parity.different} differ.`,
      latencyTable(data),
      charts.days,
    ),
    section(
      "A bad candidate, rolled back",
      `${text(canary.candidate)} got ${Math.round(canary.share * 100)} % of the traffic and answered ${count(canary.requests)} requests. It was deployed at ${moment(canary.deployedMs)}${canary.rolledBackMs === undefined ? "" : ` and taken back at ${moment(canary.rolledBackMs)}`}, by the clock of the replay. State: <b>${text(canary.state)}</b>. ${text(canary.reason ?? "")}`,
      table(
        ["time", "event"],
        canary.events.map(({ time, type }) => [text(time), text(type)]),
      ),
    ),
    section("Drift of June against training", "", charts.drift, driftTable(data)),
    section("Service level", "", sloTable(data)),
    section("What to do", "", `<ul>${watch.advice.map((each) => `<li>${text(each)}</li>`).join("")}</ul>`),
    section(
      "What each stage took",
      "",
      table(
        ["stage", "seconds"],
        data.timings.map(({ title, durationMs }) => [text(title), (durationMs / 1000).toFixed(1)]),
      ),
    ),
  ];
}

const section = (title: string, lead: string, ...parts: readonly string[]): string =>
  `<section><h2>${title}</h2>${lead === "" ? "" : `<p>${lead}</p>`}${parts.join("")}</section>`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><tr>${head.map((each) => `<th>${each}</th>`).join("")}</tr>${rows
    .map((row) => `<tr>${row.map((each) => `<td>${each}</td>`).join("")}</tr>`)
    .join("")}</table>`;

const moment = (timeMs: number): string => `${new Date(timeMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;

const text = (value: string): string => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function trialTable({ training }: ReportData): string {
  const rows = training.trials.map(({ study, number, state, value, epochs, params }) => [
    `${text(study)} ${number}`,
    state,
    value === undefined ? "" : value.toFixed(4),
    String(epochs),
    text(JSON.stringify(params)),
  ]);
  return `<details><summary>All trials</summary>${table(["trial", "state", "log loss", "reports", "parameters"], rows)}</details>`;
}

function qualityTable({ training: { models, baselines } }: ReportData): string {
  return table(
    ["on May", "AUC", "log loss", "calibration error"],
    [
      ...models.map(({ name, quality }, at) =>
        [
          at === 0 ? `the ${name}, which was chosen` : `the ${name}`,
          quality.auc.toFixed(4),
          quality.logLoss.toFixed(4),
          quality.calibrationError.toFixed(4),
        ].map((cell) => (at === 0 ? `<b>${cell}</b>` : cell)),
      ),
      ...baselines.map(({ name, auc, logLoss }) => [text(name), auc.toFixed(4), logLoss.toFixed(4), ""]),
    ],
  );
}

function worthTable({ training: { worth } }: ReportData): string {
  const rows = worth.baselines.map(({ name, score, advantage, interval: { low, high }, verdict }) => [
    text(name),
    score.toFixed(4),
    `${advantage.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)})`,
    verdict,
  ]);
  const title = `against, on ${count(worth.rows)} of them`;
  return table([title, "log loss", `better by (${100 * worth.confidence} % interval)`, "verdict"], rows);
}

function latencyTable({ replay: { inProcess, http } }: ReportData): string {
  const row = (name: string, { p50, p95, p99 }: typeof inProcess): readonly string[] => [
    name,
    p50.toFixed(2),
    p95.toFixed(2),
    p99.toFixed(2),
  ];
  return table(
    ["milliseconds", "p50", "p95", "p99"],
    [row("in this process", inProcess), row("over HTTP, one at a time", http)],
  );
}

function driftTable({ watch }: ReportData): string {
  const rows = watch.drift.map(({ column, psi, ks, jensenShannon, drifted }) => [
    text(column),
    psi.toFixed(3),
    ks.toFixed(3),
    jensenShannon.toFixed(3),
    drifted ? "<b>drifted</b>" : "",
  ]);
  return `<details><summary>All columns</summary>${table(["column", "PSI", "KS distance", "Jensen-Shannon", ""], rows)}</details>`;
}

function sloTable({ watch }: ReportData): string {
  const rows = watch.slos.map(({ name, objective, good, total, budgetLeft, alerts }) => [
    text(name),
    `${(objective * 100).toFixed(1)} %`,
    `${((100 * good) / Math.max(1, total)).toFixed(3)} % of ${count(total)}`,
    `${(budgetLeft * 100).toFixed(1)} %`,
    text(alerts.join(", ") || "none"),
  ]);
  return table(["objective", "target", "measured", "error budget left", "alerts"], rows);
}

const style = `
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, sans-serif; max-width: 860px; margin: 2rem auto; padding: 0 1rem; color: #1d2733; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; border-top: 1px solid #dfe5ea; padding-top: 1.2rem; }
.headline { font-size: 1.1rem; color: #465564; } svg { max-width: 100%; height: auto; display: block; margin: .8rem 0; }
table { border-collapse: collapse; margin: .6rem 0; } td, th { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #edf1f4; font-variant-numeric: tabular-nums; }
th { color: #66788a; font-weight: 500; } code { font-size: .85em; background: #f3f6f8; padding: .1em .3em; } summary { cursor: pointer; color: #1f6f8b; }
`;
