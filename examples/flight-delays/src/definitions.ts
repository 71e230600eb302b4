import {
  type Aggregate,
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineOnDemandFeatures,
  hours,
  mean,
} from "@millwright/feature-store";
import { calendarFeatures, calendarOf } from "./calendar.ts";

/** An outcome counts from when it was known, not from when the flight left. */
const outcome = {
  eventTime: "known_at",
  inputs: { delay: "int32", late: "int32" },
  owner: "flight-delays",
  tags: { source: "flights-3m" },
  columns: {
    delay: { unit: "min", description: "How late a flight arrived; early is negative." },
    late: { minimum: 0, maximum: 1, description: "Whether it arrived 15 minutes late or more." },
  },
} as const;

/** Mean delay, share late and number of flights over a window. */
const over = (window: string, windowMs: number): Readonly<Record<string, Aggregate<"delay" | "late">>> => ({
  [`delay_${window}`]: mean("delay", windowMs),
  [`late_${window}`]: mean("late", windowMs),
  [`flights_${window}`]: count(windowMs),
});

const recent = { ...over("3h", hours(3)), ...over("24h", hours(24)), ...over("7d", days(7)) };

/** Flights that left an airport. */
export const originView = defineFeatureView({
  name: "origin",
  description: "Flights that left an airport.",
  entity: defineEntity({ name: "origin", keys: { origin: "utf8" } }),
  ...outcome,
  aggregates: recent,
});

/** Flights to an airport. */
export const destinationView = defineFeatureView({
  name: "destination",
  description: "Flights to an airport.",
  entity: defineEntity({ name: "destination", keys: { destination: "utf8" } }),
  ...outcome,
  aggregates: recent,
});

/** Flights from one airport to another. */
export const routeView = defineFeatureView({
  name: "route",
  description: "Flights from one airport to another.",
  entity: defineEntity({ name: "route", keys: { origin: "utf8", destination: "utf8" } }),
  ...outcome,
  aggregates: { ...recent, ...over("28d", days(28)) },
});

/**
 * Flights of a route in one quarter of an hour of the day. The file holds no timetable; what left in the same quarter on other days, and how late that was, tells
 * whether this departure is at its usual time.
 */
export const slotView = defineFeatureView({
  name: "slot",
  description: "Flights of a route in one quarter of an hour of the day.",
  entity: defineEntity({ name: "slot", keys: { origin: "utf8", destination: "utf8", quarter: "int32" } }),
  ...outcome,
  aggregates: { ...over("7d", days(7)), ...over("28d", days(28)) },
});

export const calendar = defineOnDemandFeatures({
  name: "calendar",
  inputs: { minute_of_day: "int32", weekday: "int32", distance: "int32" },
  features: Object.fromEntries(calendarFeatures.map((name) => [name, "float64"])) as Record<
    (typeof calendarFeatures)[number],
    "float64"
  >,
  compute: ({ minute_of_day, weekday, distance }) => {
    const values = calendarOf({ minute_of_day: minute_of_day ?? 0, weekday: weekday ?? 1, distance: distance ?? 1 });
    return Object.fromEntries(calendarFeatures.map((name, index) => [name, values[index] ?? null]));
  },
});

export const views = [originView, destinationView, routeView, slotView] as const;

/** What the model of late flights takes. */
export const lateFlights = defineFeatureService({
  name: "late_flights",
  description: "What is known of a flight as it leaves the gate.",
  owner: "flight-delays",
  views,
  onDemand: [calendar],
});
