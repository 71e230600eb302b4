import { shownValue } from "./shown-value.ts";
import type { DashboardAnnotation, Distribution, PanelData, PanelUnit } from "./dashboard.ts";

export const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Colours that people with a red-green weakness tell apart (Okabe and Ito). */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];
export const colourOf = (at: number): string => colours[at % colours.length] as string;

const [width, height, left, bottom] = [560, 200, 64, 22];

export interface PlotOptions {
  readonly unit: PanelUnit;
  readonly fromMs: number;
  readonly toMs: number;
  readonly annotations: readonly DashboardAnnotation[];
  readonly limit?: number | undefined;
}

/** Lines over time as SVG; what is no number is a gap. */
export function svgPlot({ title, lines }: PanelData, options: PlotOptions): string {
  const { unit, fromMs, toMs, annotations, limit } = options;
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value).filter(Number.isFinite));
  const most = values.reduce((max, value) => Math.max(max, value), limit ?? Number.NEGATIVE_INFINITY);
  const least = values.reduce((min, value) => Math.min(min, value), Math.min(0, most));
  const top = Number.isFinite(most) && most > least ? most : least + 1;
  const x = (timeMs: number): string =>
    (left + ((timeMs - fromMs) / Math.max(1, toMs - fromMs)) * (width - left - 8)).toFixed(1);
  const y = (value: number): string => (8 + (1 - (value - least) / (top - least)) * (height - bottom - 8)).toFixed(1);
  const paths = lines.map(({ points }, at) => {
    let path = "";
    let gap = true;
    for (const [timeMs, value] of points) {
      if (Number.isFinite(value)) path += `${gap ? "M" : "L"}${x(timeMs)} ${y(value)}`;
      gap = !Number.isFinite(value);
    }
    return `<path d="${path}" fill="none" stroke="${colourOf(at)}" stroke-width="1.5"/>`;
  });
  const grid = [least, (least + top) / 2, top].map(
    (value) =>
      `<line x1="${left}" x2="${width - 8}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/><text x="${left - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${escapeXml(shownValue(value, unit))}</text>`,
  );
  const marks = annotations
    .filter(({ timeMs }) => timeMs >= fromMs && timeMs <= toMs)
    .map(
      ({ timeMs, text }) =>
        `<line class="annotation" x1="${x(timeMs)}" x2="${x(timeMs)}" y1="8" y2="${height - bottom}" stroke="#555" stroke-dasharray="3 3"><title>${escapeXml(text)}</title></line>`,
    );
  const bound =
    limit === undefined ? "" : `<line x1="${left}" x2="${width - 8}" y1="${y(limit)}" y2="${y(limit)}" stroke="#c00"/>`;
  const times = [fromMs, toMs].map(
    (timeMs, at) =>
      `<text x="${x(timeMs)}" y="${height - 6}" text-anchor="${at === 0 ? "start" : "end"}">${shownValue(timeMs / 1_000, "time")}</text>`,
  );
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">${grid.join("")}${bound}${marks.join("")}${paths.join("")}${times.join("")}</svg>`;
}

/** Two distributions over the same bins, side by side. */
export function svgDistribution({ column, training, serving }: Distribution): string {
  const bins = Math.max(training.length, serving.length);
  const most = Math.max(1e-9, ...training, ...serving);
  const step = (width - 16) / Math.max(1, bins);
  const bar = (share: number, at: number, offset: number, colour: string): string => {
    const tall = (share / most) * (height - 30);
    return `<rect x="${(8 + at * step + offset * step * 0.45).toFixed(1)}" y="${(height - 20 - tall).toFixed(1)}" width="${(step * 0.45).toFixed(1)}" height="${tall.toFixed(1)}" fill="${colour}"/>`;
  };
  const bars = [
    ...training.map((share, at) => bar(share, at, 0, colourOf(0))),
    ...serving.map((share, at) => bar(share, at, 1, colourOf(1))),
  ];
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(column)}">${bars.join("")}</svg>`;
}
