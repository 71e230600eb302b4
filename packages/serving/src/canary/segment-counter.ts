import type { ArmEvidence, SegmentEvidence } from "./evidence.ts";

type Arm = "baseline" | "candidate";

class ArmCounter {
  requests = 0;
  errors = 0;
  readonly latency = new Map<number, number>();
  readonly scores = new Map<number, number>();
  readonly residuals = { count: 0, sum: 0 };
  readonly kpi = { count: 0, sum: 0 };

  evidence(): ArmEvidence {
    const { requests, errors, latency, scores, residuals, kpi } = this;
    return {
      requests,
      errors,
      latency: Object.fromEntries(latency),
      scores: Object.fromEntries(scores),
      residuals: { ...residuals },
      kpi: { ...kpi },
    };
  }
}

const bump = (counts: Map<number, number>, bucket: number): void => {
  counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
};

const gather = (counts: { count: number; sum: number }, value: number): void => {
  counts.count += 1;
  counts.sum += value;
};

/** Counts one segment, or all traffic. */
export class SegmentCounter {
  readonly #arms = { baseline: new ArmCounter(), candidate: new ArmCounter() };
  readonly #errors = new Map<string, [number, number]>();
  readonly #agreement = { count: 0, sum: 0 };

  request(arm: Arm, share: number, answered: boolean): void {
    this.#arms[arm].requests += 1;
    if (answered) return;
    this.#arms[arm].errors += 1;
    const key = String(share);
    const phase = this.#errors.get(key) ?? [0, 0];
    phase[arm === "baseline" ? 0 : 1] += 1;
    this.#errors.set(key, phase);
  }

  latency(arm: Arm, bucket: number): void {
    bump(this.#arms[arm].latency, bucket);
  }

  score(arm: Arm, bucket: number): void {
    bump(this.#arms[arm].scores, bucket);
  }

  residual(arm: Arm, value: number): void {
    gather(this.#arms[arm].residuals, value);
  }

  kpi(arm: Arm, value: number): void {
    gather(this.#arms[arm].kpi, value);
  }

  agreement(alike: boolean): void {
    gather(this.#agreement, alike ? 1 : 0);
  }

  evidence(): SegmentEvidence {
    return {
      baseline: this.#arms.baseline.evidence(),
      candidate: this.#arms.candidate.evidence(),
      errors: Object.fromEntries([...this.#errors].map(([share, [left, right]]) => [share, [left, right] as const])),
      agreement: { ...this.#agreement },
    };
  }
}
