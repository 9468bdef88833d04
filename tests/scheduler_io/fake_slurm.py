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
last= name=
for word in "$@"; do
  case $word in
    --array=0-*) last=${word#--array=0-} ;;
    --job-name=*) name=${word#--job-name=} ;;
  esac
done
case $mode${last:+-array} in
  refuse | refuse-array | no-arrays-array) cat words >&2; exit 1 ;;
esac
case $mode in
  hang) sleep 1000 ;;
  die-before) kill -KILL 0 ;;
  killed) kill -KILL $$ ;;
  nonsense) echo "<html>503</html>"; exit 0 ;;
esac
id=$(flock next.lock bash -c 'n=$(($(cat next 2>/dev/null || echo 100) + 1)); echo $n | tee next')
name=${name:-$(sed -n 's/^#SBATCH --job-name=//p' "$OLDPWD/submit.sh")}
if [ -n "$last" ]; then
  for ((n = 0; n <= last; n++)); do
    echo "${id}_$n|PENDING|Priority|debug|$name" >>queue
  done
else
  echo "$id|PENDING|Priority|debug|$name" >>queue
fi
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
[ "$mode" = run ] || exit 0
# As under Slurm, a job has nothing of what the submitting process has open.
begin() {
  for one in /proc/self/fd/*; do
    one=${one##*/}
    [ "$one" -gt 2 ] && [ "$one" -lt 255 ] && eval "exec $one>&-"
  done
  cd "$place" || exit
  SLURM_JOB_ID=$2 setsid bash submit.sh </dev/null >"./$1/queue.out" 2>"./$1/queue.err"
}
place=$OLDPWD
if [ -z "$last" ]; then begin . "$id" >/dev/null 2>&1 & exit 0; fi
export SLURM_ARRAY_JOB_ID=$id
for ((n = 0; n <= last; n++)); do
  SLURM_ARRAY_TASK_ID=$n begin "$n" "$((id * 1000 + n))" >/dev/null 2>&1 &
done
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
case " $* " in *'%F|%Z|%j'*) sed 's/_*|.*|/||/; s/_[^|]*|/|/' queue 2>/dev/null; exit 0 ;; esac
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
cd "{folder}"
if [ "$*" = "show config" ]; then
  echo "MaxArraySize            = $(cat largest 2>/dev/null || echo 1001)"
  exit 0
fi
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

    def allow_arrays(self, largest: int) -> None:
        """Choose how many tasks an array may have."""
        (self.folder / "largest").write_text(f"{largest}\n")

    def replace(self, program: str, text: str) -> None:
        """Put another program of the system before its own, which is ``$REAL``."""
        place = self.folder / "bin" / program
        head = f"#!/bin/bash\nREAL=$(PATH=${{PATH#*:}} command -v {program})\n"
        place.write_text(head + text)
        place.chmod(0o755)

    def restore(self, program: str) -> None:
        """Take a program away again that `replace` put there."""
        (self.folder / "bin" / program).unlink()

    def set_queue(self, *rows: str) -> None:
        """Replace the rows of the queue."""
        (self.folder / "queue").write_text("".join(f"{row}\n" for row in rows))
