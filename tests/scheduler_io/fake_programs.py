"""Commands of schedulers that no machine of ours has, as their manuals describe them.

Each works on a folder with one file a job. What they print is laid out as in the recorded answers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_QSUB = """\
#!/bin/bash
id=$(($(ls {folder}/jobs | wc -l) + 1)).{server}
name=$(sed -n 's/^#PBS -N //p' "$1")
echo "$name Q" >{folder}/jobs/$id
echo $id
"""

_QSTAT = """\
#!/bin/bash
if [ "$1" = --version ]; then {version}; exit 0; fi
echo "$*" >>{folder}/qstat-calls
[ "$1" = -f ] || exit 2
shift
if [ "$1" = -x ]; then {x}; shift; fi
code=0
for id in "$@"; do
  if [ -e {folder}/jobs/$id ]; then
    read -r name state status <{folder}/jobs/$id
    printf 'Job Id: %s\\n    Job_Name = %s\\n    job_state = %s\\n' "$id" "$name" "$state"
    [ -z "$status" ] || printf '    {status} = %s\\n' "$status"
    echo
  else
    echo "qstat: {unknown} $id" >&2; code=153
  fi
done
exit $code
"""

_QSELECT = """\
#!/bin/bash
[ "$1" = -N ] || exit 2
cd {folder}/jobs; for id in *; do
  read -r name rest <$id
  [ "$name" = "$2" ] && echo $id
done
exit 0
"""

_QDEL = """\
#!/bin/bash
for id in "$@"; do
  read -r name rest <{folder}/jobs/$id && echo "$name {ended} 271" >{folder}/jobs/$id
done
"""

PROFESSIONAL = {
    "server": "pbs",
    "version": "echo pbs_version = 22.05.11",
    "x": ":",
    "status": "Exit_status",
    "unknown": "Unknown Job Id",
    "ended": "F",
}
TORQUE = {
    "server": "torque.example.edu",
    "version": "echo Version: 6.1.1 >&2",
    "x": "echo '<Data></Data>'; exit 0",
    "status": "exit_status",
    "unknown": "Unknown Job Id Error",
    "ended": "C",
}

_SITE = {
    "site-submit": '#!/bin/bash\n[ "$1" = --quiet ] || exit 2\n'
    "id=S$(($(ls {folder}/jobs | wc -l) + 1))\n"
    "sed -n 's/^#SITE name=\\([^ ]*\\) .*/\\1/p' \"$2\" >{folder}/jobs/$id; echo job $id\n",
    "site-list": '#!/bin/bash\n[ "$*" = "--user $(id -un)" ] || exit 2\n'
    "cd {folder}/jobs; for id in *; do echo $id RUNNING $(cat $id); done\n"
    "echo S99 DREAMING odd\n",
    "site-kill": '#!/bin/bash\nrm {folder}/jobs/"$1"\n',
}


def fake_pbs(folder: Path, monkeypatch: pytest.MonkeyPatch, words: dict[str, str]) -> Path:
    """Put the commands of a kind of PBS on the PATH; return the folder of its jobs."""
    programs = {"qsub": _QSUB, "qstat": _QSTAT, "qselect": _QSELECT, "qdel": _QDEL}
    return _install(folder, monkeypatch, programs, words)


def fake_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the commands of a site's own scheduler on the PATH; return the folder of its jobs."""
    return _install(folder, monkeypatch, _SITE, {})


def _install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str], words: dict[str, str]
) -> Path:
    place = folder / "bin"
    place.mkdir(parents=True)
    (folder / "jobs").mkdir()
    for name, text in programs.items():
        filled = text
        for key, word in {"folder": str(folder), **words}.items():
            filled = filled.replace(f"{{{key}}}", word)
        (place / name).write_text(filled)
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return folder / "jobs"
