import type { ExperimentRecord } from "./experiment-log.ts";
import { type UnitMoments, noUnits } from "./unit-moments.ts";

interface Unit {
  readonly arm: string;
  readonly covariate: number;
  readonly values: Map<string, number>;
}

/** Units with their arms and figures, and the sums over them by arm and metric. */
export class ExperimentState {
  readonly #units = new Map<string, Unit>();
  readonly #moments = new Map<string, UnitMoments>();
  readonly #metrics: readonly string[];

  constructor(metrics: readonly string[]) {
    this.#metrics = metrics;
  }

  armOf(unit: string): string | undefined {
    return this.#units.get(unit)?.arm;
  }

  moments(arm: string, metric: string): UnitMoments {
    return this.#moments.get(`${arm}\0${metric}`) ?? noUnits;
  }

  units(arm: string): number {
    return this.moments(arm, this.#metrics[0] ?? "").units;
  }

  /** @returns false where the record changes nothing: a unit that was exposed already, an outcome of a unit that never was. */
  take(record: ExperimentRecord): boolean {
    if (record.kind === "exposure") return this.#expose(record);
    const unit = this.#units.get(record.unit);
    if (unit === undefined || !this.#metrics.includes(record.metric) || !Number.isFinite(record.value)) return false;
    const before = unit.values.get(record.metric) ?? 0;
    const after = before + record.value;
    unit.values.set(record.metric, after);
    this.#add(unit.arm, record.metric, {
      ...noUnits,
      y: record.value,
      yy: after * after - before * before,
      xy: unit.covariate * record.value,
    });
    return true;
  }

  #expose({ unit, arm, covariate = 0 }: Extract<ExperimentRecord, { readonly kind: "exposure" }>): boolean {
    if (this.#units.has(unit)) return false;
    this.#units.set(unit, { arm, covariate, values: new Map() });
    for (const metric of this.#metrics)
      this.#add(arm, metric, { ...noUnits, units: 1, x: covariate, xx: covariate * covariate });
    return true;
  }

  #add(arm: string, metric: string, more: UnitMoments): void {
    const { units, y, yy, x, xx, xy } = this.moments(arm, metric);
    this.#moments.set(`${arm}\0${metric}`, {
      units: units + more.units,
      y: y + more.y,
      yy: yy + more.yy,
      x: x + more.x,
      xx: xx + more.xx,
      xy: xy + more.xy,
    });
  }
}
