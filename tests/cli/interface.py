"""The interface that jfcelery promises, as data: commands with their options, methods."""

from __future__ import annotations

#: What selects jobs, of the commands that take any job filter.
JFILT = (
    "--job-id/-jid --db-id/-did --flow-id/-fid --state/-s --start-date/-sdate --end-date/-edate "
    "--name/-n --metadata/-meta --days/-ds --hours/-hs --worker/-wk --query/-q --error-class "
    "--error-regex --verbosity/-v"
)
#: What selects flows.
FFILT = (
    "--job-id/-jid --db-id/-did --flow-id/-fid --state/-s --start-date/-sdate --end-date/-edate "
    "--name/-n --days/-ds --hours/-hs"
)
#: Options that may be given several times.
REPEATABLE = ("--job-id", "--db-id", "--flow-id", "--state", "--worker")
_WAIT = "--wait/-w"
_LOCK = "--wait/-w --break-lock/-bl"
_RAISE = "--raise-on-error/-re"

#: Each command's arguments and options; "-" stands before arguments. Other options it may have.
COMMANDS: dict[str, tuple[str, str]] = {
    "": ("", "--project/-p --full-exc/-fe --tree --version"),
    "job list": (
        "",
        (
            f"{JFILT} --max-results/-m --sort --reverse-sort/-revs --locked/-l --latest-flow/-lf "
            "--error/-e --running/-run --count --stored-data-key/-sdk --output/-o --color/-col "
            "--json"
        ),
    ),
    "job info": ("[ID] [INDEX]", "--pid --show-none/-n --verbosity/-v --json"),
    "job set-state": ("NEW_STATE [ID] [INDEX]", f"{JFILT} {_LOCK} --json"),
    "job rerun": ("[ID] [INDEX]", f"{JFILT} {_LOCK} --force/-f {_RAISE} --no-delete/-nd --json"),
    "job retry": ("[ID] [INDEX]", f"{JFILT} {_LOCK} {_RAISE} --json"),
    "job stop": ("[ID] [INDEX]", f"{JFILT} {_LOCK} {_RAISE} --json"),
    "job pause": ("[ID] [INDEX]", f"{JFILT} {_WAIT} {_RAISE} --json"),
    "job resume": ("[ID] [INDEX]", f"{JFILT} {_WAIT} {_RAISE} --json"),
    "job play": ("[ID] [INDEX]", f"{JFILT} {_WAIT} {_RAISE} --json"),
    "job delete": (
        "[ID] [INDEX]",
        f"{JFILT} {_WAIT} {_RAISE} --max/-m --output/-o --files/-fi --all/-a --json",
    ),
    "job queue-out": ("ID [INDEX]", "--json"),
    "job report": ("[INTERVAL] [NUM]", "--json"),
    "job todir": ("ID [INDEX]", "--shell/-s"),
    "job output": ("ID [INDEX]", "--path/-p --load/-l"),
    "job dump": ("", f"{JFILT} --path/-p"),
    "job set worker": ("WORKER [ID] [INDEX]", f"{JFILT} {_RAISE}"),
    "job set exec-config": ("EXEC_CONFIG [ID] [INDEX]", f"{JFILT} {_RAISE}"),
    "job set priority": ("PRIORITY [ID] [INDEX]", f"{JFILT} {_RAISE}"),
    "job set resources": (
        "RESOURCES [ID] [INDEX]",
        f"{JFILT} {_RAISE} --replace/-r --qresources/-qr",
    ),
    "job files ls": ("ID [INDEX]", "--json"),
    "job files get": ("ID FILES", "--index/-i --path/-p"),
    "job files delete": ("ID", "--index/-i --all-states/-as --force/-f"),
    "job why": ("ID [INDEX]", "--json"),
    "job history": ("ID [INDEX]", "--json"),
    "job logs": ("ID [INDEX]", "--follow/-f"),
    "notify test": ("", "--rule/-r --json"),
    "job submit-script": ("ID [INDEX]", ""),
    "flow list": (
        "",
        (
            f"{FFILT} --metadata/-meta --locked/-l --verbosity/-v --count --max-results/-m --sort "
            "--reverse-sort/-revs --json"
        ),
    ),
    "flow info": (
        "ID",
        (
            "--job/-j --verbosity/-v --stored-data-key/-sdk --output/-o --sort --jobs-sort "
            "--reverse-sort/-revs --reverse-jobs-sort/-jrevs --report/-rep --json"
        ),
    ),
    "flow graph": ("ID", "--job/-j --label/-l --path/-p --dash/-d --mermaid/-m"),
    "flow report": ("[INTERVAL] [NUM]", "--json"),
    "flow resume": ("ID", "--job/-j"),
    "flow set store": ("ID [STORE]", "--job/-j"),
    "flow delete": (
        "",
        (
            f"{FFILT} --yes/-y --max/-m --verbosity/-v --output/-o --files/-fi --all/-a "
            f"--keep-processes/-kp {_LOCK}"
        ),
    ),
    "flow clean": (
        "",
        (
            f"{FFILT} --metadata/-meta --locked/-l --verbosity/-v --force/-f --yes/-y --max/-m "
            "--all-states/-as"
        ),
    ),
    "batch list": (
        "",
        "--worker/-wk --max-results/-m --state/-s --job-id/-jid --db-id/-did --verbosity/-v",
    ),
    "batch info": ("ID", ""),
    "batch drain": ("[ID]...", "--worker/-wk --yes/-y"),
    "batch delete": ("", "--state/-s --process-id/-pid --batch-uid/-bid --worker/-wk --yes/-y"),
    "execution run": ("[RUN_DIR]", ""),
    "execution run-batch": ("RUN_DIR", ""),
    "runner start": (
        "",
        "--transfer/-t --complete/-com --single/-s --log-level/-log --connect-interactive/-i",
    ),
    "runner run": ("", ""),
    "runner stop": ("", ""),
    "runner kill": ("", ""),
    "runner shutdown": ("", ""),
    "runner restart": ("", ""),
    "runner status": ("", "--json"),
    "runner info": ("", "--json"),
    "runner foreground": ("", ""),
    "runner reset": ("", ""),
    "runner update-status": ("", ""),
    "runner systemd": ("", ""),
    "project list": ("", "--json"),
    "project generate": ("NAME", "--format/-f --full"),
    "project import": ("FILE", ""),
    "project check": ("", "--jobstore/-js --queue/-q --worker/-w --errors/-e --full/-f --json"),
    "project check-conflicts": ("", "--json"),
    "project remove": ("", ""),
    "project exec_config list": ("", "--json"),
    "project worker list": ("", "--json"),
    "project edit replace": ("", ""),
    "admin reset": ("[DATE]", ""),
    "admin unlock": ("", JFILT),
    "admin unlock-flow": ("", FFILT),
    "admin unlock-runner": ("", ""),
    "admin upgrade": ("", ""),
    "admin index rebuild": ("", ""),
    "admin index create": ("", ""),
    "admin import": ("", ""),
    "backup create": ("[DIR]", "--compress/-c --mongo-path/-m --python/-p"),
    "backup restore": ("[DIR]", ""),
    "plugin list": ("", "--json"),
    "demo": ("", ""),
    "doctor": ("", "--json --bug-report"),
    "watch": ("[FLOW]", ""),
    "worker list": ("", "--json"),
    "worker test": ("NAME", ""),
    "worker login": ("NAME", ""),
    "worker pause": ("NAME", ""),
    "worker resume": ("NAME", ""),
    "flower": ("", ""),
    "submit": ("FILE", ""),
    "completion": ("", ""),
}

#: What selects jobs, and flows, in the order of jobflow-remote's methods.
JOBS = "job_ids db_ids flow_ids states start_date end_date name metadata workers"
FLOWS = "job_ids db_ids flow_ids states start_date end_date name"
#: Methods of JobController, with the parameters that each must take first, in the order of
#: jobflow-remote 1.0.1 where it has the method.
METHODS: dict[str, str] = {
    "from_project_name": "project_name",
    "from_project": "project",
    "close": "",
    "get_jobs_info": "custom_query {jobs} locked sort limit skip",
    "get_jobs_doc": "custom_query {jobs} locked sort limit",
    "get_jobs": "query projection",
    "get_job_info": "job_id db_id job_index",
    "get_job_doc": "job_id db_id job_index",
    "get_job_info_by_pid": "pid",
    "get_flows_info": "{flows} metadata locked sort jobs_sort limit skip with_jobs_info",
    "get_job_uuids": "flow_uuids",
    "count_jobs": (
        "query job_ids db_ids flow_ids states locked start_date end_date name metadata workers"
    ),
    "count_flows": "query {flows} metadata locked",
    "count_jobs_states": "states worker",
    "count_flows_states": "states",
    "get_trends": "states interval num_intervals interval_timezone",
    "get_job_output": "job_id db_id job_index load",
    "rerun_jobs": "{jobs} custom_query raise_on_error force wait break_lock delete_files",
    "rerun_job": "job_id db_id job_index force wait break_lock delete_files",
    "retry_jobs": "{jobs} custom_query raise_on_error wait break_lock",
    "retry_job": "job_id db_id job_index wait break_lock",
    "pause_jobs": "{jobs} custom_query raise_on_error wait",
    "pause_job": "job_id db_id job_index wait",
    "resume_jobs": "{jobs} custom_query raise_on_error wait break_lock",
    "resume_job": "job_id db_id job_index wait break_lock",
    "stop_jobs": "{jobs} custom_query raise_on_error wait break_lock",
    "stop_job": "job_id db_id job_index wait break_lock",
    "set_jobs_state": "state {jobs} custom_query raise_on_error wait break_lock",
    "set_job_state": "state job_id db_id job_index wait break_lock",
    "set_job_run_properties": (
        "worker exec_config resources priority update {jobs} custom_query raise_on_error"
    ),
    "delete_jobs": "{jobs} custom_query raise_on_error wait delete_output delete_files max_limit",
    "delete_job": "job_id db_id job_index delete_output delete_files wait break_lock",
    "resume_flow": "job_id db_id flow_id wait break_lock",
    "delete_flow": "flow_id delete_output delete_files cancel_processes wait break_lock",
    "delete_flows": (
        "flow_ids max_limit delete_output delete_files cancel_processes raise_on_error wait "
        "break_lock"
    ),
    "get_flow_store": "flow_id",
    "set_flow_store": "store db_id job_id flow_id",
    "add_flow": "flow worker allow_external_references exec_config resources priority jobstore",
    "reset": "reset_output max_limit validation",
    "build_indexes": "background job_custom_indexes flow_custom_indexes drop",
    "create_indexes": "indexes collection unique background",
    "unlock_jobs": "{jobs}",
    "unlock_flows": "{flows}",
    "backup_dump": "dir_path mongo_bin_path compress python",
    "get_batches": "process_id batch_uid worker batch_state job_ids db_ids limit sort",
    "count_batches": "process_id batch_uid worker batch_state job_ids db_ids",
    "find_batches": "name",
    "drain_batches": "process_id batch_uid worker",
    "delete_batches": "process_id batch_uid worker batch_state",
    "backup_restore": "dir_path mongo_bin_path compress python",
}

#: Functions of the package, with the parameters that each must take.
FUNCTIONS: dict[str, str] = {
    "submit_flow": (
        "flow worker project exec_config resources priority allow_external_references jobstore "
        "dry_run"
    ),
    "set_run_config": (
        "flow_or_job name_filter function_filter exec_config resources priority worker dynamic "
        "overwrite"
    ),
    "get_jobstore": "project_name jobstore_name",
    "wait_for": "flow_or_ids timeout progress",
}
