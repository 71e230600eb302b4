import type { ExperimentRecord } from "./experiment-log.ts";
import { type UnitMoments, noUnits } from "./unit-moments.ts";

interface Unit {
  arm: string;
  covariate: number;
  readonly values: Map<string, number>;
  /** When it was exposed. */
  timeMs: number;
  /** Whether its exposure was read from the log, where the first one counts. */
  logged: boolean;
}

type Exposure = Extract<ExperimentRecord, { readonly kind: "exposure" }>;
type Outcome = Extract<ExperimentRecord, { readonly kind: "outcome" }>;

/** So many units are remembered whose figures came before their exposures. */
const mostEarly = 10_000;

/** Units with their arms and figures, and the sums over them by arm and metric. */
export class ExperimentState {
  readonly #units = new Map<string, Unit>();
  readonly #moments = new Map<string, UnitMoments>();
  readonly #metrics: readonly string[];
  /** Figures that other processes were told before it was heard that their unit was exposed. */
  readonly #early = new Map<string, Outcome[]>();

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
    if (unit === undefined || !this.counts(record)) return false;
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

  /**
   * Takes a record of the log, as far as this process has not taken it itself: of several exposures of a unit the first one of the log counts, for all processes.
   * @param own Whether this process has taken it already.
   */
  takeLogged(record: ExperimentRecord, own: boolean): void {
    if (record.kind === "outcome") {
      const known = this.#units.get(record.unit);
      // What was told before the unit met its arm is no figure of it.
      if (known !== undefined && !own && (record.timeMs ?? known.timeMs) >= known.timeMs) this.take(record);
      if (own || known !== undefined) return;
      const early = this.#early.get(record.unit);
      if (early !== undefined) early.push(record);
      else if (this.#early.size < mostEarly) this.#early.set(record.unit, [record]);
      return;
    }
    const unit = this.#units.get(record.unit);
    if (unit?.logged === true) return;
    if (unit === undefined) this.#expose(record);
    else if (unit.arm !== record.arm) this.#move(unit, record);
    const logged = this.#units.get(record.unit);
    if (logged !== undefined) logged.logged = true;
    this.#takeEarly(record);
  }

  #takeEarly({ unit, timeMs }: Exposure): void {
    const early = this.#early.get(unit) ?? [];
    this.#early.delete(unit);
    for (const outcome of early) if ((outcome.timeMs ?? Number.NEGATIVE_INFINITY) >= timeMs) this.take(outcome);
  }

  /** Another process has exposed the unit first. */
  #move(unit: Unit, { arm, covariate = 0, timeMs }: Exposure): void {
    for (const metric of this.#metrics) {
      const y = unit.values.get(metric) ?? 0;
      const { covariate: x } = unit;
      this.#add(unit.arm, metric, { units: -1, y: -y, yy: -y * y, x: -x, xx: -x * x, xy: -x * y });
      this.#add(arm, metric, { units: 1, y, yy: y * y, x: covariate, xx: covariate ** 2, xy: covariate * y });
    }
    unit.arm = arm;
    unit.covariate = covariate;
    unit.timeMs = timeMs;
  }

  /** Whether a figure is one of the experiment's. */
  counts({ metric, value }: Outcome): boolean {
    return this.#metrics.includes(metric) && Number.isFinite(value);
  }

  #expose({ unit, arm, covariate = 0, timeMs }: Exposure): boolean {
    if (this.#units.has(unit)) return false;
    this.#units.set(unit, { arm, covariate, values: new Map(), timeMs, logged: false });
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
