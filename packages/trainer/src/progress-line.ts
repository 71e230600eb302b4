import type { RunMessage } from "./run-messages.ts";

/** Where progress is shown: `process.stderr` is one. */
export interface ProgressTarget {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

export interface ProgressLine {
  show(message: RunMessage): void;
  end(): void;
}

const duration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  return minutes === 0
    ? `${whole} s`
    : minutes < 60
      ? `${minutes} min ${whole % 60} s`
      : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

const rate = (rowsPerSecond: number): string => `${Math.round(rowsPerSecond).toLocaleString("en")} rows/s`;
const shown = (value: number): string => value.toPrecision(4);

/**
 * Progress for people: on a terminal one line that is written over and over, and a line for each epoch; elsewhere the epochs alone.
 */
export function createProgressLine(name: string, target: ProgressTarget): ProgressLine {
  const live = target.isTTY === true;
  let lastLoss: number | undefined;
  const clear = live ? "\r\u001b[2K" : "";
  return {
    show(message) {
      if (message.kind === "started") {
        const from = message.step === 0 ? "" : `, going on from step ${message.step}`;
        target.write(
          `${clear}${name}: ${message.trainRows} rows, ${message.inputs} inputs, ${message.weights} weights, ${message.device}${from}\n`,
        );
      } else if (message.kind === "progress" && live) {
        const { epoch, epochs, step, steps, loss, rowsPerSecond, secondsLeft } = message;
        const bar = "█".repeat(Math.round((20 * step) / steps)).padEnd(20, "░");
        lastLoss = loss ?? lastLoss; // not every step looks at it
        const lossText = lastLoss === undefined ? "" : ` loss ${shown(lastLoss)}`;
        target.write(
          `${clear}${name}: ${bar} epoch ${epoch}/${epochs}${lossText}  ${rate(rowsPerSecond)}  ${duration(secondsLeft)} left`,
        );
      } else if (message.kind === "epoch" && !message.again) {
        const metrics = Object.entries(message.metrics).map(([metric, value]) => `${metric} ${shown(value)}`);
        target.write(
          `${clear}${name}: epoch ${message.epoch}  loss ${shown(message.trainLoss)}  ${metrics.join("  ")}\n`,
        );
      }
    },
    end() {
      if (live) target.write(clear);
    },
  };
}
