"""One drift report by a peer: drift.py <peer> <both|stored> <reference> <current>. Prints what it found as JSON; processor time and memory are taken from outside."""
import json
import resource
import sys
import warnings

warnings.filterwarnings("ignore")
peer, mode, reference_path, current_path = sys.argv[1:5]


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def evidently():
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset
    import evidently as package

    yield package.__version__
    result = Report([DataDriftPreset()]).run(pd.read_parquet(current_path), pd.read_parquet(reference_path)).dict()
    yield {m["config"]["column"]: {"score": float(m["value"]), "method": m["config"].get("method")}
           for m in result["metrics"] if m["config"].get("column")}


def nannyml():
    import pandas as pd
    import nannyml as package

    yield package.__version__
    reference, current = pd.read_parquet(reference_path), pd.read_parquet(current_path)
    names = list(reference.columns)
    text = [name for name in names if not pd.api.types.is_numeric_dtype(reference[name])]
    calculator = package.UnivariateDriftCalculator(
        column_names=names, treat_as_categorical=text,
        continuous_methods=["kolmogorov_smirnov"], categorical_methods=["chi2"], chunk_number=1)
    result = calculator.fit(reference).calculate(current)
    frame = result.filter(period="analysis").to_df()
    yield {name: {"ks": float(frame[(name, "kolmogorov_smirnov", "value")].iloc[0])} if name not in text else {}
           for name in names}


def whylogs():
    import pandas as pd
    import whylogs as package

    yield package.package_version() if hasattr(package, "package_version") else "1"
    sides = [package.log(pandas=pd.read_parquet(path)).profile().view()
             for path in ([reference_path, current_path] if mode == "both" else [current_path])]
    frame = sides[-1].to_pandas()
    yield {name: {"count": int(row["counts/n"]) - int(row["counts/null"]), "missing": int(row["counts/null"]),
                  "mean": float(row["distribution/mean"]), "p50": float(row["distribution/median"]),
                  "p95": float(row["distribution/q_95"])}
           for name, row in frame.iterrows()}


def scipy():
    import numpy as np
    import pandas as pd
    import scipy as package
    from scipy.stats import chi2_contingency, ks_2samp

    yield package.__version__
    reference, current = pd.read_parquet(reference_path), pd.read_parquet(current_path)
    out = {}
    for name in reference.columns:
        a, b = reference[name].dropna(), current[name].dropna()
        out[name] = {"count": len(b), "missing": int(current[name].isna().sum())}
        if pd.api.types.is_numeric_dtype(reference[name]):
            a, b = a.to_numpy(dtype=float), b.to_numpy(dtype=float)
            result = ks_2samp(a, b, method="asymp")
            out[name] |= {"mean": float(b.mean()), "p50": float(np.quantile(b, 0.5)), "p95": float(np.quantile(b, 0.95)),
                          "ks": float(result.statistic), "pValue": float(result.pvalue)}
        else:
            a, b = a.value_counts(), b.value_counts()
            levels = a.index.union(b.index)
            table = np.array([a.reindex(levels, fill_value=0), b.reindex(levels, fill_value=0)])
            out[name] |= {"top": int(b.max()), "chi2": float(chi2_contingency(table, correction=False).statistic)}
    yield out


steps = {"evidently": evidently, "nannyml": nannyml, "whylogs": whylogs, "scipy": scipy}[peer]()
version = next(steps)
ready = {"cpu": cpu(), "rssKiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
columns = next(steps)
print(json.dumps({"version": version, "ready": ready, "work": cpu() - ready["cpu"], "columns": columns}))
