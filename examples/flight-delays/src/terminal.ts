/** Says on the terminal what goes on: one line that is written over while a stage works, and one that stays when it ends. */
export interface Terminal {
  /** What the running stage is doing; shown only on a terminal, at most ten times a second. */
  progress(text: string): void;
  /** A line that stays. */
  line(text: string): void;
}

export function createTerminal(stream: NodeJS.WriteStream = process.stdout): Terminal {
  let shownMs = 0;
  let open = false;
  const clear = (): void => {
    if (open) stream.write("\r\u001b[2K");
    open = false;
  };
  return {
    progress(text) {
      const now = performance.now();
      if (!stream.isTTY || now - shownMs < 100) return;
      shownMs = now;
      clear();
      stream.write(`  ${text}`.slice(0, (stream.columns || 80) - 1));
      open = true;
    },
    line(text) {
      clear();
      stream.write(`${text}\n`);
    },
  };
}

export const count = (value: number): string => Math.round(value).toLocaleString("en-US");
export const seconds = (durationMs: number): string => `${(durationMs / 1000).toFixed(1)} s`;
