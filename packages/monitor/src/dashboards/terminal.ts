import type { Dashboard, DashboardData, Panel, PanelData } from "./dashboard.ts";
import { shownValue } from "./shown-value.ts";

const steps = "▁▂▃▄▅▆▇█";

/** The dashboard as lines of text: for each series a curve of `width` signs and how it stands. @param width Default: 40. */
export function terminalDashboard(
  dashboard: Dashboard,
  data: DashboardData,
  { width = 40 }: { readonly width?: number | undefined } = {},
): string {
  if (!(width >= 8 && width <= 1_000)) throw new RangeError(`\`width\` must be in [8, 1000], not ${width}.`);
  let at = 0;
  const lines = [printable(dashboard.title)];
  for (const { title, panels } of dashboard.rows) {
    lines.push("", `── ${printable(title)} ──`);
    for (const panel of panels) lines.push(...panelLines(panel, data.panels[at++], data, width));
  }
  return `${lines.join("\n")}\n`;
}

function panelLines(panel: Panel, shown: PanelData | undefined, data: DashboardData, width: number): readonly string[] {
  const head = printable(panel.title);
  if (panel.kind === "text")
    return [head, `  ${printable(panel.text)}`, ...(panel.links ?? []).map(({ url }) => `  ${printable(url)}`)];
  if (panel.kind === "distribution") {
    const both = data.distributions.flatMap(({ column, training, serving }) => [
      `  ${spark(training, width)} ${printable(column)} in training`,
      `  ${spark(serving, width)} ${printable(column)} in serving`,
    ]);
    return [head, ...(both.length === 0 ? ["  no data"] : both)];
  }
  const series = shown?.lines ?? [];
  if (series.length === 0) return [head, "  no data"];
  return [
    head,
    ...series.map(({ name, points }) => {
      const value = shownValue(points.at(-1)?.[1] ?? Number.NaN, panel.unit);
      const curve =
        panel.kind === "lines"
          ? `${spark(
              points.map((point) => point[1]),
              width,
            )} `
          : "";
      return `  ${curve}${value}  ${printable(name)}`;
    }),
  ];
}

/** The newest values of a stretch for each sign; a blank where there is no number. */
function spark(values: readonly number[], width: number): string {
  const cells = Array.from(
    { length: Math.min(width, values.length) },
    (_, at, count = Math.min(width, values.length)) => {
      const end = Math.ceil(((at + 1) * values.length) / count);
      return values[end - 1] ?? Number.NaN;
    },
  );
  const finite = cells.filter(Number.isFinite);
  const most = finite.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  const least = finite.reduce((min, value) => Math.min(min, value), Math.min(0, most));
  const sign = (value: number): string =>
    Number.isFinite(value)
      ? (steps[most > least ? Math.min(7, Math.floor(((value - least) / (most - least)) * 8)) : 0] as string)
      : " ";
  return cells.map(sign).join("").padEnd(width);
}

/** A name may hold what would steer the terminal. */
const printable = (text: string): string => text.replaceAll(/\p{C}/gu, "�");
