import { gateInvalid } from "../errors.ts";
import { studentTQuantile } from "../statistics/distributions.ts";

/** Losses of both models on the same rows, in the same order: smaller is better. */
export interface PairedLosses {
  readonly champion: Float64Array;
  readonly challenger: Float64Array;
}

export interface RetrainGateOptions {
  /** Rows labelled of late: the challenger must surely be better here. */
  readonly recent: PairedLosses;
  /** The frozen test: the challenger must surely not be worse here, but for `margin`. Default: none. */
  readonly frozen?: PairedLosses | undefined;
  /** Chance that an equal model is accepted, in (0, 0.5]. Default: 0.05. */
  readonly alpha?: number | undefined;
  /** How much better the challenger must be on recent rows, in the unit of the loss. Default: 0. */
  readonly gain?: number | undefined;
  /** How much worse it may be on the frozen test. Default: 0.01. */
  readonly margin?: number | undefined;
  /** Fewest recent rows. Default: 200. */
  readonly minimumRows?: number | undefined;
}

/** Champion's minus challenger's mean loss: positive where the challenger is better. */
export interface LossComparison {
  readonly rows: number;
  readonly champion: number;
  readonly challenger: number;
  readonly improvement: number;
  /** The lower end of the one-sided interval of the improvement at 1 − α. */
  readonly low: number;
}

export interface RetrainVerdict {
  readonly accepted: boolean;
  /** One sentence for each reason; where it is accepted, what speaks for it. */
  readonly reasons: readonly string[];
  readonly recent: LossComparison;
  readonly frozen?: LossComparison | undefined;
}

const digits = (value: number): string => String(Number(value.toPrecision(3)));

/**
 * Whether a newly trained model may take the champion's place: it must be better on rows labelled of late, by the lower end of the interval of the mean of paired
 * differences, and not worse on a frozen test. Student's interval, whose level holds for means of a few hundred differences by the central limit theorem.
 * Throws `MONITOR_GATE_INVALID`.
 */
export function retrainGate(options: RetrainGateOptions): RetrainVerdict {
  const { alpha = 0.05, gain = 0, margin = 0.01, minimumRows = 200 } = options;
  if (!(alpha > 0 && alpha <= 0.5)) throw gateInvalid(`alpha is ${alpha}, and must be in (0, 0.5]`);
  if (!(gain >= 0) || !(margin >= 0)) throw gateInvalid("gain and margin must be 0 or more");
  if (!(minimumRows >= 2)) throw gateInvalid(`minimumRows is ${minimumRows}, and must be 2 or more`);
  const recent = compareLosses("recent", options.recent, alpha);
  const frozen = options.frozen === undefined ? undefined : compareLosses("frozen", options.frozen, alpha);
  const against: string[] = [];
  if (recent.rows < minimumRows) against.push(`${recent.rows} recent rows are labelled, ${minimumRows} are needed.`);
  else if (!(recent.low > gain))
    against.push(
      `On ${recent.rows} recent rows the loss falls by ${digits(recent.improvement)}, surely by ${digits(recent.low)}; more than ${digits(gain)} is asked.`,
    );
  if (frozen !== undefined && !(frozen.low > -margin))
    against.push(
      `On ${frozen.rows} rows of the frozen test the loss may rise by ${digits(-frozen.low)}; at most ${digits(margin)} is allowed.`,
    );
  const reasons =
    against.length > 0
      ? against
      : [
          `On ${recent.rows} recent rows the loss falls by ${digits(recent.improvement)}, surely by ${digits(recent.low)}.`,
        ];
  return { accepted: against.length === 0, reasons, recent, ...(frozen === undefined ? {} : { frozen }) };
}

function compareLosses(name: string, { champion, challenger }: PairedLosses, alpha: number): LossComparison {
  const rows = champion.length;
  if (rows !== challenger.length)
    throw gateInvalid(`the ${name} rows are ${rows} of the champion and ${challenger.length} of the challenger`);
  let [mean, squares, ours, theirs] = [0, 0, 0, 0];
  for (let row = 0; row < rows; row += 1) {
    const [old, young] = [champion[row] as number, challenger[row] as number];
    if (!Number.isFinite(old) || !Number.isFinite(young))
      throw gateInvalid(`a loss of ${name} row ${row} is no finite number`);
    const difference = old - young;
    const delta = difference - mean;
    mean += delta / (row + 1);
    squares += delta * (difference - mean);
    theirs += old;
    ours += young;
  }
  const standardError = rows < 2 ? Number.POSITIVE_INFINITY : Math.sqrt(squares / (rows - 1) / rows);
  const low = standardError === 0 || rows < 2 ? mean : mean - studentTQuantile(1 - alpha, rows - 1) * standardError;
  return {
    rows,
    champion: theirs / rows,
    challenger: ours / rows,
    improvement: rows === 0 ? 0 : mean,
    low: rows < 2 ? Number.NEGATIVE_INFINITY : low,
  };
}
