"""Writes scipy-qmc.json: points of the bare Sobol and Halton sequences as SciPy gives them.

    python qmc.py > scipy-qmc.json
"""

import json

import scipy
from scipy.stats import qmc

sobol = qmc.Sobol(256, scramble=False, bits=32)
points = sobol.random(1024)
halton = qmc.Halton(40, scramble=False).random(500)
rows = [0, 1, 2, 3, 4, 5, 6, 7, 63, 100, 777, 1023]
late = qmc.Sobol(8, scramble=False, bits=32)
late.fast_forward(1_000_003)
print(
    json.dumps(
        {
            "source": f"scipy.stats.qmc {scipy.__version__}, scramble=False",
            # Whole numbers of 2^-32.
            "sobol": [{"index": row, "point": [int(x * 2**32) for x in points[row]]} for row in rows],
            "sobolLate": {"index": 1_000_003, "point": [int(x * 2**32) for x in late.random(1)[0]]},
            "halton": [{"index": row, "point": list(halton[row])} for row in (0, 1, 2, 17, 255, 499)],
        }
    )
)
