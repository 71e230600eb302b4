import { type Alert, createRandom, digestOf, type Random } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createAlertMachine, type AlertMachine, type AlertStep, type EndedAlert } from "../src/alerts/alert-machine.ts";
import { alertLabels, matcherOf } from "../src/alerts/alert-labels.ts";
import { inhibitsOf, withDefaults } from "../src/alerts/alert-policy.ts";
import { correlationOf, type Finding, type RuleFindings } from "../src/alerts/alert-record.ts";
import type { KeptSilence } from "../src/alerts/silence.ts";

const second = 1_000;
const correlateBy = ["alertname", "severity", "endpoint", "model", "version"];
const subjects = ["a", "b"].flatMap((endpoint) =>
  ["main", "candidate"].map((variant) => `endpoint/${endpoint}/variant/${variant}`),
);
const rules = ["down", "slow", "wrong"] as const;
const policies = {
  down: withDefaults("down", { forMs: 0, flap: { begins: 100 } }),
  slow: withDefaults("slow", { forMs: 20 * second, coolDownMs: 60 * second, flap: { begins: 100 } }),
  wrong: withDefaults("wrong", {
    forMs: 5 * second,
    keepFiringMs: 15 * second,
    flap: { begins: 3, windowMs: 200 * second, quietMs: 40 * second },
  }),
};
const holdMs = 300 * second;
const policyOf = (rule: string) => policies[rule as keyof typeof policies];

const openMachine = (): AlertMachine =>
  createAlertMachine({
    holdMs,
    policyOf,
    longestCoolDownMs: 60 * second,
    inhibits: inhibitsOf([{ source: { alertname: "down" }, target: { alertname: "slow" } }]),
    correlateBy,
  });

const digests = ["v0", "v1", "v2"].map(digestOf);

/** Variants of one endpoint serve one model half of the time, so that their alerts are one to people. */
const modelOf = (subject: string, shared: boolean) => {
  const version = shared || subject.endsWith("main") ? 1 : 2;
  return { name: "late", version, digest: digests[version]! };
};

interface Known {
  /** Since when it is found without an "ok" between; undefined where it is not. */
  sinceMs: number | undefined;
  /** When it was last found for as long as its rule asks. */
  firedMs: number;
  finding: Finding | undefined;
}

/** What is random of one sequence, and what a second, plain account of it says. */
class Sequence {
  readonly #random: Random;
  readonly #shared: boolean;
  readonly found = new Map<string, Known>();
  readonly open = new Map<string, { readonly alert: Alert; readonly atMs: number }>();
  readonly seen = new Map<string, Alert>();
  readonly ended = new Map<string, number>();
  readonly problems: string[] = [];
  machine = openMachine();
  silences: KeptSilence[] = [];
  nowMs = 1_000_000;
  told = 0;

  constructor(seed: number) {
    this.#random = createRandom(seed);
    this.#shared = this.#random.next() < 0.5;
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      this.nowMs += this.#random.integer(15) * second;
      const chance = this.#random.next();
      if (chance < 0.08) this.#silence();
      else if (chance < 0.11) this.#drop();
      else if (chance < 0.14) this.#restart();
      this.#step(this.#findings(0.4));
    }
    // In the end all is right, nobody is silenced, and nothing is waited for any more.
    this.silences = [];
    for (let step = 0; step < 3; step += 1) {
      this.nowMs += 60 * second;
      this.#step(this.#findings(0));
    }
    if (this.open.size > 0) this.problems.push(`${this.open.size} pages never end`);
    if (this.seen.size > 0) this.problems.push(`${this.seen.size} alerts never end`);
  }

  #findings(share: number): RuleFindings[] {
    return rules.map((rule) => {
      if (share > 0 && this.#random.next() < 0.05) return { rule, findings: undefined };
      const findings = subjects.map((subject): Finding => {
        const key = `${rule} ${subject}`;
        const known = this.found.get(key) ?? { sinceMs: undefined, firedMs: 0, finding: undefined };
        const drawn = this.#random.next();
        // What is found tends to stay.
        const stays = share > 0 && drawn < 0.6;
        const state =
          stays && known.finding !== undefined
            ? known.finding.state
            : share > 0 && drawn > 0.93
              ? "unknown"
              : this.#random.next() < share
                ? "firing"
                : "ok";
        const finding: Finding = {
          subject,
          state,
          severity: rule === "wrong" ? "ticket" : "page",
          summary: "It is so.",
          evidence: { model: modelOf(subject, this.#shared) },
        };
        if (state === "firing") known.sinceMs ??= this.nowMs;
        if (state === "ok") known.sinceMs = undefined;
        if (state === "firing" && this.nowMs - (known.sinceMs ?? 0) >= policyOf(rule).forMs) known.firedMs = this.nowMs;
        this.found.set(key, { ...known, finding });
        return finding;
      });
      return { rule, findings };
    });
  }

  #step(all: readonly RuleFindings[]): void {
    const { nowMs } = this;
    this.#take(this.machine.step(all, { nowMs, silences: this.silences, paging: true }), false);
    // None is lost: what is found for long enough, is not muted and does not cool down has its page.
    for (const { rule, findings = [] } of all) {
      for (const finding of findings) {
        const { sinceMs } = this.found.get(`${rule} ${finding.subject}`) as Known;
        if (finding.state !== "firing" || sinceMs === undefined || nowMs - sinceMs < policyOf(rule).forMs) continue;
        const alert: Alert = { ...finding, name: rule, state: "firing", sinceMs };
        if (this.#isSilenced(alert) || (rule === "slow" && this.#isDown(finding.subject))) continue;
        const correlation = correlationOf(alertLabels(alert), correlateBy);
        const cooled = nowMs - (this.ended.get(correlation) ?? Number.NEGATIVE_INFINITY) >= policyOf(rule).coolDownMs;
        if (cooled && !this.open.has(correlation)) this.problems.push(`${rule} of ${finding.subject} is lost`);
      }
    }
  }

  #take({ changes, pages }: AlertStep, dropped: boolean): void {
    const { nowMs } = this;
    for (const alert of changes) {
      const key = JSON.stringify([alert.name, alert.subject, alert.severity]);
      if ((alert.state === "firing") === this.seen.has(key)) this.problems.push(`${key} is ${alert.state} twice`);
      if (alert.state === "firing") this.seen.set(key, alert);
      else this.seen.delete(key);
    }
    for (const { correlation, alert } of pages) {
      if (alert.state === "resolved") {
        if (!this.open.delete(correlation)) this.problems.push(`${correlation} ends twice`);
        this.ended.set(correlation, nowMs);
        if (!dropped) this.#checkEnd(correlation);
        continue;
      }
      this.told += 1;
      if (this.open.has(correlation)) this.problems.push(`${correlation} is paged twice`);
      this.open.set(correlation, { alert, atMs: nowMs });
      if (this.#isSilenced(alert)) this.problems.push(`${correlation} is paged though it is silenced`);
      if (alert.name === "slow" && this.#isDown(alert.subject))
        this.problems.push(`${correlation} is paged though its endpoint is down`);
      const { sinceMs = Number.POSITIVE_INFINITY } = this.found.get(`${alert.name} ${alert.subject}`) ?? {};
      const { forMs, coolDownMs, keepFiringMs } = policyOf(alert.name);
      // What goes on firing for a while after it was right may be told then, when a silence ends.
      if (keepFiringMs === 0 && nowMs - sinceMs < forMs) this.problems.push(`${correlation} is paged too early`);
      if (nowMs - (this.ended.get(correlation) ?? Number.NEGATIVE_INFINITY) < coolDownMs)
        this.problems.push(`${correlation} is paged before it has cooled down`);
    }
  }

  /** What fires goes on firing for as long as its rule asks; what was muted was not part of the page. */
  #checkEnd(correlation: string): void {
    if (this.silences.length > 0) return;
    for (const [key, { firedMs, finding }] of this.found) {
      const [rule = ""] = key.split(" ");
      if (rule === "slow" || finding === undefined) continue;
      const alert: Alert = { ...finding, name: rule, state: "firing", sinceMs: 0 };
      const isMember = correlationOf(alertLabels(alert), correlateBy) === correlation;
      if (isMember && this.nowMs - firedMs < policyOf(rule).keepFiringMs)
        this.problems.push(`${correlation} ends too early`);
    }
  }

  #isSilenced(alert: Alert): boolean {
    return this.silences.some(
      ({ silence: { match, fromMs, untilMs } }) =>
        fromMs <= this.nowMs &&
        this.nowMs < untilMs &&
        Object.entries(match).every(([label, value]) => alertLabels(alert)[label] === value),
    );
  }

  /** Whether some variant of the endpoint is found to be down, or was when it was last known. */
  #isDown(subject: string): boolean {
    const [, endpoint = ""] = subject.split("/");
    return this.machine
      .records()
      .some(({ rule, phase, labels }) => rule === "down" && phase === "firing" && labels["endpoint"] === endpoint);
  }

  #silence(): void {
    const match =
      this.#random.next() < 0.5
        ? { alertname: rules[this.#random.integer(3)] as string }
        : { endpoint: this.#random.next() < 0.5 ? "a" : "b" };
    const untilMs = this.nowMs + this.#random.integer(90) * second;
    const silence = { id: String(this.nowMs), match, owner: "ops", comment: "", fromMs: this.nowMs, untilMs };
    this.silences.push({ silence, matches: matcherOf(match) });
  }

  #drop(): void {
    const subject = subjects[this.#random.integer(subjects.length)] as string;
    for (const rule of rules) this.found.delete(`${rule} ${subject}`);
    const step = this.machine.drop(subject, "Another model.", this.nowMs);
    // Nothing was shown to anybody in this test, so what ends with its subject is taken as told.
    for (const [key, alert] of this.seen) if (alert.subject === subject) this.seen.delete(key);
    this.#take(step, true);
  }

  /** Another process: it knows what the log says, and nothing of what was pending. */
  #restart(): void {
    this.machine = openMachine();
    const open = [...this.open.values()].map(({ alert }) => alert);
    const ended: EndedAlert[] = [];
    for (const [correlation, timeMs] of this.ended) {
      const [name, severity, endpoint, model, version] = JSON.parse(correlation) as string[];
      const evidence = {
        model: { name: model as string, version: Number(version), digest: digests[Number(version)]! },
      };
      const alert = { name, severity, subject: `endpoint/${endpoint}/variant/main`, evidence, summary: "", sinceMs: 0 };
      ended.push({ alert: { ...alert, state: "resolved" } as Alert, timeMs });
    }
    this.machine.restore(open, ended, this.nowMs);
    this.seen.clear();
    for (const known of this.found.values()) Object.assign(known, { sinceMs: undefined, firedMs: 0 });
  }
}

test(
  "MO-52: in 10,000 random sequences no correlation key is paged twice while it fires, every page ends, and none is lost to silences, inhibitions, cool-down, flapping or a restart",
  { timeout: 600_000 },
  () => {
    const problems: string[] = [];
    let told = 0;
    for (let seed = 1; seed <= 10_000; seed += 1) {
      const sequence = new Sequence(seed);
      sequence.run(12);
      told += sequence.told;
      for (const problem of sequence.problems) problems.push(`${seed}: ${problem}`);
    }
    expect(problems.slice(0, 5)).toEqual([]);
    // The sequences are not idle.
    expect(told).toBeGreaterThan(30_000);
  },
);
