# Batches of a table by torch's DataLoader with two workers, as its documentation builds one: a Dataset of rows, shuffled.
# Reads {"folder", "rows", "width", "batch"} from its first argument; prints the seconds of processor time of itself and its workers, wall time, and a check sum.
import json
import resource
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset):
    def __init__(self, features, labels):
        self.features, self.labels = features, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        return self.features[row], self.labels[row]


def spent():
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def main():
    task = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    values = torch.from_file(task["folder"] + "/rows.f32", size=task["rows"] * (task["width"] + 1)).clone()
    table = values.view(task["rows"], task["width"] + 1)
    features, labels = table[:, :-1].contiguous(), table[:, -1].contiguous()
    loader = DataLoader(Rows(features, labels), batch_size=task["batch"], shuffle=True, num_workers=2)
    began, began_cpu, total, count = time.perf_counter(), spent(), 0.0, 0
    for batch, truth in loader:
        total += float(batch[0].sum())
        count += len(truth)
    wall = time.perf_counter() - began
    del loader
    print(json.dumps({"cpuSeconds": spent() - began_cpu, "wallSeconds": wall, "rows": count, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
