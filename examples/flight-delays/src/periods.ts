/** The months of the job, UTC milliseconds. Windows of 28 days are only filled from February on; a week of them is enough to learn from. */
export const periods = {
  trainFromMs: Date.UTC(2001, 0, 8),
  mayMs: Date.UTC(2001, 4, 1),
  juneMs: Date.UTC(2001, 5, 1),
  /** From here on a part of the traffic goes to a bad candidate. */
  canaryMs: Date.UTC(2001, 5, 28),
} as const;
