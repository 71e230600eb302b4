import { createNewestEvents, type EventDraft, type EventLog } from "@millwright/contracts";
import { openMemoryEventLog, openSqlite, openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { temporaryFolder } from "./folder.ts";

const draft = (type: EventDraft["type"], subject: string): EventDraft => ({ source: "test", type, subject, data: {} });

async function followsTheLog(log: EventLog): Promise<void> {
  const newest = createNewestEvents(log, {
    types: ["model.*"],
    subjectsOf: ({ subject = "" }) => [subject, subject.split("/")[0] ?? ""],
  });
  expect(await newest.find("late/1")).toBeUndefined();
  const [first, second] = await log.append([draft("model.registered", "late/1"), draft("model.approved", "late/1")]);
  await log.append([draft("run.started", "late/1")]);
  expect(await newest.find("late/1")).toBe(second?.event.id);
  const [third] = await log.append([draft("model.registered", "late/2")]);
  const found = await Promise.all(["late/1", "late/2", "late", "early"].map((subject) => newest.find(subject)));
  expect(found).toEqual([second?.event.id, third?.event.id, third?.event.id, undefined]);
  expect(first?.event.id).not.toBe(second?.event.id);
}

test("the newest event about a subject is found, as the log grows, in memory and in SQLite", async () => {
  await followsTheLog(openMemoryEventLog());
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"));
  await followsTheLog(openEventLog(database));
});

test("each event is read once, and a question after a failure goes on where the last walk came to", async () => {
  const log = openMemoryEventLog();
  let given = 0;
  let failAt = 2;
  const newest = createNewestEvents(
    {
      async *read(options) {
        for await (const logged of log.read(options)) {
          if (logged.cursor === failAt) throw new Error("The disk is away.");
          given += 1;
          yield logged;
        }
      },
    },
    { types: ["model.*"], subjectsOf: ({ subject = "" }) => [subject] },
  );
  const logged = await log.append(["a", "b", "c"].map((subject) => draft("model.registered", subject)));
  await expect(newest.find("a")).rejects.toThrow("The disk is away.");
  failAt = 0;
  expect(await newest.find("c")).toBe(logged[2]?.event.id);
  expect(await newest.find("a")).toBe(logged[0]?.event.id);
  expect(given).toBe(3);
  await expect(newest.find("a", { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});

test("a question that waits for another's reading of the log is aborted at once", async () => {
  const log = openMemoryEventLog();
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const slow = createNewestEvents(
    {
      async *read(options) {
        await opened;
        yield* log.read(options);
      },
    },
    { types: ["model.*"], subjectsOf: ({ subject = "" }) => [subject] },
  );
  const [logged] = await log.append([draft("model.registered", "late")]);
  const first = slow.find("late");
  const controller = new AbortController();
  const second = slow.find("late", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(second).rejects.toThrow("enough");
  open();
  expect(await first).toBe(logged?.event.id);
});

test("more of an event than its id is kept where that is asked for", async () => {
  const log = openMemoryEventLog();
  const subjectsOf = ({ subject = "" }: { readonly subject?: string | undefined }): readonly string[] => [subject];
  const newest = createNewestEvents(log, { types: ["model.*"], subjectsOf, keep: ({ type, id }) => ({ type, id }) });
  const [, approved] = await log.append([draft("model.registered", "late/1"), draft("model.approved", "late/1")]);
  expect(await newest.find("late/1")).toEqual({ type: "model.approved", id: approved?.event.id });
  expect(await newest.find("early/1")).toBeUndefined();
});
