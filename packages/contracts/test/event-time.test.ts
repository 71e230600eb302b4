import { formatEventTime, hasCode, parseDate, parseEventTime } from "@millwright/contracts";
import { describe, expect, test } from "vitest";

const second = 1_000_000n;

/** Times that are taken, with their microseconds since 1970 as Python's `datetime` gives them. */
const taken: readonly (readonly [string | number, bigint])[] = [
  ["1970-01-01T00:00:00Z", 0n],
  ["1970-01-01T00:00:00.001Z", 1000n],
  ["1970-01-01T00:00:00.000001Z", 1n],
  ["1969-12-31T23:59:59.999Z", -1000n],
  ["1969-12-31T23:59:59.999999Z", -1n],
  ["2024-02-29T12:34:56Z", 1_709_210_096n * second],
  ["2000-02-29T00:00:00Z", 951_782_400n * second],
  ["2024-05-01T12:00:00.250Z", 1_714_564_800_250_000n],
  ["2024-05-01T12:00:00.5Z", 1_714_564_800_500_000n],
  ["2024-05-01T12:00:00.123456Z", 1_714_564_800_123_456n],
  ["2038-01-19T03:14:08Z", 2_147_483_648n * second],
  ["1900-03-01T00:00:00Z", -2_203_891_200n * second],
  ["0099-12-31T00:00:00Z", -59_011_545_600n * second],
  ["0001-01-01T00:00:00Z", -62_135_596_800n * second],
  ["0000-01-01T00:00:00Z", -62_167_219_200n * second],
  ["9999-12-31T23:59:59.999Z", 253_402_300_799_999_000n],
  [0, 0n],
  [-1, -1n * second],
  [1_714_564_800, 1_714_564_800n * second],
  [1_714_564_800.25, 1_714_564_800_250_000n],
  [1_714_564_800.123, 1_714_564_800_123_000n],
  [-0.001, -1000n],
];

const refused: readonly (readonly [unknown, string])[] = [
  ["2024-05-01T12:00:00", "not in the form of UTC"],
  ["2024-05-01 12:00:00Z", "not in the form of UTC"],
  ["2024-05-01", "not in the form of UTC"],
  ["2024-05-01T12:00Z", "not in the form of UTC"],
  ["20240501T120000Z", "not in the form of UTC"],
  ["2024-05-01T12:00:00z", "not in the form of UTC"],
  [" 2024-05-01T12:00:00Z", "not in the form of UTC"],
  ["2024-05-01T12:00:00.Z", "not in the form of UTC"],
  ["2024-05-01T12:00:00.1234567Z", "not in the form of UTC"],
  ["1714564800", "not in the form of UTC"],
  ["", "not in the form of UTC"],
  ["2024-05-01T12:00:00+02:00", "it has an offset"],
  ["2024-05-01T12:00:00+00:00", "it has an offset"],
  ["2024-05-01T12:00:00.000-0500", "it has an offset"],
  ["2016-12-31T23:59:60Z", "leap seconds"],
  ["2024-05-01T24:00:00Z", "no such time of day"],
  ["2024-05-01T12:60:00Z", "no such time of day"],
  ["2023-02-29T00:00:00Z", "no such day"],
  ["1900-02-29T00:00:00Z", "no such day"],
  ["2024-04-31T00:00:00Z", "no such day"],
  ["2024-13-01T00:00:00Z", "no such day"],
  ["+10000-01-01T00:00:00Z", "not in the form of UTC"],
  ["-0001-12-31T00:00:00Z", "not in the form of UTC"],
  [253_402_300_800, "its year is not from 0000 to 9999"],
  [-62_167_219_200.001, "its year is not from 0000 to 9999"],
  [1_714_564_800.1234, "finer than milliseconds"],
  [Number.NaN, "not finite"],
  [Number.POSITIVE_INFINITY, "not finite"],
  [null, "neither text nor a number"],
];

const refusal = (value: unknown): unknown => {
  try {
    return parseEventTime(value as string);
  } catch (error) {
    return error;
  }
};

describe("event times", () => {
  test("CT-10: a table of texts and seconds is taken to the microsecond or refused for its reason", () => {
    expect(taken.length + refused.length).toBeGreaterThanOrEqual(40);
    for (const [value, us] of taken) expect([value, parseEventTime(value)]).toEqual([value, us]);
    for (const [value, problem] of refused) {
      const error = refusal(value);
      expect([value, hasCode(error, "CONTRACTS_EVENT_TIME_INVALID")]).toEqual([value, true]);
      expect(String(error)).toContain(problem);
    }
  });

  test("formatting is the inverse of parsing", () => {
    for (const [value, us] of taken) {
      expect(parseEventTime(formatEventTime(us))).toBe(us);
      if (typeof value === "string" && !value.endsWith(".5Z")) expect(formatEventTime(us)).toBe(value);
    }
    expect(formatEventTime(1_714_564_800_500_000n)).toBe("2024-05-01T12:00:00.500Z");
    expect(() => formatEventTime(253_402_300_800_000_000n)).toThrow("its year is not from 0000 to 9999");
  });

  test("every millisecond of a second is read from seconds with decimals", () => {
    for (let ms = 0; ms < 1000; ms += 1) {
      const text = `1714564800.${String(ms).padStart(3, "0")}`;
      expect(parseEventTime(Number(text))).toBe(1_714_564_800_000_000n + BigInt(ms) * 1000n);
    }
  });

  test("dates are days since 1970", () => {
    expect(parseDate("1970-01-01")).toBe(0);
    expect(parseDate("1969-12-31")).toBe(-1);
    expect(parseDate("0000-01-01")).toBe(-719_528);
    expect(parseDate("9999-12-31")).toBe(2_932_896);
    expect(() => parseDate("2023-02-29")).toThrow("no such day");
    expect(() => parseDate("01.05.2024")).toThrow("not in the form of a date");
  });
});
