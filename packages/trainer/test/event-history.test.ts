import { createEvent, createIdSource, createManualClock, type EventType } from "@millwright/contracts";
import { expect, test } from "vitest";
import { EventHistory, keptProgress } from "../src/event-history.ts";

const clock = createManualClock(0);
const ids = createIdSource(clock);

test("of a long run's progress the newest are kept, of all else everything, in order", () => {
  const history = new EventHistory();
  const told: string[] = [];
  const tell = (type: EventType, step: number): void => {
    told.push(`${type} ${step}`);
    history.add(createEvent({ source: "test", type, subject: "run", data: { step } }, { clock, ids }));
  };
  const reader = (): (() => string[]) => {
    let place = 0;
    return () => {
      const seen: string[] = [];
      for (let next = history.from(place); next !== undefined; next = history.from(place)) {
        seen.push(`${next.event.type} ${String((next.event.data as { readonly step: number }).step)}`);
        place = next.place + 1;
      }
      return seen;
    };
  };
  const [prompt, slow] = [reader(), reader()];
  const promptSaw: string[] = [];
  tell("run.started", 0);
  const slowSaw = slow();
  for (let step = 1; step <= 12_345; step += 1) {
    tell("run.progress", step);
    if (step % 1_000 === 0) tell("run.epoch", step);
    promptSaw.push(...prompt());
  }
  tell("run.finished", 12_345);
  promptSaw.push(...prompt());
  slowSaw.push(...slow());
  expect(promptSaw).toEqual(told);

  const late = reader()();
  expect(slowSaw).toEqual(late);
  const isProgress = (text: string): boolean => text.startsWith("run.progress");
  expect(late.filter((text) => !isProgress(text))).toEqual(told.filter((text) => !isProgress(text)));
  const progress = late.filter(isProgress);
  expect(progress).toEqual(told.filter(isProgress).slice(-progress.length));
  expect(progress.length).toBeGreaterThanOrEqual(keptProgress);
  expect(progress.length).toBeLessThan(2 * keptProgress);
  expect(late).toEqual(told.filter((text) => late.includes(text)));
});
