"""The cluster on which jobs run while things go wrong: its disk, its commands, its logs."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.tree import TREE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

#: The login node of the Slurm cluster.
HOST = "hpca"
#: Where everything of this suite lies on the cluster.
HOME = "/home/hpc/chaos"
#: A file system of its own, in a file, so that it outlives a reboot.
DISK, IMAGE, SIZE = f"{HOME}/disk", f"{HOME}/disk.img", "96M"
#: The size of the disk in KiB; no file on it is larger.
KIB = 96 * 1024
#: The line of a job in the accounting.
FIELDS = "JobIDRaw,JobID,JobName%200,State,ExitCode,Start,End"
#: In place of a command of Slurm, as long as a file says so.
SHIM = """#!/bin/bash
real=/run/real-{name}
case $(cat {home}/mode.{name} 2>/dev/null) in
  fails) echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1 ;;
  hangs) exec sleep 300 ;;
  empty) exit 0 ;;
  garbage) head -c 3000 /dev/urandom; exit 0 ;;
  dies) "$real" "$@" >/dev/null; kill -9 $PPID; exit 1 ;;
esac
exec "$real" "$@"
"""


class Ground:
    """The cluster.

    Args:
        cluster: The testbed; nobody else may use it.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.bed = cluster, cluster.bed
        self.home = self.bed.root(HOST) / HOME.lstrip("/")
        self.effects = self.home / "effects.jsonl"
        self.reboots: list[float] = []

    def prepare(self) -> None:
        """Make disk, code and commands."""
        shutil.rmtree(self.home, ignore_errors=True)
        package = self.home / "tests" / "chaos"
        package.mkdir(parents=True)
        for folder in (package, package.parent):
            (folder / "__init__.py").touch()
        shutil.copy(TREE / "tests" / "chaos" / "jobs.py", package)
        self.effects.touch()
        self.effects.chmod(0o666)
        self._root("truncate", "-s", SIZE, IMAGE)
        self._root("mke2fs", "-q", "-F", IMAGE)
        self._root("mkdir", "-p", DISK)
        for name in ("squeue", "sbatch"):
            shim = self.home / f"shim.{name}"
            shim.write_text(SHIM.format(name=name, home=HOME))
            shim.chmod(0o755)
        self.arm()

    def arm(self) -> None:
        """Mount disk and commands: anew after each boot."""
        self._root("mount", "-o", "loop", IMAGE, DISK)
        self._root("chown", "hpc", DISK)
        for name in ("squeue", "sbatch"):
            real = f"/run/real-{name}"
            self._root("touch", real)
            self._root("mount", "--bind", f"/usr/bin/{name}", real)
            self._root("mount", "--bind", f"{HOME}/shim.{name}", f"/usr/bin/{name}")

    def worker(self) -> dict[str, Any]:
        """Return the worker of the project file."""
        lines = [
            f"export PATH={self.cluster.prefix}/bin:$PATH",
            f"export PYTHONPATH={HOME}",
            f"export CHAOS_EFFECTS={HOME}/effects.jsonl",
        ]
        return self.cluster.worker(
            HOST,
            "slurm",
            work_dir=f"{DISK}/work",
            pre_run="\n".join(lines),
            resources={"time": "0:10:00", "ntasks": 1},
            max_jobs=6,
            job_arrays=True,
            timeout_execute=20,
            connect_timeout=5,
            keepalive=5,
        )

    def mode(self, command: str, mode: str) -> None:
        """Let a command of Slurm do something else; an empty mode ends that."""
        (self.home / f"mode.{command}").write_text(mode)

    def fill(self) -> None:
        """Leave no byte on the disk; while it is not mounted, its folder is of this machine's."""
        script = "".join(
            f"mountpoint -q {DISK} &&"
            f" dd if=/dev/zero of={DISK}/{name} bs={block}k count={KIB // block}\n"
            for name, block in (("filler", 64), ("rest", 1))
        )
        self.bed.on(HOST, "sh", "-c", script, check=False)

    def clear(self) -> None:
        """Give the disk back."""
        self._root("rm", "-f", f"{DISK}/filler", f"{DISK}/rest")

    def reboot(self, off_for: float) -> None:
        """Kill the machine with all that runs on it, and start it again."""
        # Nobody can log in before file systems are mounted, as on a machine that systemd boots:
        # without its disk, the folder of the disk is root's.
        self.bed.net(HOST, "down")
        self.reboots.append(time.time())
        self.bed.reboot(HOST, off_for=off_for)
        self.arm()
        self._tell_of_the_boot()
        self.bed.net(HOST, "up")

    def _tell_of_the_boot(self) -> None:
        """Have Slurm know that all its jobs are gone.

        It learns so from the nodes' boot times, which are this machine's here. A job that had begun
        only seconds before would count as running up to its time limit.
        """
        wait_until(self._answers, "the cluster's controller")
        for node in self._nodes():
            self._root("scontrol", "update", f"nodename={node}", "state=down", "reason=rebooted")
        wait_until(self._all_resumed, "the cluster's nodes to be there", every=1)

    def heal(self) -> None:
        """End what may still be wrong."""
        for name in ("squeue", "sbatch"):
            self.mode(name, "")
        self.clear()
        self.bed.relay("set", HOST, mode="ok")
        self.bed.net(HOST, "up")
        self._administrate()

    def _administrate(self) -> None:
        """Do what only the cluster's administrator can.

        A slurmctld that is killed before it has saved its state gives ids a second time, drains
        nodes on which it then finds the first job of the id, and holds the second one.
        """
        # The network is a moment older than the names of its hosts, and a controller starts slowly.
        wait_until(self._answers, "the cluster's controller")
        wait_until(self._all_resumed, "the cluster's nodes to be there", every=1)
        held = self._root("/run/real-squeue", "-h", "-o", "%i %r").stdout
        for line in str(held).splitlines():
            if "held" in line:
                self._root("scontrol", "release", line.split()[0])

    def _all_resumed(self) -> bool:
        """Resume the nodes that are drained or down, if they do not come back by themselves."""
        nodes = self._nodes("-t", "drain,down")
        for node in nodes:
            update = ("scontrol", "update", f"nodename={node}", "state=resume")
            self.bed.on(HOST, *update, check=False)
        return not nodes

    def _nodes(self, *which: str) -> list[str]:
        told = self._root("sinfo", "-h", "-N", *which, "-o", "%N").stdout
        return sorted(set(str(told).split()))

    def _answers(self) -> bool:
        return bool(self.bed.on(HOST, "sinfo", "-h", check=False).returncode == 0)

    def away(self, *, back: bool) -> None:
        """Kill the scheduler's daemon, or start it."""
        if back:
            self.bed.start_service(HOST, "slurmctld")
        else:
            self.bed.stop_service(HOST, "slurmctld", "KILL")

    # ------------------------------------------------------------ what is seen

    def noted(self) -> list[dict[str, Any]]:
        """Return what jobs wrote down."""
        return [json.loads(line) for line in self.effects.read_text().splitlines()]

    def queue(self) -> list[str]:
        """Return the names of all jobs in the queue."""
        told = self._root("/run/real-squeue", "-h", "-o", "%j")
        return str(told.stdout).split()

    def accounting(self) -> list[dict[str, str]]:
        """Return every life of every queue job, as the accounting has it.

        The task of an array has its job's name, as a queue job of its own would have.
        """
        told = self._root("sacct", "-nXDPa", "-S", "now-1days", "-o", FIELDS)
        names = [field.partition("%")[0] for field in FIELDS.split(",")]
        lines = [line.split("|") for line in str(told.stdout).splitlines()]
        rows = [dict(zip(names, line, strict=True)) for line in lines]
        tasks = self._tasks()
        for row in rows:
            array, number = row["JobName"], row["JobID"].partition("_")[2]
            row["JobName"] = tasks.get((array, number), array)
            row["JobID"] = row["JobIDRaw"]
        return rows

    def _tasks(self) -> dict[tuple[str, str], str]:
        """Return the names of jobs that went as tasks, by the names of their arrays and numbers."""
        root = f"{DISK}/work"
        told = self.bed.on(HOST, "grep", "-r", "", root, "--include=.jfc_array.*", check=False)
        found = {}
        for line in str(told.stdout).splitlines():
            place, _, content = line.partition(":")
            path, (array, number) = Path(place), content.split()
            job = path.parent.name.partition(".")[0].replace("_", "-")
            found[array, number] = f"jfc-{job}-{path.name.rpartition('.')[2]}"
        return found

    def scripts(self) -> dict[tuple[str, int], str]:
        """Return what scripts said of their stages, by job and attempt."""
        root = f"{DISK}/work"
        told = self.bed.on(
            HOST, "grep", "-r", "^stage=", root, "--include=jfc_status.*", check=False
        )
        found: dict[tuple[str, int], str] = {}
        for line in str(told.stdout).splitlines():
            place, _, content = line.partition(":")
            path = Path(place)
            job = (path.parent.name.partition(".")[0], int(path.name.rpartition(".")[2]))
            found[job] = f"{found.get(job, '')}{content}\n"
        return found

    def folders(self) -> list[str]:
        """Return the names of all run folders, and of what else lies beside them."""
        told = self.bed.on(
            HOST, "find", f"{DISK}/work", "-mindepth", "4", "-maxdepth", "4", check=False
        )
        return [Path(line).name for line in str(told.stdout).splitlines()]

    def close(self) -> None:
        """Unmount what was mounted."""
        self.heal()
        for what in (DISK, "/usr/bin/squeue", "/usr/bin/sbatch"):
            self.bed.on(HOST, "umount", "-l", what, check=False)
        with contextlib.suppress(OSError):
            shutil.rmtree(self.home)

    def _root(self, *argv: str) -> Any:
        return self.bed.on(HOST, *argv)
