import type { HistogramBin } from "./histogram.ts";
import { escapeHtml, showCount, showShare } from "./data-report-text.ts";

const width = 360;

/** A picture that says in words what it shows. */
function svg(height: number, label: string, body: string): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(label)}">${body}</svg>`;
}

const at = (value: number): string => String(Number(value.toFixed(2)));

/** The share of rows that are missing, as a strip. */
export function drawShare(share: number): string {
  const gap = `<rect class="gap" x="${at(width * (1 - share))}" width="${at(width * share)}" height="6"/>`;
  const label = `${showShare(share)} missing`;
  return svg(
    6,
    label,
    `<rect class="ground" width="${width}" height="6"/>${share === 0 ? "" : `<title>${label}</title>${gap}`}`,
  );
}

/** Bins of equal width side by side, with the range below. */
export function drawHistogram(bins: readonly HistogramBin[], show: (value: number) => string): string {
  const height = 120;
  const most = Math.max(...bins.map(({ count }) => count), 1);
  const step = width / bins.length;
  const bars = bins.map(({ low, high, count }, bin) => {
    // A bin that is not empty is seen, however small.
    const tall = count > 0 ? Math.max(1, (count / most) * height) : 0;
    const title = `${escapeHtml(show(low))} to ${escapeHtml(show(high))}: ${showCount(count)}`;
    return `<rect class="bar" x="${at(bin * step + 0.5)}" y="${at(height - tall)}" width="${at(step - 1)}" height="${at(tall)}"><title>${title}</title></rect>`;
  });
  const [low, high] = [show(bins[0]?.low ?? 0), show(bins.at(-1)?.high ?? 0)];
  const range = `<text x="0" y="${height + 14}">${escapeHtml(low)}</text><text x="${width}" y="${height + 14}" text-anchor="end">${escapeHtml(high)}</text>`;
  const line = `<line x1="0" x2="${width}" y1="${height}" y2="${height}"/>`;
  return svg(height + 18, `Histogram from ${low} to ${high}`, `${bars.join("")}${line}${range}`);
}

const labelWidth = 130;
const longestLabel = 20;

/** One bar a text, below each other, with its count. */
export function drawBars(bars: readonly { readonly label: string; readonly value: number }[]): string {
  if (bars.length === 0) return "";
  const most = Math.max(...bars.map(({ value }) => value), 1);
  const room = width - labelWidth - 60;
  const rows = bars.map(({ label, value }, row) => {
    const characters = Array.from(label);
    const short = characters.length > longestLabel ? `${characters.slice(0, longestLabel - 1).join("")}…` : label;
    const long = value > 0 ? Math.max(1, (value / most) * room) : 0;
    const y = row * 18;
    return `<g><title>${escapeHtml(label)}: ${showCount(value)}</title><text x="${labelWidth - 6}" y="${y + 13}" text-anchor="end">${escapeHtml(short)}</text><rect class="bar" x="${labelWidth}" y="${y + 3}" width="${at(long)}" height="12"/><text x="${at(labelWidth + long + 5)}" y="${y + 13}">${showCount(value)}</text></g>`;
  });
  return svg(bars.length * 18, `Most frequent: ${bars[0]?.label ?? ""}`, rows.join(""));
}
