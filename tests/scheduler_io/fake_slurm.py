"""Commands that answer like Slurm's, kept in a folder: for what a real Slurm cannot be told to do.

The real one is tested in ``tests/hpc``. Here each test scripts one answer: refusing, hanging,
garbage, or dying at a chosen point.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_SBATCH = """\
#!/bin/bash
cd "{folder}"
mode=$(cat mode 2>/dev/null)
echo call >>calls
case $mode in
  refuse) cat words >&2; exit 1 ;;
  hang) sleep 1000 ;;
  die-before) kill -KILL 0 ;;
  killed) kill -KILL $$ ;;
  nonsense) echo "<html>503</html>"; exit 0 ;;
esac
id=$(($(cat next 2>/dev/null || echo 100) + 1)); echo $id >next
name=$(sed -n 's/^#SBATCH --job-name=//p' "$OLDPWD/submit.sh")
echo "$id|PENDING|Priority|debug|$name" >>queue
case $mode in
  die-after) kill -KILL 0 ;;
  killed-after) kill -KILL $$ ;;
  silent) exit 0 ;;
  murmur) echo "<html>504</html>"; exit 0 ;;
  time-out) echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv \
operation" >&2; exit 1 ;;
esac
echo "Submitted batch job $id"
[ "$mode" = die-last ] && kill -KILL 0
exit 0
"""

_SQUEUE = """\
#!/bin/bash
cd "{folder}"
echo "$*" >>asked
mode=$(cat squeue-mode 2>/dev/null)
case $mode in
  fail) echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1 ;;
  hang) sleep 1000 ;;
  empty) exit 0 ;;
  garbage) echo "<html>503</html>"; exit 0 ;;
  cut) printf 'JOBID|STATE|REASON|PARTITION|NA'; exit 0 ;;
esac
case " $* " in *" -h "*) cut -d'|' -f1 queue 2>/dev/null; exit 0 ;; esac
echo 'JOBID|STATE|REASON|PARTITION|NAME'
cat queue 2>/dev/null
exit 0
"""

_SCANCEL = """\
#!/bin/bash
cd "{folder}"
for id in "$@"; do sed -i "s/^$id|[A-Z]*|/$id|CANCELLED|/" queue; done
"""

_SACCT = """\
#!/bin/bash
echo "Slurm accounting storage is disabled" >&2
exit 1
"""

_SCONTROL = """\
#!/bin/bash
echo "slurm_load_jobs error: Invalid job id specified" >&2
exit 1
"""


class FakeSlurm:
    """The commands, and the folder that they keep their queue in.

    Args:
        folder: An empty folder.
        monkeypatch: Puts the commands on the PATH.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        programs = {
            "sbatch": _SBATCH,
            "squeue": _SQUEUE,
            "scancel": _SCANCEL,
            "sacct": _SACCT,
            "scontrol": _SCONTROL,
        }
        place = folder / "bin"
        place.mkdir(parents=True)
        for name, text in programs.items():
            (place / name).write_text(text.replace("{folder}", str(folder)))
            (place / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")

    def submitting(self, mode: str, words: str = "") -> None:
        """Choose what sbatch does from now on."""
        (self.folder / "mode").write_text(mode)
        (self.folder / "words").write_text(words)

    def listing(self, mode: str) -> None:
        """Choose what squeue does from now on."""
        (self.folder / "squeue-mode").write_text(mode)

    @property
    def calls(self) -> int:
        """How often sbatch was called."""
        path = self.folder / "calls"
        return len(path.read_text().split()) if path.exists() else 0

    @property
    def asked(self) -> list[str]:
        """What squeue was asked, each time."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def queue(self) -> list[list[str]]:
        """The rows of the queue."""
        path = self.folder / "queue"
        return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []

    def set_queue(self, *rows: str) -> None:
        """Replace the rows of the queue."""
        (self.folder / "queue").write_text("".join(f"{row}\n" for row in rows))
