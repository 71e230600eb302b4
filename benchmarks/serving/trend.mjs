/**
 * The slope of the Theil–Sen estimator, the median of the slopes of all pairs, with Sen's distribution-free interval (Sen 1968, "Estimates of the regression
 * coefficient based on Kendall's tau"): outliers, such as a sample in the middle of a reload, do not move it.
 */
export function trend(times, values, z = 1.96) {
  const slopes = [];
  for (let later = 1; later < times.length; later += 1)
    for (let earlier = 0; earlier < later; earlier += 1)
      if (times[later] !== times[earlier])
        slopes.push((values[later] - values[earlier]) / (times[later] - times[earlier]));
  slopes.sort((a, b) => a - b);
  const n = times.length;
  const spread = z * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (rank) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank)))];
  const middle = (list) => list[Math.floor(list.length / 2)];
  return {
    slope: middle(slopes),
    low: at((slopes.length - spread) / 2 - 1),
    high: at((slopes.length + spread) / 2),
    median: middle(values.toSorted((a, b) => a - b)),
  };
}
