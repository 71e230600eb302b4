import type { PanelUnit } from "./dashboard.ts";

const digits = (value: number): string =>
  Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));

const show: Readonly<Record<PanelUnit, (value: number) => string>> = {
  seconds: (value) => (Math.abs(value) < 1 ? `${digits(value * 1_000)} ms` : `${digits(value)} s`),
  share: (value) => `${digits(value * 100)} %`,
  perSecond: (value) => `${digits(value)}/s`,
  bytes: (value) =>
    value >= 2 ** 30
      ? `${digits(value / 2 ** 30)} GiB`
      : value >= 2 ** 20
        ? `${digits(value / 2 ** 20)} MiB`
        : `${digits(value)} B`,
  count: digits,
  currency: (value) => `$${value.toFixed(2)}`,
  time: (value) =>
    Math.abs(value) < 8.64e12 ? new Date(value * 1_000).toISOString().slice(0, 16).replace("T", " ") : digits(value),
};

/** A value for people. */
export const shownValue = (value: number, unit: PanelUnit): string =>
  Number.isFinite(value) ? show[unit](value) : "no data";
