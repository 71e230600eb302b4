/** What is known of a departure without looking at any other flight. All numbers; every function of the row alone. */
export interface CalendarInput {
  /** 0 to 1439, by the clock of the origin. */
  readonly minute_of_day: number;
  /** 1 (Monday) to 7. */
  readonly weekday: number;
  /** Miles. */
  readonly distance: number;
}

const turn = 2 * Math.PI;

/** The features of one departure, in the order of `calendarFeatures`. */
export function calendarOf({ minute_of_day: minute, weekday, distance }: CalendarInput): readonly number[] {
  const day = (turn * minute) / 1440;
  const week = (turn * weekday) / 7;
  return [
    Math.sin(day),
    Math.cos(day),
    Math.sin(2 * day),
    Math.cos(2 * day),
    Math.sin(week),
    Math.cos(week),
    minute < 300 ? 1 : 0,
    weekday === 6 ? 1 : 0,
    // Timetables like multiples of five: a departure at another minute is more often not on time.
    minute % 5 === 0 ? 1 : 0,
    Math.log(distance),
  ];
}

export const calendarFeatures = [
  "day_sin",
  "day_cos",
  "day_sin_2",
  "day_cos_2",
  "week_sin",
  "week_cos",
  "night",
  "saturday",
  "five_minute_mark",
  "log_distance",
] as const;
