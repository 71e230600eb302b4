import {
  type EventDraft,
  childTrace,
  createEvent,
  createIdSource,
  createManualClock,
  createRandom,
  eventTypes,
  matchesType,
  parseEvent,
  readTraceparent,
  sageMakerEventTypes,
  writeTraceparent,
} from "@millwright/contracts";
import { describe, expect, test } from "vitest";

const clock = createManualClock(Date.UTC(2024, 4, 1, 12));
const ids = createIdSource(clock, createRandom(1));
const draft: EventDraft = {
  source: "millwright/registry",
  type: "model.approved",
  subject: "late/3",
  data: { made: [{ kind: "model", id: "late/3" }], by: "ann" },
};

describe("events", () => {
  test("get an id and a time, and are CloudEvents the parser takes", () => {
    const event = createEvent(draft, { clock, ids });
    expect(event).toEqual({
      ...draft,
      specversion: "1.0",
      id: event.id,
      time: "2024-05-01T12:00:00.000Z",
      datacontenttype: "application/json",
    });
    expect(parseEvent(JSON.parse(JSON.stringify(event)))).toEqual(event);
    expect(createEvent(draft, { clock, ids }).id).not.toBe(event.id);
    const caused = createEvent({ ...draft, causationid: event.id, traceparent: undefined }, { clock, ids });
    expect(caused.causationid).toBe(event.id);
    expect(Object.keys(caused)).not.toContain("traceparent");
  });

  test("keep a copy of their data, and refuse what JSON cannot carry", () => {
    const data = { list: [1] };
    const event = createEvent({ ...draft, data }, { clock, ids });
    data.list.push(2);
    expect(event.data).toEqual({ list: [1] });
    expect(() => createEvent({ ...draft, data: { loss: Number.NaN } }, { clock, ids })).toThrow(TypeError);
  });

  test("patterns take a type, a family, or everything", () => {
    expect(matchesType("model.approved", "model.approved")).toBe(true);
    expect(matchesType("model.*", "model.approved")).toBe(true);
    expect(matchesType("*", "model.approved")).toBe(true);
    expect(matchesType("mode.*", "model.approved")).toBe(false);
    expect(matchesType("model", "model.approved")).toBe(false);
    expect(matchesType("model.app*", "model.approved")).toBe(false);
  });

  test("every known type is in its family and well formed", () => {
    for (const [family, types] of Object.entries(eventTypes)) {
      expect(types.length).toBeGreaterThan(0);
      for (const type of types) {
        expect(matchesType(`${family}.*`, type)).toBe(true);
        expect(parseEvent(createEvent({ ...draft, type: type as never }, { clock, ids })).type).toBe(type);
      }
    }
  });

  test("each of SageMaker's ten families has its types here", () => {
    const known = Object.values(eventTypes).flat();
    expect(Object.keys(sageMakerEventTypes)).toHaveLength(10);
    for (const patterns of Object.values(sageMakerEventTypes)) {
      for (const pattern of patterns)
        expect(
          known.some((type) => matchesType(pattern, type)),
          pattern,
        ).toBe(true);
    }
  });
});

describe("trace contexts", () => {
  // The example of W3C Trace Context, section 3.2.
  const text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  test("are read and written as W3C says", () => {
    const trace = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true };
    expect(readTraceparent(text)).toEqual(trace);
    expect(writeTraceparent(trace)).toBe(text);
    expect(readTraceparent(text.replace(/01$/, "00"))?.sampled).toBe(false);
    // A later version may say more, which is passed over.
    expect(readTraceparent(text.replace(/^00/, "01").concat("-what-comes"))).toEqual(trace);
  });

  test("what is none reads as undefined", () => {
    for (const wrong of [
      "",
      text.toUpperCase(),
      text.replace(/^00/, "ff"),
      `${text}-more`,
      text.slice(0, -1),
      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ]) {
      expect(readTraceparent(wrong), wrong).toBeUndefined();
    }
  });

  test("a child stays in the trace of its parent with a span of its own", () => {
    const random = createRandom(3);
    const root = childTrace(random);
    const child = childTrace(random, root);
    expect(child.traceId).toBe(root.traceId);
    expect(child.spanId).not.toBe(root.spanId);
    expect(readTraceparent(writeTraceparent(child))).toEqual(child);
  });
});
