import { columnType } from "./errors.ts";
import { numberEncoder, type StepEncoder } from "./step-encoder.ts";
import type { DatePart, FittedStep } from "./transform-plan.ts";

type DateParts = Extract<FittedStep, { readonly kind: "dateParts" }>;

const dayMs = 86_400_000;

/** How a part is read, its first value, and how many there are before it comes around; the year does not. */
const readers: Readonly<
  Record<DatePart, { readonly of: (date: Date) => number; readonly first: number; readonly period?: number }>
> = {
  year: { of: (date) => date.getUTCFullYear(), first: 2000 },
  month: { of: (date) => date.getUTCMonth() + 1, first: 1, period: 12 },
  day: { of: (date) => date.getUTCDate(), first: 1, period: 31 },
  yearDay: {
    // Date.UTC takes the years 0 to 99 for those of the twentieth century.
    of: (date) => Math.floor((date.getTime() - new Date(0).setUTCFullYear(date.getUTCFullYear(), 0, 1)) / dayMs) + 1,
    first: 1,
    period: 366,
  },
  weekday: { of: (date) => ((date.getUTCDay() + 6) % 7) + 1, first: 1, period: 7 },
  hour: { of: (date) => date.getUTCHours(), first: 0, period: 24 },
  minute: { of: (date) => date.getUTCMinutes(), first: 0, period: 60 },
};

export const dateParts = Object.keys(readers) as readonly DatePart[];

const isCyclic = (part: DatePart, { encoding }: DateParts): boolean =>
  encoding === "cyclic" && readers[part].period !== undefined;

export function encodeDateParts(step: DateParts): StepEncoder {
  const { column, parts, unit } = step;
  const names = parts.flatMap((part) =>
    isCyclic(part, step) ? [`${column}_${part}_sin`, `${column}_${part}_cos`] : [`${column}_${part}`],
  );
  const encoder = numberEncoder(step, names, (value, target, at) => {
    const date = new Date(unit === "day" ? value * dayMs : Math.floor(value / 1000));
    // Beyond what a Date reaches, and where there is no value, there are no parts.
    if (Number.isNaN(date.getTime())) return;
    let next = at;
    for (const part of parts) {
      const { of, first, period = 1 } = readers[part];
      if (isCyclic(part, step)) {
        const angle = ((of(date) - first) / period) * 2 * Math.PI;
        target[next] = Math.sin(angle);
        target[next + 1] = Math.cos(angle);
        next += 2;
      } else {
        target[next] = step.encoding === "cyclic" ? of(date) - first : of(date);
        next += 1;
      }
    }
  });
  const other = unit === "day" ? "timestamp" : "date";
  return {
    ...encoder,
    writeColumn(each, target, at, width) {
      // Days read as microseconds are no error to anybody, and are wrong. Plain numbers are taken in the unit of the fitted column.
      if (each.type === other) throw columnType(column, each.type, `a ${unit === "day" ? "date" : "timestamp"}`);
      encoder.writeColumn(each, target, at, width);
    },
    writeRows: undefined,
  };
}
