import assert from "node:assert/strict";
import type { EventDraft } from "../event.ts";
import type { EventLog, EventReadOptions } from "../event-log.ts";
import type { EventId } from "../ids.ts";
import { abortedSignal, collect, rejectsWithReason, take } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

const draft = (type: EventDraft["type"], subject: string, data: EventDraft["data"] = {}): EventDraft => ({
  source: "millwright/contract",
  type,
  subject,
  data,
});

const subjectsOf = async (log: EventLog, options?: EventReadOptions): Promise<(string | undefined)[]> =>
  (await collect(log.read(options))).map(({ event }) => event.subject);

/** What each event log promises. Every case takes an empty log of its own. */
export const eventLogContract: readonly ContractCase<EventLog>[] = [
  {
    name: "append gives each event its envelope, and returns in the order given",
    run: async (log) => {
      const logged = await log.append([
        draft("run.started", "r1", { from: [{ kind: "dataset", id: "d" }] }),
        { ...draft("run.ended", "r1"), causationid: "cause" as EventId, traceparent: "00-aa-bb-01" },
      ]);
      assert.deepEqual(
        logged.map(({ event }) => event.type),
        ["run.started", "run.ended"],
      );
      for (const { event } of logged) {
        assert.equal(event.specversion, "1.0");
        assert.equal(event.datacontenttype, "application/json");
        assert.equal(event.source, "millwright/contract");
        assert.ok(event.id.length > 0);
        assert.equal(new Date(event.time).toISOString().slice(0, 19), event.time.slice(0, 19));
      }
      assert.deepEqual(logged[0]?.event.data, { from: [{ kind: "dataset", id: "d" }] });
      assert.equal(logged[1]?.event.causationid, "cause");
      assert.equal(logged[1]?.event.traceparent, "00-aa-bb-01");
    },
  },
  {
    name: "read gives what append returned, in the order it was committed, with growing cursors",
    run: async (log) => {
      const first = await log.append([draft("run.started", "a"), draft("trial.started", "b")]);
      const second = await log.append([draft("run.ended", "c")]);
      const read = await collect(log.read());
      assert.deepEqual(read, [...first, ...second]);
      const cursors = read.map(({ cursor }) => cursor);
      assert.deepEqual(
        cursors,
        [...new Set(cursors)].toSorted((a, b) => a - b),
      );
    },
  },
  {
    name: "no two events have one id",
    run: async (log) => {
      const many = Array.from({ length: 100 }, (_, index) => draft("run.metric", `${index}`));
      await Promise.all([log.append(many), log.append(many), log.append(many)]);
      assert.equal(new Set((await collect(log.read())).map(({ event }) => event.id)).size, 300);
    },
  },
  {
    name: "an empty log reads as nothing, and appending nothing appends nothing",
    run: async (log) => {
      assert.deepEqual(await collect(log.read()), []);
      assert.deepEqual(await log.append([]), []);
      assert.deepEqual(await collect(log.read()), []);
    },
  },
  {
    name: "a reader resumes after its last cursor without gap or repeat",
    run: async (log) => {
      await log.append(["a", "b", "c", "d", "e"].map((subject) => draft("run.started", subject)));
      const [, second] = await take(log.read(), 2);
      assert.deepEqual(await subjectsOf(log, { after: second?.cursor }), ["c", "d", "e"]);
      const last = (await collect(log.read())).at(-1);
      assert.deepEqual(await subjectsOf(log, { after: last?.cursor }), []);
    },
  },
  {
    name: "types choose events: whole types, and families with a star",
    run: async (log) => {
      await log.append([
        draft("model.registered", "1"),
        draft("model.approved", "2"),
        draft("run.ended", "3"),
        draft("deployment.completed", "4"),
        draft("model.alias.moved", "5"),
      ]);
      assert.deepEqual(await subjectsOf(log, { types: ["model.approved"] }), ["2"]);
      assert.deepEqual(await subjectsOf(log, { types: ["model.*"] }), ["1", "2", "5"]);
      assert.deepEqual(await subjectsOf(log, { types: ["model.registered", "run.*"] }), ["1", "3"]);
      assert.deepEqual(await subjectsOf(log, { types: ["slo.*"] }), []);
      assert.deepEqual(await subjectsOf(log, { types: ["mode.*"] }), []);
    },
  },
  {
    name: "append appends all or none",
    run: async (log) => {
      await log.append([draft("run.started", "before")]);
      const unwritable = draft("run.ended", "unwritable", { amount: 1n });
      await assert.rejects(log.append([draft("run.started", "good"), unwritable, draft("run.started", "good too")]));
      assert.deepEqual(await subjectsOf(log), ["before"]);
      await log.append([draft("run.started", "after")]);
      assert.deepEqual(await subjectsOf(log), ["before", "after"]);
    },
  },
  {
    name: "the events of one append stand together, whoever else appends",
    run: async (log) => {
      const group = (name: string): EventDraft[] =>
        ["1", "2", "3"].map((part) => draft("run.started", `${name}${part}`));
      await Promise.all(["a", "b", "c", "d"].map((name) => log.append(group(name))));
      const subjects = (await subjectsOf(log)).map(String);
      assert.equal(subjects.length, 12);
      for (let start = 0; start < 12; start += 3) {
        const name = subjects[start]?.[0];
        assert.deepEqual(subjects.slice(start, start + 3), [`${name}1`, `${name}2`, `${name}3`]);
      }
    },
  },
  {
    name: "the log keeps a copy: neither the draft nor the event that is read is its own",
    run: async (log) => {
      const data = { list: [1] };
      const [logged] = await log.append([draft("run.started", "a", data)]);
      data.list.push(2);
      assert.ok(logged !== undefined);
      (logged.event.data as unknown as typeof data).list.push(3);
      for (const { event } of await collect(log.read())) (event.data as unknown as typeof data).list.push(4);
      const [read] = await collect(log.read());
      assert.deepEqual(read?.event.data, { list: [1] });
    },
  },
  {
    name: "follow gives what is there and then what comes, and ends without an error when the signal aborts",
    run: async (log) => {
      await log.append([draft("run.started", "there")]);
      const controller = new AbortController();
      const seen: string[] = [];
      const reading = (async () => {
        for await (const { event } of log.read({ follow: true, signal: controller.signal })) {
          seen.push(String(event.subject));
          if (event.subject === "there") await log.append([draft("run.started", "comes")]);
          if (event.subject === "comes")
            await log.append([draft("run.started", "comes too"), draft("run.ended", "last")]);
          if (event.subject === "last") controller.abort(new Error("enough"));
        }
      })();
      await reading;
      assert.deepEqual(seen, ["there", "comes", "comes too", "last"]);
    },
  },
  {
    name: "a follower that waits ends when the signal aborts",
    run: async (log) => {
      const controller = new AbortController();
      const reading = collect(log.read({ follow: true, signal: controller.signal }));
      await new Promise<void>((resolve) => setTimeout(resolve, 20));
      controller.abort(new Error("enough"));
      assert.deepEqual(await reading, []);
    },
  },
  {
    name: "a follower misses nothing of many appends at once, and takes only its types after its cursor",
    run: async (log) => {
      const [start] = await log.append([draft("run.started", "old")]);
      const following = take(log.read({ follow: true, after: start?.cursor, types: ["trial.*"] }), 40);
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          log.append([draft("trial.ended", `${index}`), draft("run.ended", "no")]),
        ),
      );
      const followed = await following;
      const stored = (await collect(log.read({ types: ["trial.*"] }))).map(({ event }) => event.subject);
      assert.deepEqual(
        followed.map(({ event }) => event.subject),
        stored,
      );
    },
  },
  {
    name: "an aborted signal rejects with its reason before anything is done; a follower just ends",
    run: async (log) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(log.append([draft("run.started", "a")], { signal }), reason);
      assert.deepEqual(await collect(log.read()), []);
      await log.append([draft("run.started", "a")]);
      await rejectsWithReason(log.read({ signal }), reason);
      assert.deepEqual(await collect(log.read({ follow: true, signal })), []);
    },
  },
];
