import { type CapturedLabel, hashSeed } from "@millwright/contracts";
import type { Prediction } from "../engine/prediction.ts";
import type { RequestCall } from "../engine/stage.ts";
import { type Decision, decisionsOf, segmentOf } from "./decisions.ts";
import { type CanaryEvidence, latencyBucket, scoreBucket } from "./evidence.ts";
import type { EvidenceNote } from "./evidence-store.ts";
import { SegmentCounter } from "./segment-counter.ts";
import type { VerdictPlan } from "./verdict-plan.ts";

/** One request that a variant answered or failed at. */
export interface SeenAnswer {
  readonly call: RequestCall;
  readonly arm: "baseline" | "candidate";
  /** The candidate's share when the variant was chosen. */
  readonly share: number;
  readonly latencyMs: number;
  /** Absent where it failed. */
  readonly answer?: Prediction | undefined;
}

/** A business figure that followed from an answer: an order's value, a click. */
export interface RequestOutcome {
  readonly requestId: string;
  readonly name: string;
  readonly value: number;
}

interface Remembered {
  readonly arm: SeenAnswer["arm"];
  readonly rows: readonly { readonly score: number | undefined; readonly segment: string | undefined }[];
}

/** How many answers are remembered for their labels and outcomes; the oldest are forgotten. */
const mostRemembered = 50_000;
const mostComparisons = 32;
const otherSegment = "(other)";

/** Counts what a canary's verdict rests on, in one process. What goes wrong here never reaches a caller. */
export class CanaryRecorder {
  readonly #plan: VerdictPlan;
  readonly #ask: (call: RequestCall) => Promise<Prediction>;
  readonly #all = new SegmentCounter();
  readonly #segments = new Map<string, SegmentCounter>();
  readonly #remembered = new Map<string, Remembered>();
  #comparing = 0;

  /** @param ask Asks the baseline, beside its traffic. */
  constructor(plan: VerdictPlan, ask: (call: RequestCall) => Promise<Prediction>) {
    this.#plan = plan;
    this.#ask = ask;
  }

  observe(seen: SeenAnswer): void {
    const { call, arm, share, latencyMs, answer } = seen;
    const { score = {}, segments, calibration, kpi } = this.#plan;
    const decisions = answer === undefined ? [] : decisionsOf(answer.outputs, score);
    const rows = decisions.map((decision, row) => ({ ...decision, segment: this.#segment(call, row) }));
    const first = rows[0]?.segment ?? (segments === undefined ? undefined : this.#segment(call, 0));
    for (const counter of this.#counters(first)) counter.request(arm, share, answer !== undefined);
    if (answer !== undefined) this.#all.latency(arm, latencyBucket(latencyMs));
    for (const { score: value, segment } of rows)
      if (value !== undefined && !Number.isNaN(value))
        for (const counter of this.#counters(segment)) counter.score(arm, scoreBucket(value, score.range ?? [0, 1]));
    if (answer !== undefined && (calibration !== undefined || kpi !== undefined))
      this.#remember(call.requestId, {
        arm,
        rows: rows.map(({ score: value, segment }) => ({ score: value, segment })),
      });
    if (arm === "candidate" && answer !== undefined) this.#compare(call, decisions);
  }

  /** @returns false where it matters and the answer is none of this process. */
  label({ requestId, row = 0, value }: CapturedLabel): boolean {
    const truth = typeof value === "boolean" ? Number(value) : typeof value === "number" ? value : Number.NaN;
    if (this.#plan.calibration === undefined || !(truth >= 0 && truth <= 1)) return true;
    const found = this.#remembered.get(requestId);
    if (found === undefined) return false;
    const score = found.rows[row]?.score;
    if (score === undefined) return true;
    const residual = Math.min(1, Math.max(0, (truth - score + 1) / 2));
    for (const counter of this.#counters(found.rows[row]?.segment)) counter.residual(found.arm, residual);
    return true;
  }

  /** @returns false where it matters and the answer is none of this process. */
  outcome({ requestId, name, value }: RequestOutcome): boolean {
    const { kpi } = this.#plan;
    if (kpi === undefined || name !== kpi.name || typeof value !== "number" || Number.isNaN(value)) return true;
    const found = this.#remembered.get(requestId);
    if (found === undefined) return false;
    const [least, most] = kpi.range;
    this.#all.kpi(found.arm, Math.min(1, Math.max(0, (value - least) / (most - least))));
    return true;
  }

  /** What came to another process. */
  note(note: EvidenceNote): void {
    if ("label" in note) this.label(note.label);
    else this.outcome(note.outcome);
  }

  evidence(): CanaryEvidence {
    return {
      formatVersion: 1,
      all: this.#all.evidence(),
      segments: Object.fromEntries([...this.#segments].map(([name, counter]) => [name, counter.evidence()])),
    };
  }

  #segment({ request }: RequestCall, row: number): string | undefined {
    const { segments } = this.#plan;
    return segments === undefined ? undefined : segmentOf(request, segments.by, row);
  }

  #counters(segment: string | undefined): readonly SegmentCounter[] {
    if (segment === undefined) return [this.#all];
    const name =
      this.#segments.has(segment) || this.#segments.size < (this.#plan.segments?.most ?? 20) ? segment : otherSegment;
    let counter = this.#segments.get(name);
    if (counter === undefined) {
      counter = new SegmentCounter();
      this.#segments.set(name, counter);
    }
    return [this.#all, counter];
  }

  #remember(requestId: string, remembered: Remembered): void {
    this.#remembered.set(requestId, remembered);
    if (this.#remembered.size <= mostRemembered) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }

  /** Beside the answer, never before it. Where too many are under way, or the baseline fails, the row is not compared. */
  #compare(call: RequestCall, decisions: readonly Decision[]): void {
    const { agreement, score = {} } = this.#plan;
    if (agreement === undefined || this.#comparing >= mostComparisons) return;
    if (hashSeed(`agreement ${call.requestId}`) / 2 ** 32 >= (agreement.share ?? 1)) return;
    this.#comparing += 1;
    const { signal: _, ...request } = call.request;
    this.#ask({ ...call, request })
      .then((answer) => {
        for (const [row, { decided }] of decisionsOf(answer.outputs, score).entries())
          for (const counter of this.#counters(this.#segment(call, row)))
            counter.agreement(decisions[row]?.decided === decided);
      })
      .catch(() => {})
      .finally(() => {
        this.#comparing -= 1;
      });
  }
}
