# Gives out tasks that do nothing through HyperQueue, server and worker in this process, and tells what its
# server's thread took: peer.py TASKS
import json, os, sys, tempfile
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig


def threads():
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def seconds(thread):
    after_name = Path(f"/proc/self/task/{thread}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


tasks = int(sys.argv[1])
# What it says of itself goes elsewhere.
told = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
with tempfile.TemporaryDirectory() as folder:
    before = threads()
    with LocalCluster(server_dir=folder) as cluster:
        server = min(threads() - before)
        cluster.start_worker(WorkerConfig(cores=2))
        client = cluster.client()
        job = Job()
        for _ in range(tasks):
            job.program(["/bin/true"], stdout=None, stderr=None)
        took, since = seconds(server), monotonic()
        client.wait_for_jobs([client.submit(job)])
        answer = {
            "version": version("hyperqueue"),
            "tasks": tasks,
            "seconds": monotonic() - since,
            "server_seconds": seconds(server) - took,
        }
        os.write(told, json.dumps(answer).encode())
