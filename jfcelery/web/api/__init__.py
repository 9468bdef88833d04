"""The REST API: what the commands of ``jfc`` show and do, over HTTP."""
