"""Answers of real schedulers, recorded; where this machine has none, put together from the sources.

Slurm 22.05.8 and Grid Engine 8.1.9 are those of the testbed. What PBS Professional and Torque
print is laid out as in the samples of their guides; ``data/qstat`` has answers of real ones.
"""

from __future__ import annotations

NAME = "jfc-87dcc470-3387-498f-b701-2603a68670d8-1-1"

SQUEUE = f"""\
JOBID|STATE|REASON|PARTITION|NAME
21|PENDING|Priority|debug|{NAME}
22|RUNNING|None|debug|a name | with a bar
23|COMPLETING|None|debug|jfc-c
24_[1-3]|PENDING|JobArrayTaskLimit|debug|array
25|PENDING|JobHeldUser|debug|jfc-held
26|COMPLETED|None|short|jfc-done
27|TIMEOUT|TimeLimit|short|jfc-late
28|CANCELLED|None|short|jfc-cancelled
29|LAUNCHING_ROCKET|None|short|jfc-new
30|REQUEUE_HOLD|launch failed requeued held|short|jfc-rh
31|OUT_OF_MEMORY|OutOfMemory|short|jfc-oom
32|SUSPENDED|None|short|jfc-s
garbage in the middle
33|NODE_FAIL|NodeDown|short|jfc-node
34|PREEMPTED|None|short|jfc-pre
35|FAILED|NonZeroExitCode|short|jfc-bad
"""

SACCT = f"""\
2|CANCELLED by 20001|0:15|{NAME}
3|TIMEOUT|0:0|jfc-late
4|FAILED|3:0|jfc-bad
5|OUT_OF_MEMORY|0:125|jfc-oom
6|COMPLETED|0:0|jfc-good
7|NODE_FAIL|1:0|jfc-node
8|PREEMPTED|0:15|jfc-pre
9|RUNNING|0:0|jfc-on
10|FAILED|0:9|jfc-killed
uid|20001|hpc
"""

#: Of an array, by which `account` has replaced the numbers that Slurm gave its tasks.
SACCT_ARRAY = """\
41_0|COMPLETED|0:0|jfc-array-1-a
41_1|FAILED|3:0|jfc-array-1-a
41_2|RUNNING|0:0|jfc-array-1-a
41_[3-5]|PENDING|0:0|jfc-array-1-a
42_[0,2-4%1]|CANCELLED by 20001|0:0|jfc-array-2-a
uid|20001|hpc
"""

SCONTROL_ARRAY = """\
JobId=46 ArrayJobId=41 ArrayTaskId=4 JobName=jfc-array-1-a UserId=hpc(20001) JobState=CANCELLED \
Reason=None ExitCode=0:15
Job 41_6 not found
lacks|41_6|jfc-array-1-a
"""

SCONTROL = """\
JobId=11 JobName=jfc-x y UserId=hpc(20001) GroupId=hpc(20001) MCS_label=N/A Priority=1 Nice=0 \
Account=root QOS=normal JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 \
Restarts=0 BatchFlag=1 Reboot=0 ExitCode=7:0 RunTime=00:00:01 TimeLimit=UNLIMITED \
StdErr=/home/hpc/queue.err
JobId=12 JobName=jfc-z UserId=hpc(20001) JobState=RUNNING Reason=None ExitCode=0:0
"""

SLURM_STDERR = {
    "CANCELLED": "slurmstepd-hpca-n1: error: *** JOB 2 ON hpca-n1 CANCELLED AT "
    "2026-11-28T22:06:17 ***\nTerminated\n",
    "TIMEOUT": "slurmstepd: error: *** JOB 9 ON n1 CANCELLED AT 2024-05-02T10:00:00 "
    "DUE TO TIME LIMIT ***\n",
    "PREEMPTED": "slurmstepd: error: *** JOB 9 ON n1 CANCELLED AT 2024-05-02T10:00:00 "
    "DUE TO PREEMPTION ***\n",
    "NODE_FAIL": "slurmstepd: error: *** JOB 9 ON n1 CANCELLED AT 2024-05-02T10:00:00 "
    "DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***\n",
    "OUT_OF_MEMORY": "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=9.batch. Some of "
    "your processes may have been killed by the cgroup out-of-memory handler.\n",
}

#: Of a job that Slurm killed for its memory without cgroups (``OverMemoryKill``).
SLURM_OVER_MEMORY = (
    "slurmstepd-hpca-n1: error: StepId=1.batch exceeded memory limit (226795520 > 104857600), "
    "being killed\nslurmstepd-hpca-n1: error: Exceeded job memory limit\n"
    "slurmstepd-hpca-n1: error: *** JOB 1 ON hpca-n1 CANCELLED AT 2026-11-29T06:18:22 ***\n"
)
#: And its accounting.
SACCT_OVER_MEMORY = "1|FAILED|0:9|jfc-hog\n"

QSTAT_XML = f"""\
<?xml version='1.0'?>
<job_info  xmlns:xsd="http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/\
qstat/qstat.xsd">
  <queue_info>
    <job_list state="running">
      <JB_job_number>5</JB_job_number>
      <JAT_prio>0.55500</JAT_prio>
      <JB_name>{NAME}</JB_name>
      <JB_owner>hpc</JB_owner>
      <state>r</state>
      <JAT_start_time>2026-11-28T22:11:50</JAT_start_time>
      <queue_name>all.q@hpcb</queue_name>
      <slots>1</slots>
    </job_list>
    <job_list state="running">
      <JB_job_number>6</JB_job_number>
      <JB_name>a b</JB_name>
      <state>dr</state>
    </job_list>
  </queue_info>
  <job_info>
    <job_list state="pending">
      <JB_job_number>7</JB_job_number>
      <JB_name>jfc-q</JB_name>
      <state>qw</state>
    </job_list>
    <job_list state="pending">
      <JB_job_number>8</JB_job_number>
      <JB_name>jfc-h</JB_name>
      <state>hqw</state>
    </job_list>
    <job_list state="pending">
      <JB_job_number>9</JB_job_number>
      <JB_name>jfc-e</JB_name>
      <state>Eqw</state>
    </job_list>
    <job_list state="suspended">
      <JB_job_number>10</JB_job_number>
      <JB_name>jfc-s</JB_name>
      <state>s</state>
    </job_list>
  </job_info>
</job_info>
"""

QSTAT_XML_EMPTY = """\
<?xml version='1.0'?>
<job_info  xmlns:xsd="http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/\
qstat/qstat.xsd">
  <queue_info>
  </queue_info>
  <job_info>
  </job_info>
</job_info>
"""

_QACCT = """\
==============================================================
qname        all.q
hostname     hpcb
owner        hpc
jobname      {name}
jobnumber    {number}
taskid       undefined
granted_pe   NONE
slots        1
failed       {failed}
exit_status  {status}
ru_wallclock 2s
category     NONE
"""


def qacct(number: int, failed: str, status: str, extra: str = "") -> str:
    """Return a record of Grid Engine's accounting."""
    return _QACCT.format(name=NAME, number=number, failed=failed, status=status) + extra


QACCT = "".join(
    (
        qacct(1, "0    ", "1                   "),
        qacct(1, "0    ", "3                   "),
        qacct(2, "100 : assumedly after job", "137                  (Killed)"),
        qacct(
            3,
            "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit",
            "137                  (Killed)",
        ),
        qacct(4, "0    ", "0                   "),
        qacct(5, "100 : assumedly after job", "137", "deleted_by   admin@hpcb\n"),
        qacct(6, "25  : rescheduling", "0"),
        qacct(7, "26  : opening input/output file", "0"),
    )
)

QSTAT_PRO = f"""\
Job Id: 1001.pbs
    Job_Name = {NAME}
    Job_Owner = ada@login1.cluster
    job_state = R
    queue = workq
    server = pbs
    Error_Path = login1.cluster:/home/ada/work/87/dc/c4/87dcc470-3387-498f-b701-260
\t3a68670d8_1/queue.err
    exec_host = n1/0
    Variable_List = PBS_O_HOME=/home/ada,PBS_O_LANG=C,PBS_O_LOGNAME=ada,
\tPBS_O_PATH=/usr/bin,PBS_O_WORKDIR=/home/ada
    comment = Job run at Mon Nov 02 at 10:00 on (n1:ncpus=1)
    substate = 42

Job Id: 1002.pbs
    Job_Name = jfc-done
    job_state = F
    comment = Job run at Mon Nov 02 at 10:00 on (n1:ncpus=1) and finished
    substate = 92
    Exit_status = 0

Job Id: 1003.pbs
    Job_Name = jfc-late
    job_state = F
    comment = Job run at Mon Nov 02 at 10:00 on (n1:ncpus=1) and failed
    substate = 93
    Exit_status = -29

Job Id: 1004.pbs
    Job_Name = jfc-deleted
    job_state = F
    comment = Job run at Mon Nov 02 at 10:00 on (n1:ncpus=1) and terminated
    substate = 91
    Exit_status = 271

Job Id: 1005.pbs
    Job_Name = jfc-held
    job_state = H

Job Id: 1006.pbs
    Job_Name = jfc-mem
    job_state = F
    substate = 93
    Exit_status = -27

Job Id: 1007.pbs
    Job_Name = jfc-bad
    job_state = F
    substate = 93
    Exit_status = 3

Job Id: 1008.pbs
    Job_Name = jfc-odd
    job_state = ?

Job Id: 1009.pbs
    Job_Name = jfc-killed
    job_state = F
    substate = 93
    Exit_status = 265

"""

QSTAT_PRO_STDERR = "qstat: Unknown Job Id 1010.pbs\n"

QSTAT_TORQUE = f"""\
Job Id: 522081.barnacle.example.edu
    Job_Name = {NAME}
    Job_Owner = ada@barnacle.example.edu
    resources_used.walltime = 00:00:27
    job_state = C
    queue = short4gb
    server = barnacle.example.edu
    Error_Path = barnacle.example.edu:/home/ada/queue.err
    exec_host = brncl-31/4
    exit_status = -11
    comp_time = Fri Oct 20 04:28:05 2017

Job Id: 522082.barnacle.example.edu
    Job_Name = jfc-q
    job_state = Q
    queue = short4gb

Job Id: 522083.barnacle.example.edu
    Job_Name = jfc-killed
    job_state = C
    exit_status = 271

"""

QSTAT_TORQUE_STDERR = "qstat: Unknown Job Id Error 522084.barnacle.example.edu\n"
